//! What follows from a command, for the owner of the slots to do.

use serde::{Deserialize, Serialize};

use super::JobState;
use crate::spec::{AttemptId, Cause, JobId, WorkerId};

/// Something to be done after a command was applied.
///
/// Whoever acts on effects may lose them or do them twice: the state says at any time what should
/// be running ([`Scheduler::running`](super::Scheduler::running)) and which jobs have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// End a running attempt; whatever it reports from now on is refused.
    Stop {
        /// The attempt.
        attempt: AttemptId,
        /// Where it runs.
        worker: WorkerId,
        /// Why it is no longer wanted.
        cause: Cause,
    },
    /// A job has ended; what it left in staging and scratch can be swept.
    JobEnded {
        /// The job; [`Scheduler::job`](super::Scheduler::job) has its counters and its failure.
        job: JobId,
        /// `Succeeded`, `Failed` or `Cancelled`.
        state: JobState,
    },
    /// Run an attempt.
    ///
    /// A reduce reads the outputs of [`Job::winners`](super::Job::winners) of the maps.
    Start {
        /// The attempt.
        attempt: AttemptId,
        /// Where to run it.
        worker: WorkerId,
    },
}
