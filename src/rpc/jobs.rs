//! Messages between a client and a master about jobs.
//!
//! Every call may be repeated. If an answer is lost, call again: the client chooses an id for each
//! submission, and a second submission with the same id returns the job that the first one created.

use std::collections::BTreeMap;
use std::future::Future;

use serde::{Deserialize, Serialize, Serializer};

use super::artifacts::Digest;
use super::recipe::{Recipe, RecipeRequest};
use super::refusal::Refusal;
use super::why::{BadRecord, Why};
use crate::model::{
    AttemptId, AttemptState, Cause, Failure, JobId, JobOptions, JobSpec, JobState, Room, TaskId,
    TaskState, Usage, WorkerFacts, WorkerId, WorkerState,
};

/// Submits a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// An id that the client chooses. The same id is the same job.
    pub id: String,
    /// The job spec. The executable and the spec, in bincode, are artifacts that were stored before.
    pub spec: JobSpec,
    /// The spec's artifact.
    pub spec_digest: Digest,
    /// The executable.
    pub executable: Digest,
    /// Whether the job has no reduce.
    pub map_only: bool,
    /// How the cluster runs it. The master sets `early_reduces` and `memory_bytes` itself.
    pub options: JobOptions,
}

/// One line of a list of jobs. Its JSON is what `gristmill jobs --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobLine {
    /// `j7`.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// What it waits for, or why it ended in this state.
    pub reason: String,
    /// When it was submitted, as RFC 3339 in UTC.
    pub submitted: String,
    /// When it ended, if it has.
    pub finished: Option<String>,
    /// The client's id of its submission. Not shown: it may have any form, and only its client needs it.
    #[serde(skip)]
    pub request: String,
}

/// A failure for JSON: bytes become text.
#[derive(Serialize)]
struct FailureJson<'f> {
    attempt: AttemptId,
    cause: Cause,
    message: &'f str,
    at: Option<&'f str>,
    record: Option<BadRecord>,
    details: &'f [String],
    log: &'f [String],
}

fn as_failure_json<S: Serializer>(
    failure: &Option<(AttemptId, Failure)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let failure_json = failure.as_ref().map(|(attempt, failure)| FailureJson {
        attempt: *attempt,
        cause: failure.cause,
        message: &failure.message,
        at: failure.at.as_deref(),
        record: failure.record.as_ref().map(BadRecord::of),
        details: &failure.details,
        log: &failure.log,
    });
    failure_json.serialize(serializer)
}

/// Tasks of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// How many there are.
    pub total: u32,
    /// How many have a winner.
    pub done: u32,
    /// How many have a running attempt.
    pub running: u32,
    /// How much of them is done, from 0 to 1, by bytes if these are known. Running tasks count by their progress.
    pub progress: f64,
    /// Bytes that they have read.
    pub bytes_done: u64,
    /// Bytes in all. For reduces this assumes that those that have not started are as large as the others. 0 if
    /// unknown.
    pub bytes_total: u64,
}

/// A job in more detail. Its JSON is what `gristmill status --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobStatus {
    /// `j7`.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// What it waits for.
    pub reason: String,
    /// 0 to 1.
    pub progress: f64,
    /// Its maps.
    pub maps: Tally,
    /// Its reduces.
    pub reduces: Tally,
    /// The folder of its output.
    pub output: String,
    /// The first failure that the job did not recover from, as lines for people.
    pub error: Option<String>,
    /// The attempt that failed, and the failure itself.
    #[serde(serialize_with = "as_failure_json")]
    pub failure: Option<(AttemptId, Failure)>,
    /// When it was submitted, as RFC 3339 in UTC.
    pub submitted: String,
    /// When it ended, if it has.
    pub finished: Option<String>,
    /// Increases with every change, so that a client can ask for changes after it.
    pub version: u64,
}

#[cfg(test)]
impl JobStatus {
    /// The explanation of a job in this state, without further details.
    pub(crate) fn in_state(state: JobState) -> Self {
        Self {
            id: JobId(7),
            name: "wordcount".into(),
            state,
            reason: String::new(),
            progress: 0.0,
            maps: Tally::default(),
            reduces: Tally::default(),
            output: "/out".into(),
            error: None,
            failure: None,
            submitted: String::new(),
            finished: None,
            version: 1,
        }
    }
}

/// A task and its attempts. Its JSON is what `gristmill tasks --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskLine {
    /// `j7/m12`.
    pub id: TaskId,
    /// `plan`, `map`, `reduce` or `commit`.
    pub kind: String,
    /// Its state.
    pub state: TaskState,
    /// Attempts started so far, as [`Task::started`](crate::scheduler::Task::started) counts them everywhere.
    pub attempts_started: u32,
    /// The last [`ATTEMPTS_KEPT`](crate::scheduler::ATTEMPTS_KEPT) of them, in order.
    pub attempts: Vec<AttemptLine>,
    /// What the attempt whose output counts has read, written and used; `None` if there is no such attempt, or it is
    /// shared.
    pub usage: Option<Usage>,
}

/// An attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptLine {
    /// `j7/m12#2`.
    pub id: AttemptId,
    /// The attempt whose process does the task and has the log: itself, or the attempt that it has joined.
    pub runs_as: AttemptId,
    /// Where it runs or ran.
    pub worker: WorkerId,
    /// The executor's process id; 0 if unknown.
    pub pid: u32,
    /// Its state.
    pub state: AttemptState,
    /// Why it did not succeed.
    pub cause: Cause,
    /// When it started, as RFC 3339 in UTC with milliseconds.
    pub started: String,
    /// When it ended, if it has.
    pub ended: Option<String>,
}

/// A worker. Its JSON is what `gristmill workers --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerLine {
    /// `w4`.
    pub id: WorkerId,
    /// Its state.
    pub state: WorkerState,
    /// Why it is excluded, and how long the exclusion lasts.
    pub exclusion: Option<ExclusionLine>,
    /// Attempts that it runs.
    pub running: u32,
    /// Since its last poll.
    pub last_seen_ms: u64,
    /// What it has said of itself.
    #[serde(flatten)]
    pub facts: WorkerFacts,
    /// Memory and disk of its machine, as last reported.
    #[serde(flatten)]
    pub room: Room,
}

/// Why and for how long a worker gets no attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExclusionLine {
    /// The kind of trouble, as a word that never changes, such as `scratch`.
    pub trouble: String,
    /// The same for people.
    pub reason: String,
    /// When it gets attempts again at the latest, as RFC 3339 in UTC. When another master takes over, this time starts
    /// again.
    pub until: String,
}

/// Requests a page of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TasksRequest {
    /// The job.
    pub job: JobId,
    /// How many tasks to skip.
    pub offset: u64,
    /// Most tasks to return.
    pub limit: u32,
}

/// The service of a master for clients.
pub trait Jobs: Send + Sync + 'static {
    /// Accepts a job, once per id.
    fn submit(&self, request: Submit) -> impl Future<Output = Result<JobId, Refusal>> + Send;
    /// Lists all remembered jobs.
    fn list(&self) -> impl Future<Output = Result<Vec<JobLine>, Refusal>> + Send;
    /// Returns the status of a job, once its version is above `after` or a second has passed.
    fn status(
        &self,
        job: JobId,
        after: u64,
    ) -> impl Future<Output = Result<JobStatus, Refusal>> + Send;
    /// Its tasks, in order.
    fn tasks(
        &self,
        request: TasksRequest,
    ) -> impl Future<Output = Result<Vec<TaskLine>, Refusal>> + Send;
    /// Its winners' counters by group and name.
    fn counters(
        &self,
        job: JobId,
    ) -> impl Future<Output = Result<BTreeMap<String, BTreeMap<String, u64>>, Refusal>> + Send;
    /// Explains its state.
    fn why(&self, job: JobId) -> impl Future<Output = Result<Why, Refusal>> + Send;
    /// Returns how an attempt was started.
    fn recipe(
        &self,
        request: RecipeRequest,
    ) -> impl Future<Output = Result<Recipe, Refusal>> + Send;
    /// Cancels it. If its output is being published, this works only until the output is visible.
    fn kill(&self, job: JobId) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// Lists all known workers.
    fn workers(&self) -> impl Future<Output = Result<Vec<WorkerLine>, Refusal>> + Send;
    /// Drains a worker: it takes no new attempts, and leaves when its map outputs are no longer needed.
    fn drain(&self, worker: WorkerId) -> impl Future<Output = Result<(), Refusal>> + Send;
}
