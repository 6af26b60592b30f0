//! The child processes of `gristmill dev`. They end when it ends, even if it is killed.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::cli::refused::Refused;
use crate::storage;

/// Maximum number of checks, a tenth of a second apart, before a child that does not end is killed.
const LOOKS_MAX: u32 = 50;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A child, in a process group of its own.
#[derive(Debug)]
pub(super) struct Child {
    /// Its name on screen.
    pub(super) name: String,
    process: process::Child,
}

/// All children, in the order in which they were started.
#[derive(Debug, Default)]
pub(super) struct Children {
    all: Vec<Child>,
}

impl Children {
    /// Starts this program again with other arguments, and returns the child's process id.
    ///
    /// Must be called on the main thread: the kernel kills the child when the thread that started it ends.
    pub(super) fn start(
        &mut self,
        name: String,
        arguments: &[&str],
        data: &Path,
    ) -> Result<u32, Refused> {
        let cannot = |error: io::Error| {
            let hint = storage::hint(&error);
            Refused::failed(format!("cannot start {name}: {error}\nhint: {hint}"))
        };
        // The file that is running, even if it was replaced at its path.
        let program = std::env::current_exe().map_err(cannot)?;
        let process = Command::new(program)
            .args(arguments)
            .arg("--data")
            .arg(data)
            .args(["--parent", &process::id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let pid = process.id();
        self.all.push(Child { name, process });
        Ok(pid)
    }

    /// Renames the child that was started last.
    pub(super) fn rename_last(&mut self, name: String) {
        if let Some(child) = self.all.last_mut() {
            child.name = name;
        }
    }

    /// Removes a child that has ended, and returns a message about it.
    pub(super) fn dead(&mut self) -> Option<String> {
        self.bury().map(|mut child| match child.process.wait() {
            Ok(status) => format!("{} ended with {status}", child.name),
            Err(error) => format!("{} ended: {error}", child.name),
        })
    }

    /// Removes a child that has ended from the list, and returns it.
    pub(super) fn bury(&mut self) -> Option<Child> {
        let ended = |child: &mut Child| !matches!(child.process.try_wait(), Ok(None));
        let place = self.all.iter_mut().position(ended)?;
        Some(self.all.remove(place))
    }

    /// Ends all children, workers before masters. Each first gets SIGTERM, and SIGKILL if it does not end in time.
    pub(super) fn end(&mut self) {
        // Nothing is ever sent; this only waits.
        let (_sender, wait) = channel::<()>();
        // All workers get the signal at once, so that many take no longer than one.
        for child in &self.all {
            if child.name.starts_with("worker") {
                signal(child, Signal::TERM);
            }
        }
        while let Some(mut child) = self.all.pop() {
            signal(&child, Signal::TERM);
            for _ in 0..LOOKS_MAX {
                let has_ended = !matches!(child.process.try_wait(), Ok(None));
                if has_ended || wait.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            if matches!(child.process.try_wait(), Ok(None)) {
                signal(&child, Signal::KILL);
                // SIGKILL cannot be ignored.
                let _reaped_or_gone = child.process.wait();
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a signal to a child that has not been reaped, and to its group.
fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.process.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // A group that has ended needs no signal.
        let _sent_or_gone = kill_process_group(pid, signal);
    }
}
