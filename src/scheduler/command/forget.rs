//! Removes a finished job from the history.

use serde::{Deserialize, Serialize};

use crate::model::JobId;
use crate::scheduler::{Effect, Rejection, Scheduler};

/// Proposed by [`watch`](crate::scheduler::watch()) for the oldest of too many finished jobs, or sent when a user
/// deletes one.
///
/// Afterwards the job is unknown, and the same request of its client may create a new job. Its id is never reused.
/// Refused while the job runs, and when repeated, because the job no longer exists. If it is lost, it is proposed
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// The job.
    pub job: JobId,
}

impl Forget {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        _: &mut [Effect],
    ) -> Result<(), Rejection> {
        let Self { job } = self;
        let state = scheduler.job_mut(job)?.state();
        if !state.is_terminal() {
            return Err(Rejection::NotEnded { job, state });
        }
        if let Some(gone) = scheduler.jobs.remove(&job) {
            scheduler.requests.remove(gone.request());
        }
        Ok(())
    }
}
