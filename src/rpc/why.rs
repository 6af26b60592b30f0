//! A master's explanation of a job's state.

use std::fmt;

use crate::model::{
    AttemptId, AttemptState, Cause, JobId, JobState, RecordRef, TEXT_CHARS_MAX, TaskId, WorkerId,
    escape,
};
use serde::{Deserialize, Serialize};

/// The kind of trouble, as a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No trouble: the job is running, or has succeeded.
    None,
    /// It waits for its turn.
    Waiting,
    /// A user has cancelled it.
    Cancelled,
    /// User code panicked.
    Panic,
    /// User code returned an error.
    UserError,
    /// User code, or the input's format, refused a record.
    BadRecord,
    /// An executor exited by itself.
    Exit,
    /// An executor died of a signal.
    Signal,
    /// An attempt exceeded its memory limit.
    Memory,
    /// An attempt made no progress for too long.
    Timeout,
    /// An input is missing, unreadable, or has changed.
    Input,
    /// The output cannot be written to its folder.
    Output,
    /// A disk is full.
    DiskFull,
    /// A disk has failed.
    Disk,
    /// Workers were lost.
    WorkerLost,
    /// Map output could not be fetched.
    FetchFailed,
    /// Workers could not start the task's attempts.
    WorkerError,
    /// The masters did not provide what the task's attempts need.
    MasterError,
    /// The job's executable and the cluster are of different versions.
    VersionSkew,
    /// A map gave different output when it ran again.
    NondeterministicMap,
}

impl fmt::Display for Kind {
    /// Writes its name in JSON, such as `bad_record`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Waiting => "waiting",
            Self::Cancelled => "cancelled",
            Self::Panic => "panic",
            Self::UserError => "user_error",
            Self::BadRecord => "bad_record",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::Input => "input",
            Self::Output => "output",
            Self::DiskFull => "disk_full",
            Self::Disk => "disk",
            Self::WorkerLost => "worker_lost",
            Self::FetchFailed => "fetch_failed",
            Self::WorkerError => "worker_error",
            Self::MasterError => "master_error",
            Self::VersionSkew => "version_skew",
            Self::NondeterministicMap => "nondeterministic_map",
        })
    }
}

/// Explains a job's state. Its JSON is what `gristmill why --format json` prints. All texts are escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// `j7`.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// The kind of trouble.
    pub kind: Kind,
    /// The explanation, as one paragraph for people.
    pub summary: String,
    /// `file:line` of the user code that failed, if known.
    pub at: Option<String>,
    /// The record that was being processed, if there was one.
    pub record: Option<BadRecord>,
    /// The task that was not completed.
    pub task: Option<TaskId>,
    /// The attempts at it that are remembered.
    pub attempts: Vec<Tried>,
    /// More about the failure, the most important first.
    pub details: Vec<String>,
    /// The last lines that the attempt printed.
    pub log: Vec<String>,
    /// The next step; empty if there is none.
    pub suggestion: String,
    /// The command that replays the task in a terminal.
    pub replay: Option<String>,
}

/// A record on which user code or a format failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRecord {
    /// The file that it is in.
    pub file: String,
    /// Where it begins in the uncompressed file, in bytes.
    pub offset: u64,
    /// How it begins.
    pub excerpt: String,
}

impl BadRecord {
    /// The record's start, as text for display.
    pub fn of(record: &RecordRef) -> Self {
        Self {
            file: record.location.to_string(),
            offset: record.offset,
            excerpt: escape(&record.excerpt, TEXT_CHARS_MAX),
        }
    }
}

/// An attempt at the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// `j7/m12#2`.
    pub id: AttemptId,
    /// Where it ran.
    pub worker: WorkerId,
    /// Its state.
    pub state: AttemptState,
    /// Why it did not succeed.
    pub cause: Cause,
    /// When it was started, as RFC 3339 in UTC with milliseconds.
    pub started: String,
    /// When it ended, if it has.
    pub ended: Option<String>,
    /// Its message, if that is remembered.
    pub message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_alike_in_json_and_for_people() {
        let kinds = [
            Kind::None,
            Kind::Waiting,
            Kind::Cancelled,
            Kind::Panic,
            Kind::UserError,
            Kind::BadRecord,
            Kind::Exit,
            Kind::Signal,
            Kind::Memory,
            Kind::Timeout,
            Kind::Input,
            Kind::Output,
            Kind::DiskFull,
            Kind::Disk,
            Kind::WorkerLost,
            Kind::FetchFailed,
            Kind::WorkerError,
            Kind::MasterError,
            Kind::VersionSkew,
            Kind::NondeterministicMap,
        ];
        for kind in kinds {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
