//! Tests each service over a real loopback socket, with a small in-memory implementation.

mod artifacts;
mod crowds;
mod jobs;
mod leading;
mod limits;
mod masters;
mod shuffle;
mod workers;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::artifacts::{Artifacts, Digest};
use super::client::{Master, Options};
use super::jobs::{
    AttemptLine, ExclusionLine, JobLine, JobStatus, Jobs, Submit, Tally, TaskLine, TasksRequest,
    WorkerLine,
};
use super::masters::{Join, MasterLine, MasterList, Masters, RemovedList, Role};
use super::raft::{Call, Raft};
use super::recipe::{Recipe, RecipeRequest};
use super::refusal::Refusal;
use super::server::{Bounds, serve_master, serve_master_within};
use super::why::{BadRecord, Kind, Tried, Why};
use super::workers::{Leave, Locate, Located, Orders, Poll, Register, Registered, Workers};
use crate::model::{
    AttemptId, AttemptState, Cause, Failure, JobId, JobState, MasterId, Nonce, Room, TaskKind,
    TaskState, Usage, WorkerId, WorkerState,
};

/// A master that gives prepared answers, and remembers the requests.
#[derive(Default)]
struct Fake {
    /// The refusal that answers everything.
    refusal: Mutex<Option<Refusal>>,
    submitted: Mutex<Vec<Submit>>,
    registered: Mutex<Vec<Register>>,
    polled: Mutex<Vec<Poll>>,
    orders: Mutex<Option<Orders>>,
    located: Mutex<Option<Located>>,
    /// How long a poll is held back.
    held: Mutex<Duration>,
    artifacts: Mutex<BTreeMap<Digest, Vec<u8>>>,
    asked: Mutex<Vec<String>>,
    /// The folder of its artifacts, if it sends them from there.
    lent: Mutex<Option<std::path::PathBuf>>,
    /// Addresses of masters that it reports, in addition to those without a listener.
    fellows: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, asked: impl Into<String>) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(asked.into());
        self.refusal.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

fn status(job: JobId, version: u64) -> JobStatus {
    let attempt = job.task(TaskKind::Map, 3).attempt(2);
    JobStatus {
        id: job,
        name: "wordcount".into(),
        state: JobState::Reducing,
        reason: "waits for a slot".into(),
        progress: 0.625,
        maps: tally(4, 3, 0.875),
        reduces: tally(2, 0, 0.375),
        output: "/out".into(),
        error: Some("größer".into()),
        failure: Some((attempt, Failure::new(Cause::Panic, "at\nthe disco"))),
        submitted: "2026-11-23T09:00:00Z".into(),
        finished: None,
        version,
    }
}

fn line(job: JobId, state: JobState) -> JobLine {
    let finished = (state >= JobState::Succeeded).then(|| "2026-11-23T09:01:00Z".to_owned());
    let (name, reason) = ("grep".to_owned(), "r".to_owned());
    let (submitted, request) = ("2026-11-23T09:00:00Z".into(), "a".into());
    JobLine { id: job, name, state, reason, submitted, finished, request }
}

fn task(job: JobId) -> TaskLine {
    let id = job.task(TaskKind::Reduce, 1);
    let attempt = |(number, cause): (usize, Cause)| AttemptLine {
        id: id.attempt(number as u32 + 1),
        runs_as: job.task(TaskKind::Reduce, 0).attempt(7),
        worker: WorkerId(4),
        pid: 4711,
        state: AttemptState::Failed,
        cause,
        started: "2026-11-23T09:00:00Z".into(),
        ended: (number > 0).then(|| "2026-11-23T09:00:01Z".into()),
    };
    let attempts = Cause::ALL.into_iter().enumerate().map(attempt).collect();
    let usage = Some(Usage { bytes_in: 1 << 40, memory_bytes: 7, ..Usage::default() });
    TaskLine {
        id,
        kind: "reduce".into(),
        state: TaskState::InProgress,
        attempts_started: 7,
        attempts,
        usage,
    }
}

fn why(job: JobId) -> Why {
    let id = job.task(TaskKind::Map, 3).attempt(1);
    let tried = Tried {
        id,
        worker: WorkerId(4),
        state: AttemptState::Failed,
        cause: Cause::Panic,
        started: "2026-11-23T09:00:00.000Z".into(),
        ended: Some("2026-11-23T09:00:01.000Z".into()),
        message: Some("no luck".into()),
    };
    Why {
        id: job,
        name: "wordcount".into(),
        state: JobState::Failed,
        kind: Kind::Panic,
        summary: "j7 wordcount failed".into(),
        at: Some("src/main.rs:7".into()),
        record: Some(BadRecord { file: "/in".into(), offset: 1 << 40, excerpt: "x".into() }),
        task: Some(id.task),
        attempts: vec![tried],
        details: vec!["because".into()],
        log: vec!["größer".into()],
        suggestion: "fix it".into(),
        replay: Some(format!("gristmill replay {id}")),
    }
}

fn recipe(attempt: AttemptId) -> Recipe {
    Recipe {
        attempt,
        state: JobState::Reducing,
        nonce: Nonce(u128::MAX - 1),
        executable: Digest(1),
        spec: Digest(2),
        plan: Some(Digest(3)),
        maps: 7,
        joined: vec![3, 5],
    }
}

fn worker() -> WorkerLine {
    WorkerLine {
        id: WorkerId(4),
        state: WorkerState::Alive,
        running: 1,
        last_seen_ms: 12,
        facts: workers::facts(),
        exclusion: Some(ExclusionLine {
            trouble: "scratch".into(),
            reason: "its disk was full".into(),
            until: "2026-11-30T10:00:00Z".into(),
        }),
        room: Room {
            memory_bytes: 1 << 40,
            memory_free_bytes: 3,
            disk_bytes: 2,
            disk_free_bytes: 1,
        },
    }
}

fn tally(total: u32, done: u32, progress: f64) -> Tally {
    Tally { total, done, running: 1, progress, bytes_done: 77, bytes_total: 1 << 41 }
}

impl Jobs for Fake {
    async fn submit(&self, request: Submit) -> Result<JobId, Refusal> {
        self.note("submit")?;
        self.submitted.lock().unwrap().push(request);
        Ok(JobId(7))
    }
    async fn list(&self) -> Result<Vec<JobLine>, Refusal> {
        self.note("list")?;
        Ok((1..).zip(JobState::ALL).map(|(id, &state)| line(JobId(id), state)).collect())
    }
    async fn status(&self, job: JobId, after: u64) -> Result<JobStatus, Refusal> {
        self.note(format!("status {job} {after}"))?;
        Ok(status(job, after + 1))
    }
    async fn tasks(&self, request: TasksRequest) -> Result<Vec<TaskLine>, Refusal> {
        self.note(format!("tasks {} {} {}", request.job, request.offset, request.limit))?;
        Ok(vec![task(request.job)])
    }
    async fn counters(
        &self,
        job: JobId,
    ) -> Result<BTreeMap<String, BTreeMap<String, u64>>, Refusal> {
        self.note(format!("counters {job}"))?;
        let group = |names: &[(&str, u64)]| {
            names.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
        };
        Ok([("Job Counters".into(), group(&[("maps", 4)])), ("W".into(), group(&[]))].into())
    }
    async fn why(&self, job: JobId) -> Result<Why, Refusal> {
        self.note(format!("why {job}"))?;
        Ok(why(job))
    }
    async fn recipe(&self, request: RecipeRequest) -> Result<Recipe, Refusal> {
        self.note(format!("recipe {} {:?}", request.task, request.number))?;
        Ok(recipe(request.task.attempt(2)))
    }
    async fn kill(&self, job: JobId) -> Result<(), Refusal> {
        self.note(format!("kill {job}"))
    }
    async fn workers(&self) -> Result<Vec<WorkerLine>, Refusal> {
        self.note("workers")?;
        Ok(vec![worker()])
    }
    async fn drain(&self, worker: WorkerId) -> Result<(), Refusal> {
        self.note(format!("drain {worker}"))
    }
}

impl Workers for Fake {
    async fn register(&self, request: Register) -> Result<Registered, Refusal> {
        self.note("register")?;
        self.registered.lock().unwrap().push(request);
        Ok(Registered { worker: WorkerId(4), lease_ms: 3000, cluster: 0xc1 })
    }
    async fn poll(&self, request: Poll) -> Result<Orders, Refusal> {
        self.note("poll")?;
        let held = *self.held.lock().unwrap();
        tokio::time::sleep(held).await;
        let sequence = request.sequence;
        self.polled.lock().unwrap().push(request);
        let orders = self.orders.lock().unwrap().clone();
        let nothing =
            Orders { sequence, epoch: 0, attempts: vec![], keep: vec![], may_leave: false };
        Ok(orders.unwrap_or(nothing))
    }
    async fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        self.note(format!("locate {} {}", request.job, request.since))?;
        let located = self.located.lock().unwrap().clone();
        located.ok_or(Refusal::NotFound { message: "nothing".into() })
    }
    async fn leave(&self, request: Leave) -> Result<(), Refusal> {
        self.note(format!("leave {} {}", request.worker, request.incarnation))
    }
}

impl Artifacts for Fake {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        self.note("has")?;
        Ok(self.artifacts.lock().unwrap().contains_key(&digest))
    }
    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.note("put")?;
        self.artifacts.lock().unwrap().insert(digest, fs::read(file).unwrap());
        Ok(())
    }
    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.note("get")?;
        let bytes = self.artifacts.lock().unwrap().get(&digest).cloned();
        let none = || Refusal::NotFound { message: format!("no artifact {digest}") };
        fs::write(file, bytes.ok_or_else(none)?).unwrap();
        Ok(())
    }
    async fn open(&self, _: Digest) -> Result<Option<fs::File>, Refusal> {
        let lent = self.lent.lock().unwrap().clone();
        Ok(lent.map(|path| fs::File::open(path).unwrap()))
    }
    fn distrust(&self, digest: Digest) {
        self.note(format!("distrust {digest}")).unwrap();
    }
    async fn make_room(&self, bytes: u64) -> bool {
        self.note(format!("make room for {bytes}")).unwrap();
        false
    }
    fn owner(&self) -> String {
        "master m2".into()
    }
}

fn master(id: u64, role: Role) -> MasterLine {
    MasterLine {
        id: MasterId(id),
        pid: 4711,
        address: format!("127.0.0.1:{id}"),
        role,
        term: 9,
        applied: 88,
        behind: 2,
        votes: role != Role::Follower,
        web: (role == Role::Leader).then(|| format!("127.0.0.1:{}", 80 + id)),
    }
}

impl Masters for Fake {
    async fn masters(&self) -> Result<MasterList, Refusal> {
        self.note("masters")?;
        let roles = [Role::Leader, Role::Follower, Role::Unreachable];
        let masters = (1..).zip(roles).map(|(id, role)| master(id, role));
        let fellows = self.fellows.lock().unwrap().clone();
        let fellows =
            fellows.into_iter().map(|address| MasterLine { address, ..master(9, Role::Follower) });
        Ok(MasterList { cluster: 0xc1, masters: masters.chain(fellows).collect() })
    }
    async fn standing(&self) -> Result<MasterLine, Refusal> {
        self.note("standing")?;
        Ok(master(2, Role::Follower))
    }
    async fn removed(&self) -> Result<RemovedList, Refusal> {
        self.note("removed")?;
        Ok(RemovedList { cluster: 0xc1, masters: vec![MasterId(4), MasterId(6)] })
    }
    async fn remove(&self, master: MasterId) -> Result<bool, Refusal> {
        self.note(format!("remove {master}"))?;
        Ok(master == MasterId(2))
    }
    async fn transfer(&self, master: MasterId) -> Result<(), Refusal> {
        self.note(format!("transfer {master}"))
    }
    async fn join(&self, request: Join) -> Result<(), Refusal> {
        self.note(format!("join {request:?}"))
    }
}

impl Raft for Fake {
    async fn append_entries(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.note(format!("append {call:?}"))?;
        Ok(call.body)
    }
    async fn vote(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.note(format!("vote {call:?}"))?;
        Ok(call.body)
    }
    async fn stand(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.note(format!("stand {call:?}"))?;
        Ok(call.body)
    }
    async fn install_snapshot(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.note(format!("snapshot {call:?}"))?;
        Ok(call.body)
    }
}

/// A fake with a server, which stops when this is dropped.
struct Served {
    fake: Arc<Fake>,
    address: String,
    inbox: TempDir,
    _stop: oneshot::Sender<()>,
}

impl Served {
    async fn start() -> Self {
        Self::within(None).await
    }

    /// A reader that accepts no more at once than it is given.
    async fn within(bounds: Option<Bounds>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (fake, inbox) = (Arc::new(Fake::default()), TempDir::new().unwrap());
        let (stop, stopped) = oneshot::channel();
        let (served, folder) = (Arc::clone(&fake), inbox.path().join("inbox"));
        tokio::spawn(async move {
            let stop = async move { drop(stopped.await) };
            match bounds {
                Some(bounds) => serve_master_within(listener, served, &folder, bounds, stop).await,
                None => serve_master(listener, served, &folder, stop).await,
            }
        });
        Self { fake, address, inbox, _stop: stop }
    }

    fn client(&self) -> Master {
        Master::connect(std::slice::from_ref(&self.address), quick()).unwrap()
    }

    /// Files that are left in the inbox.
    fn left(&self) -> usize {
        fs::read_dir(self.inbox.path().join("inbox")).unwrap().count()
    }

    /// The requests that it received, except for lists of masters, which clients request on their own.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.fake.asked.lock().unwrap().clone();
        asked.retain(|asked| asked != "masters");
        asked
    }
}

/// Deadlines for tests that run them out.
fn quick() -> Options {
    Options {
        answer: Duration::from_secs(5),
        patience: Duration::from_millis(300),
        ..Options::default()
    }
}
