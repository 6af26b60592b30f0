//! Sends an executor's messages: progress of an attempt, then its result. No progress follows a result.

use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frame::{Connection, Error, FromExecutor};
use crate::shuffle::ReadProgress;

/// Least time between two progress messages.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The sending side of the socket.
pub(super) struct Voice {
    saying: Mutex<Saying>,
    /// Wakes the progress thread when an attempt begins.
    begun: Condvar,
}

struct Saying {
    connection: Connection<UnixStream>,
    /// Progress of the running attempt.
    progress: Option<Arc<ReadProgress>>,
    /// Bytes and total of the last message.
    said: (u64, u64),
    /// Whether the progress thread waits for an attempt to begin.
    is_idle: bool,
}

impl Voice {
    pub(super) fn new(connection: Connection<UnixStream>) -> Self {
        let saying = Saying { connection, progress: None, said: (0, 0), is_idle: false };
        Voice { saying: Mutex::new(saying), begun: Condvar::new() }
    }

    fn saying(&self) -> MutexGuard<'_, Saying> {
        // If a panic occurred while it was locked, half a frame may have been sent. The worker refuses whatever
        // follows that.
        self.saying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to report this progress whenever it changes.
    pub(super) fn begin(&self, progress: Arc<ReadProgress>) {
        let mut saying = self.saying();
        saying.progress = Some(progress);
        saying.said = (0, 0);
        // Between two short attempts, the progress thread may not have noticed that one has ended.
        if saying.is_idle {
            self.begun.notify_all();
        }
    }

    /// Sends a message during an attempt.
    pub(super) fn say(&self, message: &FromExecutor) -> Result<(), Error> {
        self.saying().connection.send(message)
    }

    /// Sends the result of the attempt, and stops reporting progress.
    pub(super) fn end(&self, message: &FromExecutor) -> Result<(), Error> {
        let mut saying = self.saying();
        saying.progress = None;
        saying.connection.send(message)
    }

    /// Reports progress until the connection fails. Runs on the progress thread.
    pub(super) fn tell_progress(&self) {
        let mut saying = self.saying();
        loop {
            let idle = |saying: &mut Saying| {
                saying.is_idle = saying.progress.is_none();
                saying.is_idle
            };
            saying = self.begun.wait_while(saying, idle).unwrap_or_else(PoisonError::into_inner);
            let waited = self.begun.wait_timeout_while(saying, PROGRESS_EVERY, |_| true);
            saying = waited.unwrap_or_else(PoisonError::into_inner).0;
            if saying.tell().is_err() {
                return;
            }
        }
    }
}

impl Saying {
    fn tell(&mut self) -> Result<(), Error> {
        let Some(progress) = &self.progress else { return Ok(()) };
        let bytes = progress.bytes.load(Ordering::Relaxed);
        let total = progress.total.load(Ordering::Relaxed);
        if (bytes, total) == self.said {
            return Ok(());
        }
        self.said = (bytes, total);
        self.connection.send(&FromExecutor::Progress { bytes, total })
    }
}
