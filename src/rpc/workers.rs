//! What a worker says to the master, and is answered.
//!
//! **Register** introduces an incarnation of a worker (a process); repeated by the same incarnation it answers the
//! same id and changes nothing. **Poll** is level-triggered: it carries the complete set of attempts that the worker
//! holds, the answer the complete set that it should hold. It may be lost, repeated and late in any way: answers to
//! any but the newest sequence number are dropped by the worker, and a newer poll ends an older one at once.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::artifacts::Digest;
use super::refusal::Refusal;
use crate::spec::{AttemptId, Counters, Failure, JobId, Nonce, Volume, WorkerId};

/// What stands in [`Register::limiter`] where memory is not limited.
pub const UNLIMITED: &str = "none";

/// A worker that wants to lend its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Random, drawn when the process started.
    pub incarnation: u128,
    /// Who it was before, if its data folder says so.
    pub worker: Option<WorkerId>,
    /// Its process id, to be shown.
    pub pid: u32,
    /// Where it serves map output: `127.0.0.1:PORT`.
    pub address: String,
    /// Attempts at once.
    pub slots: u32,
    /// Memory that one attempt may have, in bytes; 0 where it is not limited.
    pub attempt_memory_bytes: u64,
    /// How memory is limited: `cgroup v1`, `cgroup v2`, `sampled` or [`UNLIMITED`].
    pub limiter: String,
    /// Intact map outputs that it still has.
    pub outputs: Vec<HeldOutput>,
    /// The random number of the cluster that its data folder belongs to, once it belongs to one.
    pub cluster: Option<u128>,
}

/// A map output that a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldOutput {
    /// The attempt that made it.
    pub attempt: AttemptId,
    /// The job's nonce.
    pub nonce: Nonce,
    /// Its digest.
    pub digest: u64,
}

/// The answer to [`Register`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Who the worker is from now on.
    pub worker: WorkerId,
    /// How long the master believes in it without a poll, in milliseconds.
    pub lease_ms: u64,
    /// The cluster's random number.
    pub cluster: u128,
}

/// What a worker holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// Who asks.
    pub worker: WorkerId,
    /// As registered; another one is refused as [`Refusal::NotFound`], and the worker registers again.
    pub incarnation: u128,
    /// Ascending.
    pub sequence: u64,
    /// Every attempt that it holds: running, or ended and not yet acknowledged by its absence from an answer.
    pub held: Vec<Held>,
    /// Jobs of which it has files.
    pub jobs: Vec<JobId>,
    /// Whether it wants to leave.
    pub draining: bool,
    /// What its machine has left.
    pub room: Room,
}

/// How much memory and disk a worker's machine has, and has left, for people to see; 0 where that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of it that programs could still have.
    pub memory_free_bytes: u64,
    /// Bytes of the file system that the worker's folder is in.
    pub disk_bytes: u64,
    /// Bytes of it that are free.
    pub disk_free_bytes: u64,
}

/// An attempt that a worker holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Which.
    pub attempt: AttemptId,
    /// The executor's process id; 0 before it has started.
    pub pid: u32,
    /// How it stands.
    pub state: HeldState,
}

/// How an attempt stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HeldState {
    /// It runs, or waits for map output.
    Running {
        /// 0 to 1.
        progress: f64,
        /// Of how many bytes; 0 where that is not known.
        bytes: u64,
        /// Map outputs that a reduce has fetched so far.
        fetched: u32,
        /// How many maps have joined a map attempt, as far as it knows.
        joined: u32,
        /// How many more it asks for.
        wants: u32,
    },
    /// A plan is made; the artifact is stored.
    Planned {
        /// The plan.
        plan: Digest,
        /// Number of maps.
        splits: u32,
        /// Number of reduces.
        reducers: u32,
        /// Bytes of all input.
        input_bytes: u64,
        /// What it counted.
        counters: Counters,
    },
    /// A map's output is sealed and served, or its part is in staging.
    Mapped {
        /// How many of the maps that have joined the attempt are in it.
        joined: u32,
        /// Digest of the output.
        digest: u64,
        /// Its size.
        bytes: u64,
        /// Whether it sealed something in staging: its part, side outputs, bad records.
        is_staged: bool,
        /// What it counted.
        counters: Counters,
        /// Bytes of the input that it has read.
        input_bytes: u64,
    },
    /// A reduce's part is sealed in staging.
    Reduced {
        /// What it counted.
        counters: Counters,
        /// How much it has read, and of which keys most.
        volume: Volume,
    },
    /// The output is published.
    Committed {
        /// Records in it.
        records: u64,
        /// Bytes in it.
        bytes: u64,
    },
    /// Staging is swept.
    Swept,
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// For a reduce that could not fetch: the outputs that are missing or corrupt.
        lost: Vec<LostOutput>,
    },
}

/// A map output that could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostOutput {
    /// The attempt that made it.
    pub attempt: AttemptId,
    /// Who was asked.
    pub worker: WorkerId,
    /// Whether it was there, but damaged on that worker's disk; else it was missing, or nobody answered.
    pub is_corrupt: bool,
}

/// The answer to a poll.
#[derive(Debug, Clone, PartialEq)]
pub struct Orders {
    /// The poll that is answered.
    pub sequence: u64,
    /// Which leadership gives them, higher with each later one: a worker obeys none that is over.
    pub epoch: u64,
    /// Every attempt that the worker should hold: it starts those that it does not, kills and forgets those that it
    /// holds and that are not here.
    pub attempts: Vec<Order>,
    /// Jobs of the poll whose files it must keep; those of all others are removed.
    pub keep: Vec<JobId>,
    /// Whether a draining worker may go: nobody needs its map outputs any more.
    pub may_leave: bool,
}

/// An attempt that a worker should hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Which.
    pub attempt: AttemptId,
    /// The job's nonce.
    pub nonce: Nonce,
    /// The job's executable.
    pub executable: Digest,
    /// The job's spec: an artifact that holds a [`crate::spec::JobSpec`] in bincode.
    pub spec: Digest,
    /// What it is to do.
    pub work: OrderWork,
    /// The attempt is killed as a timeout when it has made no progress for so long, in milliseconds; 0: never.
    pub timeout_ms: u64,
}

/// What an ordered attempt is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderWork {
    /// Make the plan.
    Plan,
    /// Map the split of the task's index, and of the maps that have joined it.
    Map {
        /// The plan.
        plan: Digest,
        /// Partitions of the output; 0 for a map-only job.
        reducers: u32,
        /// The maps that have joined the attempt so far, in order; an answer may name more than the one before.
        joined: Vec<u32>,
    },
    /// Fetch the task's partition of all maps ([`Workers::locate`] says from where) and reduce it.
    Reduce {
        /// The plan.
        plan: Digest,
        /// Number of maps.
        maps: u32,
    },
    /// Publish.
    Commit {
        /// The winning attempt's number of each map.
        maps: Vec<u32>,
        /// Of each reduce.
        reduces: Vec<u32>,
        /// The winners' counters.
        counters: Counters,
        /// When, as RFC 3339 in UTC.
        created: String,
    },
    /// Remove what the job has left in staging.
    Sweep,
}

/// A worker's goodbye: its process was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// The worker.
    pub worker: WorkerId,
    /// As registered.
    pub incarnation: u128,
}

/// Changes in one [`Located`]: whoever is told so many is behind by more, and asks again at once.
pub const CHANGES_MAX: usize = 20_000;

/// Asks where the outputs of a job's maps are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locate {
    /// The job.
    pub job: JobId,
    /// The version that is known already; 0: nothing is.
    pub since: u64,
}

/// Where map outputs are: what has changed since the version asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// To be asked with next time.
    pub version: u64,
    /// Changes in order; a later one of the same map replaces an earlier.
    pub changes: Vec<LocatedMap>,
}

/// Where one map's output is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedMap {
    /// The map task's index.
    pub map: u32,
    /// The map in whose output its own is, if it has joined another.
    pub within: Option<u32>,
    /// The attempt's number, the worker that has it, and its address; none if the output was lost.
    pub at: Option<(u32, WorkerId, String)>,
}

/// What a master does for workers.
pub trait Workers: Send + Sync + 'static {
    /// Introduces a worker.
    fn register(
        &self,
        request: Register,
    ) -> impl Future<Output = Result<Registered, Refusal>> + Send;
    /// Says what the worker holds, and is told what it should; held back until that differs or a third of the lease is over.
    fn poll(&self, request: Poll) -> impl Future<Output = Result<Orders, Refusal>> + Send;
    /// Where map outputs are; answered at once.
    fn locate(&self, request: Locate) -> impl Future<Output = Result<Located, Refusal>> + Send;
    /// Lets a worker go at once: its tasks move to others, and the map outputs that it holds are made again if they are
    /// needed. Answered when that is agreed on.
    fn leave(&self, request: Leave) -> impl Future<Output = Result<(), Refusal>> + Send;
}
