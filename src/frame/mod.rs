//! The messages between a worker and its executor, and the reply that describes a job.
//!
//! An executor is a child process of a worker: the job's own executable, started with [`EXECUTOR_ARG`] as its only
//! argument and one end of a socket pair as its standard input. It runs attempts, one at a time, for one slot and one
//! job, until the socket closes.
//!
//! ```text
//!   worker ──Hello──► executor      both sides say their version first; either refuses the other's, naming both
//!          ◄─Hello──
//!          ──Run────►               one attempt; the next only after its end was reported
//!          ◄─Begun                  before anything is done for it
//!          ◄─Progress               now and then
//!          ◄─Wants                  a map attempt has room for more maps
//!          ──More───►               the answer to each Wants, which may be none
//!          ◄─Done | Failed          exactly one of them
//! ```
//!
//! A frame is its length as `u32`, little-endian, and then a message in bincode. A worker that wants an attempt to
//! stop kills the executor's process group: there is nothing to ask it for.

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

use crate::spec::{AttemptId, Counters, Failure, JobSpec, Nonce, Volume};

/// The first argument of a job executable that is to serve as an executor.
pub const EXECUTOR_ARG: &str = "--gristmill=executor";
/// The first argument of a job executable that is to describe the job which the arguments after it ask for.
pub const DESCRIBE_ARG: &str = "--gristmill=describe";
/// What stands before the frame of a [`Description`], so that it is found behind what user code has printed.
pub const DESCRIPTION_MARK: &[u8; 16] = b"\0gristmill/job:\0";
/// Version of these messages; a job executable and a worker must agree on it.
pub const VERSION: u32 = 9;
/// Longest frame, in bytes: a reduce's list of segments is the longest message.
pub const FRAME_BYTES_MAX: u32 = 256 << 20;

/// What a worker says to its executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToExecutor {
    /// The first message.
    Hello {
        /// The worker's [`VERSION`].
        version: u32,
    },
    /// Carry out an attempt.
    Run(Box<Run>),
    /// What the map attempt that runs has asked for.
    More {
        /// Maps that have joined it, in this order; none if it is to end with what it has.
        maps: Vec<u32>,
    },
}

/// What an executor says to its worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromExecutor {
    /// The first message.
    Hello {
        /// The executor's [`VERSION`].
        version: u32,
    },
    /// Sent before anything of the attempt is touched, as the first answer to each [`ToExecutor::Run`]. An executor that
    /// dies without having said so has left nothing behind, and the attempt may be given to another one.
    Begun {
        /// The executor's process id. The worker knows the one of its supervisor.
        pid: u32,
    },
    /// The attempt is getting on; sent when something has changed, at most ten times a second.
    Progress {
        /// Bytes of input read by a map, bytes of map output by a reduce.
        bytes: u64,
        /// Of how many; 0 where that is not known.
        total: u64,
    },
    /// A map attempt is at the last map that it knows of, and could put more into its output.
    Wants {
        /// How many at most, at least 1.
        maps: u32,
    },
    /// The attempt's output is sealed; a commit's is published.
    Done(Done),
    /// The attempt has failed.
    Failed(Failure),
}

/// An attempt to carry out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which.
    pub attempt: AttemptId,
    /// The job's own; part of every path that is written to.
    pub nonce: Nonce,
    /// What to run on what; paths in it are absolute.
    pub spec: JobSpec,
    /// The attempt's own folder on this worker: spill files, merges, the plan. It is there, and nobody else writes to
    /// it; when the attempt has ended, the worker removes it.
    pub scratch: PathBuf,
    /// What to do.
    pub work: Work,
}

/// What an attempt is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// List the input, cut splits, sample cut points, create the output's staging folder, and write the plan to a file.
    Plan,
    /// Map splits to one sealed spill file: that of the task's index, and those of the maps that have joined it.
    Map {
        /// The plan's file.
        plan: PathBuf,
        /// The maps that have joined it so far, in order.
        joined: Vec<u32>,
        /// Whether the output is to be compressed. What is in it, and its digest, are the same either way.
        compress: bool,
    },
    /// Merge these segments and reduce them to a part.
    Reduce {
        /// The plan's file.
        plan: PathBuf,
        /// One for each map that has not joined another, in the order of the maps.
        segments: Vec<SegmentRef>,
    },
    /// Publish the winners' parts.
    Commit {
        /// The winning attempt's number of each map, of the last winner if its output was lost since: its side outputs
        /// belong to the output. 0 for a map that left nothing in staging.
        maps: Vec<u32>,
        /// The winning attempt's number of each reduce.
        reduces: Vec<u32>,
        /// The winners' counters, for the manifest.
        counters: Counters,
        /// When, as RFC 3339 in UTC, for the manifest.
        created: String,
    },
    /// Remove all that the job has left in staging: it has failed or was cancelled.
    Sweep,
}

/// One partition of one map's output, somewhere in a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// The map task's index.
    pub map: u32,
    /// The file that holds it: a map's own spill file, or one in which the worker has gathered what it fetched.
    pub path: PathBuf,
    /// Where its first block begins.
    pub offset: u64,
    /// Bytes of its blocks, as stored.
    pub stored_bytes: u64,
    /// Bytes of its records, decoded.
    pub raw_bytes: u64,
    /// Its records.
    pub records: u64,
    /// Digest of its records, which is checked when they have been read.
    pub digest: u64,
}

/// What a successful attempt leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// Of a plan.
    Plan {
        /// The plan's file, whose bytes are a function of the job and its input.
        plan: PathBuf,
        /// Number of maps.
        splits: u32,
        /// Number of reduces; 0 for a map-only job.
        reducers: u32,
        /// Bytes of all input; streams of unknown length are left out.
        input_bytes: u64,
        /// What the plan counted.
        counters: Counters,
    },
    /// Of a map.
    Map {
        /// The sealed spill file; none for a map-only job, whose part is in staging.
        output: Option<PathBuf>,
        /// How many of the maps that have joined it are in it.
        joined: u32,
        /// Digest over the digests of its partitions.
        digest: u64,
        /// Its size.
        bytes: u64,
        /// Whether it sealed something in staging: its part, side outputs, bad records.
        is_staged: bool,
        /// What the attempt counted.
        counters: Counters,
        /// Bytes of the input that it has read, for all maps that are in it.
        input_bytes: u64,
    },
    /// Of a reduce, whose part is in staging.
    Reduce {
        /// What the attempt counted.
        counters: Counters,
        /// How much it has read, and of which keys most.
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

/// What a job executable answers, as one frame on its standard output, when it is to describe a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Description {
    /// The job that the arguments ask for.
    Job {
        /// The executable's [`VERSION`].
        version: u32,
        /// The job, with absolute paths.
        spec: Box<JobSpec>,
        /// Whether it has no reduce.
        map_only: bool,
        /// Flags of the arguments that say how the submitter is to report, as [`JobSpec`] has no place for them:
        /// name and value, such as `("progress", "never")`.
        report: Vec<(String, String)>,
    },
    /// What to print to standard output, such as the text of `--help`; there is nothing to run.
    Text(String),
    /// The arguments are wrong.
    Refused {
        /// The message's first line, without `error: `.
        line: String,
        /// Lines of detail.
        details: Vec<String>,
    },
}
