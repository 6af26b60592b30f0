//! An attempt has failed: its task is retried, or its job fails.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, Failure};
use crate::scheduler::{Effect, Rejection, Scheduler};

/// Sent by the worker of an attempt that has ended without output.
///
/// The consequence depends on the cause: errors, crashes and timeouts count against `max_attempts`. Running out of
/// memory, failed fetches, lost workers and machine failures have limits of their own. A second failure at the same
/// record ends the job, whatever attempts are left. Crashes and machine failures may count against the worker as
/// well.
///
/// Refused as stale if the attempt is no longer running, so a repeated command is not counted twice. If it is lost,
/// the worker still holds the ended attempt, and reports it in its next poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fail {
    /// The attempt.
    pub attempt: AttemptId,
    /// Why it failed.
    pub failure: Failure,
    /// Whether every other attempt would fail in the same way, so that the job fails at once.
    ///
    /// For a commit it means that nothing was published and nothing ever will be. A commit that does not find what was
    /// staged, or whose executor dies, is retried a limited number of times; any other failed commit is retried without
    /// limit. The leader may wait before it starts the next attempt.
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
