//! Cancels a job at a user's request.

use serde::{Deserialize, Serialize};

use crate::model::{JobId, JobState};
use crate::scheduler::{Effect, End, Rejection, Scheduler};

/// Sent by the leader when a user kills a job. Everything that runs for the job is stopped.
///
/// A job whose commit runs, or may have published before its worker was lost, is cancelled as soon as a commit reports
/// that nothing is published; if the output became visible first, the job succeeds.
///
/// Refused for a job that has ended, with its outcome, and so also when repeated. If it is lost, the user's command
/// reports an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The job.
    pub job: JobId,
}

impl Cancel {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { job } = self;
        match scheduler.job_mut(job)?.state() {
            JobState::Committing if !scheduler.is_unpublished(job) => {
                scheduler.job_mut(job)?.publication.is_unwanted = true;
                Ok(())
            }
            state if state.is_terminal() => Err(Rejection::AlreadyEnded { job, state }),
            _ => scheduler.end(job, End::Cancelled, effects),
        }
    }
}
