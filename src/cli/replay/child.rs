//! Runs the job's executable as a worker does, except that its output goes to this terminal.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child as Process, Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::refused::Refused;
use crate::clock::Clock;
use crate::frame::{self, Connection, Done, EXECUTOR_ARG, FromExecutor, Run, ToExecutor};
use crate::model::{Failure, Location, add_place};
use crate::worker::Ending;

/// How long an executor may take to send its hello, and to end after closing its socket.
const HELLO_WITHIN: Duration = Duration::from_secs(30);
const DYING_LOOKS: u32 = 500;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// An executor that waits for attempts.
pub(super) struct Child {
    process: Process,
    connection: Connection<UnixStream>,
    group: Pid,
    /// How long an attempt may make no progress.
    limit: Duration,
    clock: Clock,
}

/// The outcome of one attempt.
pub(super) enum Outcome {
    Done(Done),
    Failed(Failure),
    Died(Ending),
    /// The attempt made no progress for this long, and was killed.
    TimedOut(Duration),
}

impl Child {
    /// Starts the executable in its own process group, and notes the group so that the caller can kill it.
    pub(super) fn start(
        executable: &Path,
        folder: &Path,
        limit: Duration,
        group: &OnceLock<Pid>,
    ) -> Result<Self, Refused> {
        let cannot = |error: io::Error| {
            let shown = Location::from(executable);
            Refused::failed(format!(
                "cannot start the job's executable: {error}: {shown}\nhint: with \
                 --data DIR, name a folder in which executables may run"
            ))
        };
        let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
        ours.set_read_timeout(Some(HELLO_WITHIN)).map_err(cannot)?;
        let mut command = Command::new(executable);
        command.arg(EXECUTOR_ARG).current_dir(folder).process_group(0);
        // Standard output is only for results, so the output of user code goes to standard error.
        let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(cannot)?;
        let process =
            command.stdin(OwnedFd::from(theirs)).stdout(stderr).spawn().map_err(cannot)?;
        // Dropping the command closes our copy of the other end, so that we notice when the child closes its own.
        drop(command);
        let pid = Pid::from_child(&process);
        let _noted_once = group.set(pid);
        let connection = Connection::new(ours);
        let mut child = Self { process, connection, group: pid, limit, clock: Clock::system() };
        match child.connection.greet_executor() {
            Ok(()) => {}
            Err(error @ frame::Error::Version { .. }) => {
                return Err(Refused::failed(add_place(
                    &error.to_string(),
                    Location::from(executable),
                )));
            }
            Err(error) => {
                let ending = child.end();
                return Err(Refused::failed(format!(
                    "cannot talk to the job's executable: {error}; it {ending}: {}\nhint: \
                     see its output above",
                    Location::from(executable)
                )));
            }
        }
        Ok(child)
    }

    /// Makes the executable run an attempt. If it asks for further maps, it gets none.
    pub(super) fn run(&mut self, run: Run) -> Outcome {
        if self.connection.send(&ToExecutor::Run(Box::new(run))).is_err() {
            return Outcome::Died(self.end());
        }
        let mut progress = (0, 0);
        let mut deadline = self.clock.now() + self.limit;
        loop {
            let left = deadline.saturating_duration_since(self.clock.now());
            if left.is_zero() || self.connection.stream().set_read_timeout(Some(left)).is_err() {
                let _killed_or_gone = kill_process_group(self.group, Signal::KILL);
                return Outcome::TimedOut(self.limit);
            }
            match self.connection.receive() {
                Ok(Some(FromExecutor::Done(done))) => return Outcome::Done(done),
                Ok(Some(FromExecutor::Failed(failure))) => return Outcome::Failed(failure),
                Ok(Some(FromExecutor::Progress { bytes, total })) => {
                    if (bytes, total) != progress {
                        progress = (bytes, total);
                        deadline = self.clock.now() + self.limit;
                    }
                }
                Ok(Some(FromExecutor::Begun { .. } | FromExecutor::Hello { .. })) => {}
                Ok(Some(FromExecutor::Wants { .. })) => {
                    let none = ToExecutor::More { maps: Vec::new() };
                    if self.connection.send(&none).is_err() {
                        return Outcome::Died(self.end());
                    }
                }
                Err(frame::Error::TimedOut) => {}
                Ok(None) | Err(_) => return Outcome::Died(self.end()),
            }
        }
    }

    /// Waits for a silent executable to end, and kills it if it does not.
    fn end(&mut self) -> Ending {
        for _ in 0..DYING_LOOKS {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Ending::from(status);
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        let _killed_or_gone = kill_process_group(self.group, Signal::KILL);
        let status: io::Result<ExitStatus> = self.process.wait();
        status.map_or(Ending::Exited { code: -1 }, Ending::from)
    }
}
