//! An attempt has failed: its task is retried, or its job fails.

use serde::{Deserialize, Serialize};

use crate::scheduler::{Effect, Rejection, Scheduler};
use crate::spec::{AttemptId, Failure};

/// Sent by the worker of an attempt when it has ended without output.
///
/// What it costs depends on its cause: errors, crashes and timeouts count against `max_attempts`.
/// Running out of memory, failed fetches, lost workers and what machines lack have limits of their own.
/// A failure at the record at which the task's last one happened ends the job, whatever is left.
/// Crashes and what the machine lacks may count against the worker as well.
///
/// Refused as stale if the attempt is no longer running, so a repeated one is not counted twice.
/// Lost, the worker still holds the attempt as ended, and says so with its next poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fail {
    /// The attempt.
    pub attempt: AttemptId,
    /// Why it failed.
    pub failure: Failure,
    /// Whether every other attempt would fail of the same, so that the job fails at once.
    ///
    /// Of a commit it means that nothing was published and nothing ever will be: only so can a job
    /// fail once the decision to commit is taken. Every other failed commit is tried again without
    /// end; the leader may wait before it starts the next attempt.
    pub deterministic: bool,
}

impl Fail {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { attempt, failure, deterministic } = self;
        scheduler.fail(attempt, failure, deterministic, effects)
    }
}
