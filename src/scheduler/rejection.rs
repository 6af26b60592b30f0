//! Reasons for refusing a command, as values on which all replicas agree.

use std::fmt;
use std::ops::RangeInclusive;

use crate::model::{AttemptId, JobId, JobState, TaskId, WorkerId};
use serde::{Deserialize, Serialize};

/// A refused command. The state is unchanged.
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
    /// The worker is registered with this incarnation, and was not lost since.
    #[error("worker {worker} is already registered")]
    WorkerExists {
        /// As named by the command.
        worker: WorkerId,
    },
    /// The command is about another process of this worker than the registered one.
    #[error("worker {worker} is registered with incarnation {current}, not {incarnation}")]
    OtherIncarnation {
        /// As named by the command.
        worker: WorkerId,
        /// As named by the command.
        incarnation: u64,
        /// The one that is registered.
        current: u64,
    },
    /// The client's request was accepted before, and this is its job.
    #[error("the job was already submitted as {job}")]
    AlreadySubmitted {
        /// The job that the first submission made.
        job: JobId,
    },
    /// Job ids must ascend, so that their order is the order of submission, and no id is used twice.
    #[error("job id {job} is not above the last one, {last}")]
    JobIdNotNew {
        /// As named by the command.
        job: JobId,
        /// The highest id so far.
        last: JobId,
    },
    /// The attempt has ended: it was stopped, failed, was lost with its worker, or completed.
    ///
    /// A repeated `Complete` of the winner is refused in this way too. Then `winner` is the attempt itself.
    #[error("{attempt} is no longer running{}", won_by(winner))]
    StaleAttempt {
        /// As named by the command.
        attempt: AttemptId,
        /// The attempt that is the task's winner now, if there is one.
        winner: Option<AttemptId>,
    },
    /// A reduce cannot have read maps that never had an output.
    #[error("{attempt} cannot have finished: one of the job's maps never had an output")]
    MapsMissing {
        /// As named by the command.
        attempt: AttemptId,
    },
    /// The attempt's output no longer counts, or is not needed.
    #[error("the output of {attempt} is not needed")]
    OutputNotNeeded {
        /// As named by the command.
        attempt: AttemptId,
    },
    /// The attempt is allowed a longer silence, or an unlimited one.
    #[error("{attempt} is allowed to run without progress for {}", allowed(timeout_ms))]
    NotTimedOut {
        /// As named by the command.
        attempt: AttemptId,
        /// For how long; `None` if there is no limit.
        timeout_ms: Option<u64>,
    },
    /// The task does not pause, or has failed again since.
    #[error("{task} is not in the wait that this command would end")]
    NotResting {
        /// As named by the command.
        task: TaskId,
    },
    /// A task gets no backup.
    #[error("no backup for {task}: {why}")]
    NoBackup {
        /// As named by the command.
        task: TaskId,
        /// Why not.
        why: BackupRefusal,
    },
    /// No further map may share the attempt's output.
    #[error("no further map can join {attempt}")]
    NoneJoins {
        /// As named by the command.
        attempt: AttemptId,
    },
    /// The attempt's output is not of the maps that share the attempt.
    #[error("{attempt} reported output for a different set of maps than the ones that joined it")]
    OtherMaps {
        /// As named by the command.
        attempt: AttemptId,
    },
    /// That exclusion of the worker is over, or never existed.
    #[error("worker {worker} has no exclusion number {number}")]
    NotExcluded {
        /// As named by the command.
        worker: WorkerId,
        /// As named by the command.
        number: u32,
    },
    /// Only jobs that have ended can be forgotten.
    #[error("job {job} is still {state}")]
    NotEnded {
        /// As named by the command.
        job: JobId,
        /// Its state.
        state: JobState,
    },
    /// `PlanDone` is for plan attempts, `Complete` for all others.
    #[error(
        "{attempt} cannot end with this command: plans end with PlanDone, all others with Complete"
    )]
    WrongKind {
        /// As named by the command.
        attempt: AttemptId,
    },
    /// The job has already ended.
    #[error("job {job} has already ended ({state})")]
    AlreadyEnded {
        /// As named by the command.
        job: JobId,
        /// How it ended.
        state: JobState,
    },
    /// A number is out of range.
    #[error("{field} must be {}, got {value}", range(*min, *max))]
    OutOfRange {
        /// Which number.
        field: Field,
        /// As given by the command.
        value: u64,
        /// The least accepted value.
        min: u64,
        /// The greatest accepted value.
        max: u64,
    },
}

/// Why a task gets no backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupRefusal {
    /// Its job has backups turned off.
    Unwanted,
    /// Only maps, and reduces whose maps are all done, have backups.
    WrongPhase,
    /// Not exactly one attempt at it is running.
    NotAlone,
    /// Tasks that never started wait for slots.
    TasksWait,
    /// No other worker has a free slot.
    NoRoom,
}

impl fmt::Display for BackupRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unwanted => "its job has backups turned off",
            Self::WrongPhase => "backups are only for maps, and for reduces once all maps are done",
            Self::NotAlone => "it does not have exactly one running attempt",
            Self::TasksWait => "other tasks are waiting for slots",
            Self::NoRoom => "no other worker has a free slot",
        })
    }
}

/// A number in a command that has a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Slots of a worker.
    Slots,
    /// Failed attempts that a task may have.
    MaxAttempts,
    /// Reduce tasks.
    Reducers,
    /// Map tasks.
    Splits,
    /// A job's priority.
    Priority,
    /// Milliseconds that an attempt may be silent.
    TaskTimeoutMs,
    /// Bytes of a client's request id.
    RequestBytes,
}

impl Field {
    /// Refuses a value that is out of range.
    pub(super) fn check<N>(self, value: N, range: RangeInclusive<N>) -> Result<(), Rejection>
    where
        N: PartialOrd + Copy + Into<u64>,
    {
        if range.contains(&value) {
            return Ok(());
        }
        let (value, min, max) = (value.into(), (*range.start()).into(), (*range.end()).into());
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
            Self::Priority => "priority",
            Self::TaskTimeoutMs => "task_timeout_ms",
            Self::RequestBytes => "request bytes",
        })
    }
}

fn won_by(winner: &Option<AttemptId>) -> String {
    winner.map(|winner| format!(", {winner} won")).unwrap_or_default()
}

fn allowed(timeout_ms: &Option<u64>) -> String {
    timeout_ms.map_or("an unlimited time".to_string(), |ms| format!("{ms} ms"))
}

fn range(min: u64, max: u64) -> String {
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}
