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
pub(super) struct Reporter {
    sender: Mutex<Sender>,
    /// Wakes the progress thread when an attempt begins.
    begun: Condvar,
}

struct Sender {
    connection: Connection<UnixStream>,
    /// Progress of the running attempt.
    progress: Option<Arc<ReadProgress>>,
    /// Bytes and total of the last message.
    last_progress: (u64, u64),
    /// Whether the progress thread waits for an attempt to begin.
    is_idle: bool,
}

impl Reporter {
    pub(super) fn new(connection: Connection<UnixStream>) -> Self {
        let sender = Sender { connection, progress: None, last_progress: (0, 0), is_idle: false };
        Reporter { sender: Mutex::new(sender), begun: Condvar::new() }
    }

    fn sender(&self) -> MutexGuard<'_, Sender> {
        // If a panic occurred while it was locked, half a frame may have been sent. The worker refuses whatever
        // follows that.
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to report this progress whenever it changes.
    pub(super) fn begin(&self, progress: Arc<ReadProgress>) {
        let mut sender = self.sender();
        sender.progress = Some(progress);
        sender.last_progress = (0, 0);
        // Between two short attempts, the progress thread may not have noticed that one has ended.
        if sender.is_idle {
            self.begun.notify_all();
        }
    }

    /// Sends a message during an attempt.
    pub(super) fn send(&self, message: &FromExecutor) -> Result<(), Error> {
        self.sender().connection.send(message)
    }

    /// Sends the result of the attempt, and stops reporting progress.
    pub(super) fn end(&self, message: &FromExecutor) -> Result<(), Error> {
        let mut sender = self.sender();
        sender.progress = None;
        sender.connection.send(message)
    }

    /// Reports progress until the connection fails. Runs on the progress thread.
    pub(super) fn report_progress(&self) {
        let mut sender = self.sender();
        loop {
            let idle = |sender: &mut Sender| {
                sender.is_idle = sender.progress.is_none();
                sender.is_idle
            };
            sender = self.begun.wait_while(sender, idle).unwrap_or_else(PoisonError::into_inner);
            let waited = self.begun.wait_timeout_while(sender, PROGRESS_EVERY, |_| true);
            sender = waited.unwrap_or_else(PoisonError::into_inner).0;
            if sender.send_progress().is_err() {
                return;
            }
        }
    }
}

impl Sender {
    fn send_progress(&mut self) -> Result<(), Error> {
        let Some(progress) = &self.progress else { return Ok(()) };
        let bytes = progress.bytes.load(Ordering::Relaxed);
        let total = progress.total.load(Ordering::Relaxed);
        if (bytes, total) == self.last_progress {
            return Ok(());
        }
        self.last_progress = (bytes, total);
        self.connection.send(&FromExecutor::Progress { bytes, total })
    }
}
