//! Why a command was refused, as a value on which all replicas agree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::JobState;
use crate::spec::{AttemptId, JobId, WorkerId};

/// A refused command; the state is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// No such job was ever submitted.
    #[error("no job {job}")]
    UnknownJob {
        /// As named by the command.
        job: JobId,
    },
    /// No such attempt was ever started.
    #[error("no attempt {attempt}")]
    UnknownAttempt {
        /// As named by the command.
        attempt: AttemptId,
    },
    /// No such worker is registered, or it is already lost.
    #[error("no worker {worker}")]
    UnknownWorker {
        /// As named by the command.
        worker: WorkerId,
    },
    /// The worker is registered and was not lost since.
    #[error("worker {worker} is already registered")]
    WorkerExists {
        /// As named by the command.
        worker: WorkerId,
    },
    /// Job ids must rise, so that a queue in their order is one in the order of submission and no
    /// id is ever used twice.
    #[error("job id {job} is not new, the last one is {last}")]
    JobIdNotNew {
        /// As named by the command.
        job: JobId,
        /// The highest id so far.
        last: JobId,
    },
    /// The attempt is over: stopped, failed, lost with its worker, or completed.
    ///
    /// A repeated `Complete` of the winner is refused so too, and then `winner` is the attempt.
    #[error("{attempt} is no longer running{}", won_by(winner))]
    StaleAttempt {
        /// As named by the command.
        attempt: AttemptId,
        /// The attempt that holds the task's win now, if there is one.
        winner: Option<AttemptId>,
    },
    /// `PlanDone` is for plan attempts, `Complete` for all others.
    #[error("{attempt} does not end so: plans end with PlanDone, all others with Complete")]
    WrongKind {
        /// As named by the command.
        attempt: AttemptId,
    },
    /// The job has ended before.
    #[error("job {job} is already {state}")]
    AlreadyEnded {
        /// As named by the command.
        job: JobId,
        /// How it ended.
        state: JobState,
    },
    /// The decision to commit was taken: the output will be published.
    #[error("too late: job {job} is committing")]
    TooLate {
        /// As named by the command.
        job: JobId,
    },
    /// A number is out of its range.
    #[error("{field} must be {}, got {value}", range(*min, *max))]
    OutOfRange {
        /// Which number.
        field: Field,
        /// As given by the command.
        value: u64,
        /// The least that is accepted.
        min: u64,
        /// The most that is accepted.
        max: u64,
    },
}

/// A number in a command that has a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Slots of a worker.
    Slots,
    /// Attempts that a task may fail.
    MaxAttempts,
    /// Reduce tasks.
    Reducers,
    /// Map tasks.
    Splits,
}

impl Field {
    /// Refuses a value out of its range.
    pub(super) fn check(self, value: u32, min: u32, max: u32) -> Result<(), Rejection> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        let (value, min, max) = (value.into(), min.into(), max.into());
        Err(Rejection::OutOfRange { field: self, value, min, max })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slots => "slots",
            Self::MaxAttempts => "max_attempts",
            Self::Reducers => "reducers",
            Self::Splits => "splits",
        })
    }
}

fn won_by(winner: &Option<AttemptId>) -> String {
    winner.map(|winner| format!(", {winner} won")).unwrap_or_default()
}

fn range(min: u64, max: u64) -> String {
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}
