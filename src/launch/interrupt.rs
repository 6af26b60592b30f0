//! Hears Ctrl-C, SIGTERM and SIGHUP, and sees to it that nothing is left behind.
//!
//! The first signal stops the run, which then removes its folders itself. A run that does not end within
//! [`GRACE`] (its thread waits for standard input, say) is ended from here, and so it is at once by a second signal.
//! An output that is just being published is published: it is too late then, and the exit code says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::ending;
use super::exit;
use super::message::Message;
use super::progress::Drawn;
use crate::embedded::{Phase, Progress};
use crate::storage::Cleanup;

/// Makes a write beyond the limit of a file's size (`ulimit -f`) an error, which says so and leaves nothing, rather than
/// a signal that kills this process. Programs that it starts are killed as usual.
pub(crate) fn survive_file_size_limit() {
    // The handler itself is all that is wanted; where it cannot be set, the signal kills as before.
    let _set_or_not = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// How long a run may take to end after the first signal.
const GRACE: Duration = Duration::from_secs(1);

/// What the run and the thread that hears signals share.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    /// Told to the run.
    stop: AtomicBool,
    /// Whether a signal came.
    came: AtomicBool,
    /// Whether nothing runs that would look at `stop`.
    at_once: AtomicBool,
    /// Tells whether the run publishes already.
    progress: Arc<Progress>,
    /// Whether the result goes to standard output, where what is written cannot be taken back.
    to_stdout: bool,
    /// The line of progress, which a message must not be appended to.
    drawn: Drawn,
    cleanups: Mutex<Vec<Cleanup>>,
}

impl Interrupts {
    /// Begins to listen. Signals that are ignored, as `nohup` and shells have it for commands in the background, stay so.
    ///
    /// Where the system refuses, a signal ends the process as it would any other, and a later run sweeps.
    pub(super) fn listen(progress: Arc<Progress>, to_stdout: bool) -> Arc<Self> {
        let interrupts = Arc::new(Interrupts { progress, to_stdout, ..Interrupts::default() });
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|n| ignored >> (n - 1) & 1 == 0);
        if let Ok(signals) = Signals::new(wanted) {
            let shared = interrupts.clone();
            let thread = std::thread::Builder::new().name("signals".into());
            let _started_or_not = thread.spawn(move || shared.hear(signals));
        }
        interrupts
    }

    /// What a run is to look at.
    pub(super) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Where the line of progress is drawn.
    pub(super) fn drawn(&self) -> &Drawn {
        &self.drawn
    }

    /// Folders to be removed should the run not get to it.
    pub(super) fn remove(&self, folders: impl IntoIterator<Item = Cleanup>) {
        self.cleanups.lock().unwrap_or_else(PoisonError::into_inner).extend(folders);
    }

    /// From now on the next signal ends the process at once. False if one came already.
    pub(super) fn at_once(&self) -> bool {
        self.at_once.store(true, Ordering::SeqCst);
        !self.came.load(Ordering::SeqCst)
    }

    /// Whether the run publishes, or has published.
    fn is_too_late(&self) -> bool {
        matches!(self.progress.phase(), Phase::Committing | Phase::Done)
    }

    fn hear(self: Arc<Self>, mut signals: Signals) {
        // Never sent to: it only keeps the other end waiting, and is dropped by the second signal.
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
        let when = match (self.is_too_late(), self.to_stdout) {
            (false, _) => When::Running,
            (true, false) => When::Publishing,
            (true, true) => When::Writing,
        };
        let _nothing_is_drawn_any_more = self.drawn.clear();
        Message { details: left, ..interrupted(when) }.say();
        ending::forget();
        std::process::exit(i32::from(exit::INTERRUPTED));
    }
}

/// When a run was interrupted.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// Before anything of its result could be seen.
    Running,
    /// While its output was made visible.
    Publishing,
    /// While its result was written to standard output.
    Writing,
}

/// What is said at the end of a run that was interrupted.
pub(super) fn interrupted(when: When) -> Message {
    Message::new(match when {
        When::Running => {
            "interrupted; nothing was published, and nothing is left behind; run it again for a result"
        }
        When::Publishing => {
            "interrupted while publishing; the output is whole if it holds _SUCCESS; look there, or run `gristmill verify`"
        }
        When::Writing => {
            "interrupted while writing the result; standard output is not whole; run it again, or with --output DIR"
        }
    })
}

/// The signals that this process was started to ignore, a bit for each from 1 on; none where that cannot be known.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
