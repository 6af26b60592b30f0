//! Cancels a job at a user's request.

use serde::{Deserialize, Serialize};

use crate::scheduler::{Effect, End, JobState, Rejection, Scheduler};
use crate::spec::JobId;

/// Sent by the leader when a user kills a job; everything that runs for it is stopped.
///
/// Refused as too late once the decision to commit is taken, and for a job that has ended, with
/// how it ended; so also when repeated. Lost, the user's command says that its outcome is unknown.
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
            JobState::Committing => Err(Rejection::TooLate { job }),
            state if state.is_terminal() => Err(Rejection::AlreadyEnded { job, state }),
            _ => scheduler.end(job, End::Cancelled, effects),
        }
    }
}
