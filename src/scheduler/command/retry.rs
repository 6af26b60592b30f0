//! Ends the pause of a failed task, so that the task can be retried.

use serde::{Deserialize, Serialize};

use crate::model::TaskId;
use crate::scheduler::{Effect, Rejection, Scheduler, Wait};

/// Proposed by [`watch`](crate::scheduler::watch()) when a failed task has paused long enough, and again when it has
/// then waited long enough for a worker on which it has not failed.
///
/// Refused unless the task waits for exactly that, so a repeated or late command never ends the next wait. If it is
/// lost, it is proposed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The task.
    pub task: TaskId,
    /// What it waits for.
    pub wait: Wait,
}

impl Retry {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        _: &mut [Effect],
    ) -> Result<(), Rejection> {
        let Self { task, wait } = self;
        if !scheduler.job_mut(task.job)?.wake(task, wait) {
            return Err(Rejection::NotResting { task });
        }
        scheduler.refresh(task.job);
        Ok(())
    }
}
