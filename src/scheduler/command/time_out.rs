//! Ends an attempt that has shown no progress for too long.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, Cause, Failure};
use crate::scheduler::{Effect, Rejection, Scheduler};

/// Proposed by [`watch`](crate::scheduler::watch()) for a running attempt that has shown no progress for its job's
/// `task_timeout_ms`: it is stopped and counts as failed.
///
/// Refused if the attempt is no longer running (so also when repeated) or is allowed a longer silence. If it is lost,
/// it is proposed again while the silence lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOut {
    /// The attempt.
    pub attempt: AttemptId,
    /// How long the leader has seen no progress from it.
    pub silent_ms: u64,
}

impl TimeOut {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { attempt, silent_ms } = self;
        let worker = scheduler.worker_of(attempt)?;
        let timeout_ms = scheduler.job_mut(attempt.task.job)?.options().task_timeout_ms;
        if timeout_ms.is_none_or(|timeout_ms| silent_ms < timeout_ms) {
            return Err(Rejection::NotTimedOut { attempt, timeout_ms });
        }
        effects.push(Effect::Stop { attempt, worker, cause: Cause::Timeout });
        let failure = Failure::new(Cause::Timeout, format!("no progress for {silent_ms} ms"));
        scheduler.fail(attempt, failure, false, effects)
    }
}
