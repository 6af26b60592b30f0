//! The messages between a worker and its executor, and the description of a job that its executable prints.
//!
//! An executor is a process of the job's own executable. The worker starts it with [`EXECUTOR_ARG`] as its only
//! argument, and with one end of a socket pair as its standard input. An executor serves one slot. It runs attempts of
//! one job, one at a time, until the socket closes.
//!
//! ```text
//!   worker ──Hello──► executor      both sides send their version first; either refuses another one and names both
//!          ◄─Hello──
//!          ──Run────►               one attempt; the next one only after its end was reported
//!          ◄─Begun                  before any work is done for it
//!          ◄─Progress               at intervals
//!          ◄─Wants                  a map attempt has room for more maps
//!          ──More───►               the answer to each Wants; may name no map
//!          ◄─Done | Failed          exactly one of them
//! ```
//!
//! A frame is a length as little-endian `u32`, followed by a message in bincode. To stop an attempt, the worker kills
//! the executor: there is no message for that.

mod codec;
mod connection;
mod error;
#[cfg(test)]
mod tests;

pub use codec::{LENGTH_BYTES, decode, encode, message_bytes};
pub use connection::Connection;
pub use error::Error;
use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, Failure, InputNotes, JobSpec, LocalPath, Nonce, SegmentRef};

/// First argument of a job executable that must serve as an executor.
pub const EXECUTOR_ARG: &str = "--gristmill=executor";
/// First argument of a job executable that must describe the job that the other arguments define.
pub const DESCRIBE_ARG: &str = "--gristmill=describe";
/// As [`DESCRIBE_ARG`], for a job that was submitted before: its output may exist by now.
pub const DESCRIBE_AGAIN_ARG: &str = "--gristmill=describe-again";
/// Precedes the frame of a [`Description`], and marks its place after whatever user code has printed.
pub const DESCRIPTION_MARK: &[u8; 16] = b"\0gristmill/job:\0";
/// Version of these messages. A job executable and a worker must have the same.
pub const VERSION: u32 = 12;
/// Longest frame, in bytes. A reduce's list of segments is the longest message.
pub const FRAME_BYTES_MAX: u32 = 256 << 20;

/// Messages from a worker to its executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToExecutor {
    /// The first message.
    Hello {
        /// The worker's [`VERSION`].
        version: u32,
    },
    /// Runs an attempt.
    Run(Box<Run>),
    /// Answers the [`FromExecutor::Wants`] of the running map attempt.
    More {
        /// Maps that have joined it, in this order. Empty if the attempt must end with the maps that it has.
        maps: Vec<u32>,
    },
}

/// Messages from an executor to its worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromExecutor {
    /// The first message.
    Hello {
        /// The executor's [`VERSION`].
        version: u32,
    },
    /// The first answer to each [`ToExecutor::Run`], sent before the attempt touches anything. If an executor dies before
    /// this message, the attempt has left nothing behind, and another executor may run it.
    Begun {
        /// The executor's process id. The worker knows the one of its supervisor.
        pid: u32,
    },
    /// Progress of the attempt, sent when it has changed, at most ten times a second.
    Progress {
        /// Bytes of input read by a map, bytes of map output by a reduce.
        bytes: u64,
        /// Total of these bytes; 0 if unknown.
        total: u64,
    },
    /// A map attempt has reached its last known map, and its output has room for more.
    Wants {
        /// The most maps that it takes, at least 1.
        maps: u32,
    },
    /// The attempt's output is sealed, or published by a commit.
    Done(Done),
    /// The attempt has failed.
    Failed(Failure),
}

/// An attempt to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub attempt: AttemptId,
    /// The job's nonce, part of every path that the attempt writes to.
    pub nonce: Nonce,
    /// The job's spec, with absolute paths.
    pub spec: JobSpec,
    /// The attempt's own folder on this worker, for spill files, merges and the plan. The worker creates it before the
    /// attempt and removes it afterwards. No other process writes to it.
    pub scratch: LocalPath,
    /// Whether a map compresses its output. The records and the digest are the same either way.
    pub compress: bool,
    /// The kind of work.
    pub work: Work,
}

/// The work of an attempt, with the plan's file and the segments that a reduce reads: one for each map that has not
/// joined another, in the order of the maps.
pub type Work = crate::model::Work<LocalPath, Vec<SegmentRef>>;

/// Result of a successful attempt, with the plan's file and the sealed spill file of a map. A map of a map-only job has
/// none.
pub type Done = crate::model::Done<LocalPath, Option<LocalPath>>;

/// What a job executable that must describe a job answers, as one frame on its standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Description {
    /// The job that the arguments define.
    Job {
        /// The executable's [`VERSION`].
        version: u32,
        /// The job, with absolute paths.
        spec: Box<JobSpec>,
        /// Whether it has no reduce.
        map_only: bool,
        /// Flags that tell the submitter how to report, which [`JobSpec`] does not hold: name and value, such as
        /// `("progress", "never")`.
        report: Vec<(String, String)>,
        /// What of the input is left out or reached more than once.
        notes: InputNotes,
    },
    /// Text for standard output, such as that of `--help`. There is nothing to run.
    Text(String),
    /// The arguments are wrong.
    Refused {
        /// The message's first line, without `error: `.
        line: String,
        /// Lines of detail.
        details: Vec<String>,
    },
}
