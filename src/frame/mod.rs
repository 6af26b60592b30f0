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

use std::path::PathBuf;

pub use codec::{LENGTH_BYTES, decode, encode, message_bytes};
pub use connection::Connection;
pub use error::Error;
use serde::{Deserialize, Serialize};

use crate::spec::{
    AttemptId, Counters, Failure, InputNotes, JobSpec, Nonce, SegmentRef, Volume, path_bytes,
};

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
    #[serde(with = "path_bytes")]
    pub scratch: PathBuf,
    /// The kind of work.
    pub work: Work,
}

/// The work of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Lists the input, cuts splits, samples cut points, creates the output's staging folder and writes the plan to a file.
    Plan,
    /// Maps the split of the task's index, and those of the maps that have joined it, to one sealed spill file.
    Map {
        /// The plan's file.
        #[serde(with = "path_bytes")]
        plan: PathBuf,
        /// The maps that have joined it so far, in order.
        joined: Vec<u32>,
        /// Whether to compress the output. Its contents and its digest are the same either way.
        compress: bool,
    },
    /// Merges these segments and reduces them to a part.
    Reduce {
        /// The plan's file.
        #[serde(with = "path_bytes")]
        plan: PathBuf,
        /// One for each map that has not joined another, in the order of the maps.
        segments: Vec<SegmentRef>,
    },
    /// Publishes the winners' parts.
    Commit {
        /// For each map, the number of the winning attempt, whose side outputs belong to the output. If that attempt's map
        /// output was lost later, it still counts. 0 for a map that left nothing in staging.
        maps: Vec<u32>,
        /// For each reduce, the number of the winning attempt.
        reduces: Vec<u32>,
        /// The winners' counters, for the manifest.
        counters: Counters,
        /// Time for the manifest, as RFC 3339 in UTC.
        created: String,
    },
    /// Removes everything that a failed or cancelled job has left in staging.
    Sweep,
}

/// Result of a successful attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// Of a plan.
    Plan {
        /// The plan's file. Its bytes depend only on the job and its input.
        #[serde(with = "path_bytes")]
        plan: PathBuf,
        /// Number of maps.
        splits: u32,
        /// Number of reduces; 0 for a map-only job.
        reducers: u32,
        /// Bytes of all input, without streams of unknown length.
        input_bytes: u64,
        /// The plan's counters.
        counters: Counters,
    },
    /// Of a map.
    Map {
        /// The sealed spill file. `None` for a map-only job, whose part is in staging.
        #[serde(with = "path_bytes::option")]
        output: Option<PathBuf>,
        /// How many of the maps that joined the attempt are in the output.
        joined: u32,
        /// Digest of the digests of its partitions.
        digest: u64,
        /// Its size in bytes.
        bytes: u64,
        /// Whether it sealed something in staging: a part, side outputs or bad records.
        is_staged: bool,
        /// The attempt's counters.
        counters: Counters,
        /// What it has read, written and used, for all maps that are in it.
        volume: Volume,
    },
    /// Of a reduce, whose part is in staging.
    Reduce {
        /// The attempt's counters.
        counters: Counters,
        /// How much it has read, and its keys with the most records.
        volume: Volume,
    },
    /// Of a commit.
    Commit {
        /// Records of the whole output.
        records: u64,
        /// Bytes of the whole output.
        bytes: u64,
    },
    /// Of a sweep.
    Sweep,
}

impl Done {
    /// Notes how much memory the process of a map or a reduce has had.
    pub fn note_memory(&mut self, bytes: u64) {
        if let Self::Map { volume, .. } | Self::Reduce { volume, .. } = self {
            volume.usage.memory_bytes = bytes;
        }
    }
}

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
