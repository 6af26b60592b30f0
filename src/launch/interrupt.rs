//! Handles Ctrl-C, SIGTERM and SIGHUP, so that an interrupted run leaves no files behind.
//!
//! After the first signal, the run stops and removes its folders. If it has not ended after [`GRACE`], for example
//! because it waits for standard input, or if a second signal arrives, the signal-handling thread removes the folders
//! and ends the process. An output that is already being published at the first signal is published completely, and the
//! exit code shows that. Only a second signal interrupts this.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::ending::{self, When};
use super::exit;
use super::message::Message;
use super::progress::Drawn;
use super::status::ignored_signals;
use crate::embedded::{Phase, Progress};
use crate::storage::Cleanup;

/// Makes a write beyond the file size limit (`ulimit -f`) fail with an error. Without this, a signal would kill the
/// process, which would leave files behind. Programs that this process starts are killed as usual.
pub(crate) fn survive_file_size_limit() {
    // Any handler is sufficient. If it cannot be set, the signal kills the process as before.
    let _set_or_not = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// How long a run may take to end after the first signal.
const GRACE: Duration = Duration::from_secs(1);

/// State shared by the run and the thread that handles signals.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    /// Tells the run to stop.
    stop: AtomicBool,
    /// Whether a signal was received.
    came: AtomicBool,
    /// Whether no code is running that checks `stop`.
    at_once: AtomicBool,
    /// Tells whether the run has begun to publish.
    progress: Arc<Progress>,
    /// Whether the result goes to standard output, where written bytes cannot be withdrawn.
    to_stdout: bool,
    /// The progress line, which must be cleared before a message.
    drawn: Drawn,
    cleanups: Mutex<Vec<Cleanup>>,
}

impl Interrupts {
    /// Starts to listen. Ignored signals, such as those of background commands under `nohup` or a shell, stay
    /// ignored.
    ///
    /// If the system refuses, a signal ends the process as usual, and a later run removes the leftovers.
    pub(super) fn listen(progress: Arc<Progress>, to_stdout: bool) -> Arc<Self> {
        let interrupts = Arc::new(Interrupts { progress, to_stdout, ..Interrupts::default() });
        let ignored = ignored_signals();
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|n| ignored >> (n - 1) & 1 == 0);
        if let Ok(signals) = Signals::new(wanted) {
            let shared = interrupts.clone();
            let thread = std::thread::Builder::new().name("signals".into());
            let _started_or_not = thread.spawn(move || shared.hear(signals));
        }
        interrupts
    }

    /// The flag that tells the run to stop.
    pub(super) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// The progress line, which must be cleared before a message.
    pub(super) fn drawn(&self) -> &Drawn {
        &self.drawn
    }

    /// Adds folders to remove if the run cannot.
    pub(super) fn remove(&self, folders: impl IntoIterator<Item = Cleanup>) {
        self.cleanups.lock().unwrap_or_else(PoisonError::into_inner).extend(folders);
    }

    /// Makes a signal end the process at once from now on. Returns false if one was already received.
    pub(super) fn at_once(&self) -> bool {
        self.at_once.store(true, Ordering::SeqCst);
        !self.came.load(Ordering::SeqCst)
    }

    /// Whether the run has begun to publish.
    fn is_too_late(&self) -> bool {
        matches!(self.progress.phase(), Phase::Committing | Phase::Done)
    }

    fn hear(self: Arc<Self>, mut signals: Signals) {
        // Nothing is ever sent: the second signal drops the sender, which wakes the receiver.
        let mut waiting: Option<Sender<()>> = None;
        for _ in signals.forever() {
            if self.came.swap(true, Ordering::SeqCst) || self.at_once.load(Ordering::SeqCst) {
                drop(waiting.take());
                self.end();
            }
            self.stop.store(true, Ordering::SeqCst);
            let (sender, never) = channel();
            waiting = Some(sender);
            let shared = self.clone();
            let thread = std::thread::Builder::new().name("grace".into());
            let _started_or_not = thread.spawn(move || shared.end_after_grace(&never));
        }
    }

    fn end_after_grace(&self, never: &Receiver<()>) {
        let _timeout_or_second_signal = never.recv_timeout(GRACE);
        if !self.is_too_late() || self.to_stdout {
            self.end();
        }
    }

    /// Removes the folders and ends the process.
    fn end(&self) -> ! {
        let cleanups =
            std::mem::take(&mut *self.cleanups.lock().unwrap_or_else(PoisonError::into_inner));
        let left: Vec<String> = cleanups
            .iter()
            .filter_map(|folder| folder.run().err())
            .map(|error| error.to_string())
            .collect();
        let when = When::of(self.progress.phase(), self.to_stdout);
        let _nothing_is_drawn_any_more = self.drawn.clear();
        Message { details: left, ..interrupted(when) }.say();
        ending::forget();
        std::process::exit(i32::from(exit::INTERRUPTED));
    }
}

/// Returns the message of an interrupted run.
pub(super) fn interrupted(when: When) -> Message {
    Message::new(match when {
        When::Running => {
            "interrupted: nothing was published, and no files are left behind\nhint: run the \
             job again"
        }
        When::Publishing => {
            "interrupted while publishing: the output is complete only if it holds \
             _SUCCESS\nhint: look for that file, or run `gristmill verify`"
        }
        When::Published => "interrupted after the output was published: the output is complete",
        When::Writing => {
            "interrupted while writing the result: standard output is incomplete\nhint: run \
             the job again; use --output DIR to get all results or none"
        }
    })
}
