//! An attempt has failed, and its task is tried again or its job fails.

use serde::{Deserialize, Serialize};

use crate::scheduler::{Blame, Effect, End, Rejection, Scheduler};
use crate::spec::{AttemptId, Failure};

/// Sent by the worker of an attempt when it has ended without output.
///
/// Refused as stale if the attempt is no longer running, so a repeated one is not counted twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fail {
    /// The attempt.
    pub attempt: AttemptId,
    /// What it died of.
    pub failure: Failure,
    /// Whether every other attempt would fail of the same, so that the job fails at once.
    ///
    /// Of a commit it means that nothing was published and nothing ever will be: only so can a job
    /// fail once the decision to commit is taken. Every other failed commit is tried again without
    /// end; whoever starts it may wait before, by the attempt's number.
    pub deterministic: bool,
}

impl Fail {
    pub(in crate::scheduler) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { attempt, failure, deterministic } = self;
        scheduler.worker_of(attempt)?;
        let id = attempt.task.job;
        let job = scheduler.job_mut(id)?;

        job.release(attempt.task);
        let is_fatal = job.charge(Blame { attempt, failure }, deterministic);
        scheduler.slots.finish(attempt);
        if is_fatal {
            return scheduler.end(id, End::Failed, effects);
        }
        scheduler.refresh(id);
        Ok(())
    }
}
