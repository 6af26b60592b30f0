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
use crate::model::{AttemptId, Failure, JobId, Nonce, Room, WorkerFacts, WorkerId};

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
    /// It succeeded: its plan is stored as an artifact, its map output is served, or its parts are in staging.
    Done(Done),
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// For a reduce that could not fetch: the outputs that are missing or corrupt.
        lost: Vec<LostOutput>,
    },
}

impl HeldState {
    /// Cuts the texts that come from user code, so that they fit into a poll and into the log.
    pub fn cut(&mut self) {
        match self {
            Self::Running { .. } => {}
            Self::Done(done) => {
                if let Some(volume) = done.volume_mut() {
                    volume.cut();
                }
            }
            Self::Failed { failure, .. } => failure.cut(),
        }
    }
}

/// The result of a successful attempt.
pub type Done = crate::model::Done<Digest, ()>;

/// The work of an attempt, with the number of maps that a reduce reads from the places that [`Workers::locate`]
/// returns.
pub type Work = crate::model::Work<Digest, u32>;

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
    /// The job's spec: an artifact that holds a [`crate::model::JobSpec`] in bincode.
    pub spec: Digest,
    /// Its work.
    pub work: Work,
    /// Whether the job has no reduce, so that a map leaves no output on its worker.
    pub is_map_only: bool,
    /// The attempt is killed as a timeout when it makes no progress for this long, in milliseconds; 0 for never.
    pub timeout_ms: u64,
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
