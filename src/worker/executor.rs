//! Drives one executor: performs the handshake, runs one attempt after another, and finds out how the executor died.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::death::last_lines;
use super::error::start_failure;
use super::socket::{receive, send};
use super::{CappedLog, Death, Launch, Launched, Launcher, Process, Socket};
use crate::frame::{Done, FromExecutor, ToExecutor, VERSION};
use crate::model::{About, Cause, Failure, Nonce};

/// How long an executor may take to send its hello after its start.
const HELLO_MAX: Duration = Duration::from_secs(30);
/// How long an executor may take to die after it closed its socket or was killed.
pub(super) const DYING_MAX: Duration = Duration::from_secs(5);

/// An executor of one job; killed when dropped.
pub(super) struct Executor {
    nonce: Nonce,
    socket: Box<dyn Socket>,
    pub(super) process: std::sync::Arc<dyn Process>,
    death: watch::Receiver<Option<Death>>,
    pid: Option<u32>,
}

/// News of a running attempt.
pub(super) enum ExecutorEvent {
    /// It has begun, in the process with this id.
    Begun(u32),
    /// Its progress.
    Progress {
        /// Share of the work that is done, from 0 to 1.
        share: f64,
        /// Total in bytes; 0 if unknown.
        bytes: u64,
    },
    /// It asks for up to this many more maps.
    Wants(u32),
}

/// How an attempt failed, before its log is added.
pub(super) enum Unwell {
    /// The executor reported the failure.
    Reported(Failure),
    /// The executor died before the attempt began.
    DiedBefore(Death),
    /// The executor died.
    Died(Death),
    /// The worker killed the executor, or must kill it, for this reason.
    Broke(Failure),
}

impl Unwell {
    /// Turns a death into a death before the attempt began.
    fn before(self) -> Self {
        match self {
            Unwell::Died(death) => Unwell::DiedBefore(death),
            unwell => unwell,
        }
    }

    /// Returns the failure, with the last lines of the log.
    pub(super) fn into_failure(self, log: &CappedLog) -> Failure {
        match self {
            Unwell::DiedBefore(death) | Unwell::Died(death) => death.failure(log),
            Unwell::Reported(failure) | Unwell::Broke(failure) => {
                Failure { log: last_lines(log), ..failure }
            }
        }
    }
}

impl Executor {
    /// Starts an executor, without the handshake.
    pub(super) async fn start<L: Launcher>(
        launcher: &L,
        nonce: Nonce,
        launch: Launch,
    ) -> Result<Self, Failure> {
        let executable = launch.executable.clone();
        match launcher.launch(launch).await {
            Ok(Launched { socket, process, death }) => {
                Ok(Executor { nonce, socket, process, death, pid: None })
            }
            Err(error) => Err(start_failure(&executable, &error)),
        }
    }

    pub(super) fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// Its process id, once its first attempt has begun.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    pub(super) fn is_dead(&self) -> bool {
        self.death.borrow().is_some()
    }

    /// Kills the executor and waits for its end.
    pub(super) async fn close(mut self) {
        self.process.kill();
        // A process that survives SIGKILL is stuck in the kernel. The launcher's threads wait for it.
        let _dead_or_hanging =
            tokio::time::timeout(DYING_MAX, self.death.wait_for(Option::is_some)).await;
    }

    /// Performs the handshake.
    pub(super) async fn greet(&mut self) -> Result<(), Unwell> {
        let hello = ToExecutor::Hello { version: VERSION };
        let exchange = async {
            send(&mut *self.socket, &hello).await?;
            receive(&mut *self.socket).await
        };
        match tokio::time::timeout(HELLO_MAX, exchange).await {
            Ok(Ok(Some(FromExecutor::Hello { version: VERSION }))) => Ok(()),
            Ok(Ok(Some(FromExecutor::Hello { version }))) => {
                let message = format!(
                    "the job's executable uses version {version} of the executor protocol, but \
                     this worker uses version {VERSION}\nhint: build the job and the worker from \
                     the same version of gristmill"
                );
                let failure = Failure::new(Cause::UserError, message);
                Err(Unwell::Broke(failure.about(About::Version)))
            }
            Ok(Ok(Some(_))) => {
                Err(broke(Cause::Exit, "the executor did not send its protocol version first"))
            }
            Ok(Ok(None)) => Err(self.went(None).await),
            Ok(Err(error)) => Err(self.went(Some(error)).await),
            Err(_) => Err(broke(
                Cause::Timeout,
                format!(
                    "the executor did not answer within {} s of its start",
                    HELLO_MAX.as_secs()
                ),
            )),
        }
    }

    /// Runs the attempt of this [`ToExecutor::Run`]. The attempt fails if it makes no progress for `silence_max`.
    pub(super) async fn run(
        &mut self,
        run: &ToExecutor,
        silence_max: Option<Duration>,
        more: &mut UnboundedReceiver<Vec<u32>>,
        mut on_event: impl FnMut(ExecutorEvent),
    ) -> Result<Done, Unwell> {
        // No timeout: longer than any attempt.
        let silence_max = silence_max.unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
        match tokio::time::timeout(silence_max, send(&mut *self.socket, run)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.went(Some(error)).await.before()),
            Err(_) => return Err(timed_out(silence_max)),
        }
        let mut silence = std::pin::pin!(tokio::time::sleep(silence_max));
        let (mut from, mut to) = tokio::io::split(&mut *self.socket);
        let (mut has_begun, mut last) = (false, (0, 0));
        // An executor that waits for an answer makes no progress, so this time does not count.
        let mut is_owed = false;
        let broken = loop {
            // A frame is received as a whole, even if a message is sent in the meantime.
            let mut receiving = std::pin::pin!(receive(&mut from));
            let received = loop {
                tokio::select! {
                    biased;
                    received = &mut receiving => break received,
                    Some(maps) = more.recv() => {
                        is_owed = false;
                        silence.set(tokio::time::sleep(silence_max));
                        if let Err(error) = send(&mut to, &ToExecutor::More { maps }).await {
                            break Err(error);
                        }
                    }
                    () = &mut silence, if !is_owed => return Err(timed_out(silence_max)),
                }
            };
            match received {
                Ok(Some(FromExecutor::Begun { pid })) => {
                    has_begun = true;
                    self.pid = Some(pid);
                    on_event(ExecutorEvent::Begun(pid));
                }
                Ok(Some(_)) if !has_begun => {
                    let message = "the executor did not confirm the start of the attempt";
                    return Err(broke(Cause::Exit, message));
                }
                Ok(Some(FromExecutor::Progress { bytes, total })) => {
                    if (bytes, total) != last {
                        last = (bytes, total);
                        silence.set(tokio::time::sleep(silence_max));
                        let share = if total == 0 { 0.0 } else { bytes as f64 / total as f64 };
                        on_event(ExecutorEvent::Progress { share, bytes: total });
                    }
                }
                Ok(Some(FromExecutor::Wants { maps })) => {
                    is_owed = true;
                    on_event(ExecutorEvent::Wants(maps));
                }
                Ok(Some(FromExecutor::Done(done))) => return Ok(done),
                Ok(Some(FromExecutor::Failed(failure))) => return Err(Unwell::Reported(failure)),
                Ok(Some(FromExecutor::Hello { .. })) => {
                    return Err(broke(Cause::Exit, "the executor sent its version again"));
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let unwell = self.went(broken).await;
        Err(if has_begun { unwell } else { unwell.before() })
    }

    /// Finds out how the executor ended after its socket was closed or failed. The executor is probably dying.
    async fn went(&mut self, error: Option<std::io::Error>) -> Unwell {
        let is_closed =
            error.as_ref().is_none_or(|error| error.kind() != std::io::ErrorKind::Other);
        if is_closed
            && let Ok(Ok(death)) =
                tokio::time::timeout(DYING_MAX, self.death.wait_for(Option::is_some)).await
            && let Some(death) = *death
        {
            return Unwell::Died(death);
        }
        let what =
            error.map_or("it closed its socket but kept running".into(), |error| error.to_string());
        broke(Cause::Exit, format!("the executor broke its connection to the worker: {what}"))
    }
}

fn broke(cause: Cause, message: impl Into<String>) -> Unwell {
    Unwell::Broke(Failure::new(cause, message))
}

fn timed_out(silence_max: Duration) -> Unwell {
    let message = format!("no progress for {} ms; the attempt was killed", silence_max.as_millis());
    broke(Cause::Timeout, message)
}
