//! Messages between a worker and the master.
//!
//! **Register** announces a worker's process, which is called an *incarnation* of the worker. If
//! the same incarnation registers again, it gets the same id and nothing changes. **Poll** is
//! level-triggered: it carries the complete set of attempts that the worker holds, and the answer
//! carries the complete set that it should hold. Polls may be lost, repeated or late. Each has a
//! sequence number: the worker drops every answer except the one to its newest poll, and a newer
//! poll ends an older one at once.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::artifacts::Digest;
use super::refusal::Refusal;
use crate::spec::{
    AttemptId, Counters, Failure, JobId, Nonce, Room, Volume, WorkerFacts, WorkerId,
};

/// Registers a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// A random number, drawn when the process started.
    pub incarnation: u128,
    /// Its earlier id, if its data folder has one.
    pub worker: Option<WorkerId>,
    /// Its process, address and machine.
    pub facts: WorkerFacts,
    /// Intact map outputs that it still has.
    pub outputs: Vec<HeldOutput>,
    /// The random number of the cluster that its data folder belongs to, once it belongs to one.
    pub cluster: Option<u128>,
}

/// A map output that a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOutput {
    /// The attempt that made it.
    pub attempt: AttemptId,
    /// The job's nonce.
    pub nonce: Nonce,
    /// Its digest.
    pub digest: u64,
}

/// The answer to [`Register`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The worker's id from now on.
    pub worker: WorkerId,
    /// Its lease, in milliseconds: how long it may go without polling.
    pub lease_ms: u64,
    /// The cluster's random number.
    pub cluster: u128,
}

/// Reports what a worker holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// The worker.
    pub worker: WorkerId,
    /// The registered incarnation. Any other is refused as [`Refusal::NotFound`], and the worker registers again.
    pub incarnation: u128,
    /// Ascending.
    pub sequence: u64,
    /// Every attempt that it holds: running, or ended and not yet acknowledged by its absence from an answer.
    pub held: Vec<Held>,
    /// Jobs whose files it has.
    pub jobs: Vec<JobId>,
    /// Whether it is draining.
    pub draining: bool,
    /// Free memory and disk of its machine.
    pub room: Room,
}

/// An attempt that a worker holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The attempt.
    pub attempt: AttemptId,
    /// The executor's process id; 0 before it has started.
    pub pid: u32,
    /// Its state.
    pub state: HeldState,
}

/// The state of an attempt on its worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HeldState {
    /// It runs, or waits for map output.
    Running {
        /// 0 to 1.
        progress: f64,
        /// Total bytes; 0 if unknown.
        bytes: u64,
        /// Map outputs that a reduce has fetched so far.
        fetched: u32,
        /// How many maps have joined a map attempt, as far as the worker knows.
        joined: u32,
        /// The number of further maps that it can take.
        wants: u32,
    },
    /// A plan is made, and its artifact is stored.
    Planned {
        /// The plan.
        plan: Digest,
        /// Number of maps.
        splits: u32,
        /// Number of reduces.
        reducers: u32,
        /// Bytes of all input.
        input_bytes: u64,
        /// Its counters.
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
        /// Its counters.
        counters: Counters,
        /// What it has read, written and used.
        volume: Volume,
    },
    /// A reduce's part is sealed in staging.
    Reduced {
        /// Its counters.
        counters: Counters,
        /// How much it has read, and the keys with most records.
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
    /// The worker that was asked.
    pub worker: WorkerId,
    /// Whether it was there, but damaged on that worker's disk. Otherwise it was missing, or the worker did not answer.
    pub is_corrupt: bool,
}

/// The answer to a poll.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// The poll that is answered.
    pub sequence: u64,
    /// The leadership that the answer comes from. It increases with each leader, and a worker ignores answers of an
    /// older one.
    pub epoch: u64,
    /// Every attempt that the worker should hold. The worker starts those that it does not hold yet, and kills and
    /// drops those that it holds and that are not in this list.
    pub attempts: Vec<Order>,
    /// Jobs whose files the worker must keep. It removes the files of all other jobs in its poll.
    pub keep: Vec<JobId>,
    /// Whether a draining worker may leave, because its map outputs are not needed.
    pub may_leave: bool,
}

/// An attempt that a worker should hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The attempt.
    pub attempt: AttemptId,
    /// The job's nonce.
    pub nonce: Nonce,
    /// The job's executable.
    pub executable: Digest,
    /// The job's spec: an artifact that holds a [`crate::spec::JobSpec`] in bincode.
    pub spec: Digest,
    /// Its work.
    pub work: OrderWork,
    /// The attempt is killed as a timeout when it makes no progress for this long, in milliseconds; 0 for never.
    pub timeout_ms: u64,
}

/// The work of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OrderWork {
    /// Makes the plan.
    Plan,
    /// Map the split of the task's index, and of the maps that have joined it.
    Map {
        /// The plan.
        plan: Digest,
        /// Partitions of the output; 0 for a map-only job.
        reducers: u32,
        /// The maps that have joined the attempt so far, in order. Later answers may name more.
        joined: Vec<u32>,
    },
    /// Fetch the task's partition of all maps from the places that [`Workers::locate`] returns, and reduce it.
    Reduce {
        /// The plan.
        plan: Digest,
        /// Number of maps.
        maps: u32,
    },
    /// Publish.
    Commit {
        /// The number of the winning attempt of each map.
        maps: Vec<u32>,
        /// The number of the winning attempt of each reduce.
        reduces: Vec<u32>,
        /// The winners' counters.
        counters: Counters,
        /// When, as RFC 3339 in UTC.
        created: String,
    },
    /// Remove what the job has left in staging.
    Sweep,
}

/// A worker's report that it leaves: its process was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The worker.
    pub worker: WorkerId,
    /// As registered.
    pub incarnation: u128,
}

/// Most changes in one [`Located`]. A worker that gets this many asks again at once.
pub const CHANGES_MAX: usize = 20_000;

/// Asks for the locations of a job's map outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locate {
    /// The job.
    pub job: JobId,
    /// The version that the worker knows; 0 for none.
    pub since: u64,
}

/// Locations of map outputs: the changes since the requested version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The version for the next request.
    pub version: u64,
    /// Changes in order. A later change of a map replaces an earlier one.
    pub changes: Vec<LocatedMap>,
}

/// Where one map's output is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocatedMap {
    /// The map task's index.
    pub map: u32,
    /// The map whose output contains this map's output, if this one has joined it.
    pub within: Option<u32>,
    /// The attempt's number, the worker that has the output, and its address; `None` if the output was lost.
    pub at: Option<(u32, WorkerId, String)>,
}

/// The service of a master for workers.
pub trait Workers: Send + Sync + 'static {
    /// Introduces a worker.
    fn register(
        &self,
        request: Register,
    ) -> impl Future<Output = Result<Registered, Refusal>> + Send;
    /// Reports what the worker holds. The answer says what it should hold. The answer is held back until the two
    /// differ, or for a third of the lease.
    fn poll(&self, request: Poll) -> impl Future<Output = Result<Orders, Refusal>> + Send;
    /// Returns the locations of map outputs, at once.
    fn locate(&self, request: Locate) -> impl Future<Output = Result<Located, Refusal>> + Send;
    /// Removes a worker that leaves: its tasks move to other workers, and the map outputs that it holds are made again
    /// if they are needed. Answered once this is committed.
    fn leave(&self, request: Leave) -> impl Future<Output = Result<(), Refusal>> + Send;
}
