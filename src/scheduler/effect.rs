//! Effects of a command: what the leader must tell workers to do.

use crate::model::{AttemptId, Cause, JobId, JobState, WorkerId};
use serde::{Deserialize, Serialize};

/// An action that follows from a command.
///
/// The leader that carries out effects may lose them or repeat them. The state always says what should be running
/// ([`Scheduler::should_hold`](super::Scheduler::should_hold)), which jobs have ended, and which workers are no longer
/// needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// End a running attempt; all its later reports are refused.
    Stop {
        /// The attempt.
        attempt: AttemptId,
        /// Where it runs.
        worker: WorkerId,
        /// Why it is no longer wanted.
        cause: Cause,
    },
    /// A job has ended; its staging and scratch can be swept.
    JobEnded {
        /// The job; [`Scheduler::job`](super::Scheduler::job) has its counters and its failure.
        job: JobId,
        /// `Succeeded`, `Failed` or `Cancelled`.
        state: JobState,
    },
    /// Run an attempt.
    ///
    /// A reduce asks [`Scheduler::locations`](super::Scheduler::locations) what to fetch.
    Start {
        /// The attempt.
        attempt: AttemptId,
        /// Where to run it.
        worker: WorkerId,
    },
    /// A draining worker runs nothing, and no reduce will fetch from it: it may leave.
    WorkerDrained {
        /// The worker.
        worker: WorkerId,
    },
}

impl Effect {
    /// Position in the order in which effects must be carried out: effects that free a slot come before those that
    /// take one.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Stop { .. } => 0,
            Self::JobEnded { .. } => 1,
            Self::Start { .. } => 2,
            Self::WorkerDrained { .. } => 3,
        }
    }
}
