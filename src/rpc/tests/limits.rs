//! Tests, for every kind of request, which values are refused and with which message.

use std::collections::BTreeSet;

use tokio_stream::iter;
use tonic::Response;
use tonic::transport::{Channel, Endpoint};

use super::*;
use crate::model::{JobSpec, Location, SideFileSpec, WorkerFacts};
use crate::rpc::artifacts::ARTIFACT_BYTES_MAX;
use crate::rpc::pb::artifacts_client::ArtifactsClient;
use crate::rpc::pb::jobs_client::JobsClient;
use crate::rpc::pb::masters_client::MastersClient;
use crate::rpc::pb::put_piece::Piece;
use crate::rpc::pb::raft_client::RaftClient;
use crate::rpc::pb::shuffle_client::ShuffleClient;
use crate::rpc::pb::workers_client::WorkersClient;
use crate::rpc::pb::{self, Packed};
use crate::rpc::shuffle::{FetchRequest, SEGMENTS_MAX};
use crate::rpc::status::refusal;
use crate::rpc::workers::{Done, Held, HeldState, LostOutput};
use crate::rpc::{Digester, RAFT_BYTES_MAX};

/// A request on its way to a server.
enum Asked {
    Submit(pb::SubmitRequest),
    List(pb::ListRequest),
    Status(pb::StatusRequest),
    Tasks(pb::TasksRequest),
    Counters(pb::JobRef),
    Why(pb::JobRef),
    Recipe(pb::RecipeRequest),
    Kill(pb::JobRef),
    ListWorkers(pb::ListRequest),
    Drain(pb::DrainRequest),
    Register(Packed),
    Poll(Packed),
    Locate(Packed),
    Leave(Packed),
    Has(pb::ArtifactRef),
    Put(Vec<Piece>),
    Get(pb::ArtifactRef),
    Fetch(Packed),
    Log(pb::LogRequest),
    ListMasters(pb::ListMastersRequest),
    Standing(pb::StandingRequest),
    Join(pb::JoinRequest),
    Transfer(pb::MasterRef),
    Remove(pb::MasterRef),
    ListRemoved(pb::ListRemovedRequest),
    AppendEntries(pb::RaftCall),
    Vote(pb::RaftCall),
    Stand(pb::RaftCall),
    InstallSnapshot(pb::RaftCall),
}

/// A master and a worker that accept every valid request.
struct Servers {
    master: Served,
    worker: Channel,
    store: Arc<shuffle::Store>,
}

/// The artifact that the master holds. Its digest is right: with another one the master would report damage while a later row runs.
fn stored() -> Digest {
    Digester::default().digest()
}

impl Servers {
    async fn start() -> Self {
        let master = Served::start().await;
        *master.fake.located.lock().unwrap() = Some(Located { version: 1, changes: Vec::new() });
        master.fake.artifacts.lock().unwrap().insert(stored(), Vec::new());
        let store = Arc::<shuffle::Store>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(crate::rpc::server::serve_worker(
            listener,
            Arc::clone(&store),
            std::future::pending(),
        ));
        Self { master, worker: channel(&address), store }
    }

    /// The call that was made, and its answer.
    async fn ask(&self, asked: Asked) -> (&'static str, Result<(), tonic::Status>) {
        const LARGE: usize = crate::rpc::CONTROL_BYTES_MAX;
        let master = channel(&self.master.address);
        let mut jobs = JobsClient::new(master.clone()).max_encoding_message_size(LARGE);
        let mut workers = WorkersClient::new(master.clone()).max_encoding_message_size(LARGE);
        let mut masters = MastersClient::new(master.clone());
        let mut raft = RaftClient::new(master.clone());
        let mut artifacts = ArtifactsClient::new(master);
        let mut peer = ShuffleClient::new(self.worker.clone());
        match asked {
            Asked::Submit(request) => ("Submit", said(jobs.submit(request).await)),
            Asked::List(request) => ("List", said(jobs.list(request).await)),
            Asked::Status(request) => ("Status", said(jobs.status(request).await)),
            Asked::Tasks(request) => ("Tasks", said(jobs.tasks(request).await)),
            Asked::Counters(request) => ("Counters", said(jobs.counters(request).await)),
            Asked::Why(request) => ("Why", said(jobs.why(request).await)),
            Asked::Recipe(request) => ("Recipe", said(jobs.recipe(request).await)),
            Asked::Kill(request) => ("Kill", said(jobs.kill(request).await)),
            Asked::ListWorkers(request) => ("ListWorkers", said(jobs.list_workers(request).await)),
            Asked::Drain(request) => ("Drain", said(jobs.drain(request).await)),
            Asked::Register(request) => ("Register", said(workers.register(request).await)),
            Asked::Poll(request) => ("Poll", said(workers.poll(request).await)),
            Asked::Locate(request) => ("Locate", said(workers.locate(request).await)),
            Asked::Leave(request) => ("Leave", said(workers.leave(request).await)),
            Asked::Has(request) => ("Has", said(artifacts.has(request).await)),
            Asked::Put(pieces) => {
                let pieces = pieces.into_iter().map(|piece| pb::PutPiece { piece: Some(piece) });
                let pieces: Vec<_> = pieces.collect();
                ("Put", said(artifacts.put(iter(pieces)).await))
            }
            Asked::Get(request) => ("Get", said(artifacts.get(request).await)),
            Asked::Fetch(request) => match peer.fetch(request).await {
                // The server has acted when the stream ends.
                Ok(pieces) => ("Fetch", pieces.into_inner().message().await.map(drop)),
                Err(status) => ("Fetch", Err(status)),
            },
            Asked::Log(request) => ("Log", said(peer.log(request).await)),
            Asked::ListMasters(request) => {
                ("ListMasters", said(masters.list_masters(request).await))
            }
            Asked::Standing(request) => ("Standing", said(masters.standing(request).await)),
            Asked::Join(request) => ("Join", said(masters.join(request).await)),
            Asked::Transfer(request) => ("Transfer", said(masters.transfer(request).await)),
            Asked::Remove(request) => ("Remove", said(masters.remove(request).await)),
            Asked::ListRemoved(request) => {
                ("ListRemoved", said(masters.list_removed(request).await))
            }
            Asked::AppendEntries(call) => ("AppendEntries", said(raft.append_entries(call).await)),
            Asked::Vote(call) => ("Vote", said(raft.vote(call).await)),
            Asked::Stand(call) => ("Stand", said(raft.stand(call).await)),
            Asked::InstallSnapshot(call) => {
                ("InstallSnapshot", said(raft.install_snapshot(call).await))
            }
        }
    }

    /// How often a service has acted on a request. It first checks whether the artifact exists.
    fn acted(&self) -> usize {
        let asked = self.master.asked();
        asked.iter().filter(|asked| *asked != "has").count()
            + self.store.asked.lock().unwrap().len()
    }
}

fn said<T>(answer: Result<Response<T>, tonic::Status>) -> Result<(), tonic::Status> {
    answer.map(drop)
}

fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// A valid request, with one change.
fn with<R>(mut request: R, change: impl FnOnce(&mut R)) -> R {
    change(&mut request);
    request
}

fn submit(change: impl FnOnce(&mut Submit)) -> Asked {
    let mut request = jobs::submit();
    change(&mut request);
    request.spec_digest = jobs::digest_of(&request.spec);
    Asked::Submit(request.into())
}

fn spec(change: impl FnOnce(&mut JobSpec)) -> Asked {
    submit(|request| change(&mut request.spec))
}

fn job<R>(ask: impl Fn(pb::JobRef) -> R, job: &str) -> R {
    ask(pb::JobRef { job: job.into() })
}

/// Requests, and the answer to each; empty if the request is valid.
type Table = Vec<(Asked, &'static str)>;

fn side_file(digest: Option<Digest>) -> SideFileSpec {
    let name = Location::from("/stop.txt");
    SideFileSpec { location: name.clone(), name, digest }
}

fn submissions() -> Table {
    let wire = |change: fn(&mut pb::SubmitRequest)| {
        Asked::Submit(with(pb::SubmitRequest::from(jobs::submit()), change))
    };
    let long = |bytes| "x".repeat(bytes);
    let many = |bytes: usize| {
        move |spec: &mut JobSpec| {
            let input = with(spec.inputs[0].clone(), |input| {
                input.location = Location::from(format!("/{}", "x".repeat(4_000)).as_str());
            });
            spec.inputs = vec![input; bytes / 4_000];
        }
    };
    vec![
        (submit(|_| ()), ""),
        (submit(|submit| submit.id = long(128)), ""),
        (
            submit(|submit| submit.id = long(129)),
            "must be 1 to 128 characters from a-z A-Z 0-9 . _ : -",
        ),
        (submit(|submit| submit.id = String::new()), "submission id `` must be 1 to 128"),
        (submit(|submit| submit.id = "a b".into()), "submission id `a b` must be 1 to 128"),
        (submit(|submit| submit.options.max_attempts = 100), ""),
        (
            submit(|submit| submit.options.max_attempts = 101),
            "max_attempts must be 1 to 100, got 101",
        ),
        (submit(|submit| submit.options.max_attempts = 0), "max_attempts must be 1 to 100, got 0"),
        (submit(|submit| submit.options.priority = 10), "priority must be 0 to 9, got 10"),
        (wire(|request| request.priority = Some(256)), "priority must be 0 to 9, got 256"),
        (wire(|request| request.priority = None), ""),
        (submit(|submit| submit.options.task_timeout_ms = Some(604_800_000)), ""),
        (
            submit(|submit| submit.options.task_timeout_ms = Some(604_800_001)),
            "task_timeout_ms must be 1 to 604800000, got 604800001",
        ),
        (wire(|request| request.executable = vec![0; 15]), "executable must have 16 bytes, got 15"),
        (wire(|request| request.spec_digest = vec![0; 16]), "but the spec has digest"),
        (wire(|request| request.spec_bincode.truncate(9)), "spec cannot be decoded"),
        (spec(|spec| spec.name = "../x".into()), "job name `../x`"),
        (spec(|spec| spec.reducers = Some(10_000)), ""),
        (spec(|spec| spec.reducers = Some(10_001)), "reducers must be 1 to 10000, got 10001"),
        (spec(|spec| spec.job = vec![0; 1 << 20]), ""),
        (spec(|spec| spec.job = vec![0; (1 << 20) + 1]), "job must be 0 to 1048576, got 1048577"),
        (spec(|spec| spec.side_files = vec![side_file(Some(Digest(7))); 1_000]), ""),
        (
            spec(|spec| spec.side_files = vec![side_file(Some(Digest(7))); 1_001]),
            "side_files must be 0 to 1000, got 1001",
        ),
        (
            spec(|spec| spec.side_files = vec![side_file(None)]),
            "side file `/stop.txt` has no digest",
        ),
        (spec(|spec| spec.inputs.clear()), "inputs must be 1 to 100000, got 0"),
        (spec(many(60 << 20)), ""),
        (spec(many(64_000_000 + (2 << 20))), "name folders or globs instead of many files"),
        (
            spec(|spec| spec.output = None),
            "cannot write to standard output\nhint: name a folder with -o DIR",
        ),
        (
            spec(|spec| spec.output = Some(Location::from("out"))),
            "output `out` is not an absolute path",
        ),
        (
            spec(|spec| spec.inputs[0].location = Location::standard_stream()),
            "input `-` is not an absolute path",
        ),
    ]
}

fn of_clients() -> Table {
    let tasks = |limit| Asked::Tasks(pb::TasksRequest { job: "j7".into(), offset: 0, limit });
    let no_job = "expected a form like `j7`";
    let status = |job: &str| Asked::Status(pb::StatusRequest { job: job.into(), after: 1 << 40 });
    let recipe =
        |task: &str| Asked::Recipe(pb::RecipeRequest { task: task.into(), number: Some(u32::MAX) });
    let drain = |worker: &str| Asked::Drain(pb::DrainRequest { worker: worker.into() });
    vec![
        (Asked::List(pb::ListRequest {}), ""),
        (Asked::ListWorkers(pb::ListRequest {}), ""),
        (status("j18446744073709551614"), ""),
        (status("j18446744073709551616"), no_job),
        (tasks(10_000), ""),
        (tasks(10_001), "limit must be 1 to 10000, got 10001"),
        (tasks(0), "limit must be 1 to 10000, got 0"),
        (job(Asked::Counters, "j7"), ""),
        (job(Asked::Counters, "J7"), no_job),
        (job(Asked::Why, "j7"), ""),
        (job(Asked::Why, "j7/m0"), no_job),
        (recipe("j7/m12"), ""),
        (recipe("j7/m12#1"), "expected a form like `j7/m12`"),
        (job(Asked::Kill, "j7"), ""),
        (job(Asked::Kill, "../j7"), no_job),
        (drain("w4"), ""),
        (drain("j4"), "expected a form like `w"),
    ]
}

fn of_workers() -> Table {
    let register = |change: &dyn Fn(&mut Register)| {
        Asked::Register(Packed::of(&with(workers::register(), change)))
    };
    let facts =
        |change: &dyn Fn(&mut WorkerFacts)| register(&|register| change(&mut register.facts));
    let at = |address: &'static str| facts(&|facts| facts.address = address.into());
    let outputs = |count| register(&|register| register.outputs = vec![register.outputs[0]; count]);
    let poll = |change: &dyn Fn(&mut Poll)| Asked::Poll(Packed::of(&with(workers::poll(), change)));
    let held = |count| {
        poll(&|poll| {
            let swept = Held { state: HeldState::Done(Done::Sweep), ..poll.held[0].clone() };
            poll.held = vec![swept; count];
        })
    };
    let lost = |count| {
        poll(&|poll| {
            let attempt = JobId(7).task(TaskKind::Map, 0).attempt(1);
            let lost = vec![LostOutput { attempt, worker: WorkerId(1), is_corrupt: false }; count];
            let failure = Failure::new(Cause::FetchFailed, "gone");
            poll.held.truncate(2);
            for held in &mut poll.held {
                held.state = HeldState::Failed { failure: failure.clone(), lost: lost.clone() };
            }
        })
    };
    let jobs = |count| poll(&|poll| poll.jobs = vec![JobId(7); count]);
    // As the types of the requests, but with any text as an id.
    let locate = |job: &str| Asked::Locate(Packed::of(&(job, u64::MAX)));
    let leave = |worker: &str| Asked::Leave(Packed::of(&(worker, 0_u128)));
    let other_version = Packed { protocol: 0, ..Packed::of(&workers::poll()) };
    let long = Packed::of(&(workers::poll(), 1_u8));
    vec![
        (facts(&|facts| facts.slots = 1_024), ""),
        (facts(&|facts| facts.slots = 1_025), "slots must be 1 to 1024, got 1025"),
        (facts(&|facts| facts.slots = 0), "slots must be 1 to 1024, got 0"),
        (at("[::1]:7411"), ""),
        (at("10.0.0.1:7411"), "10.0.0.1:7411 is not on this machine"),
        (at("0.0.0.0:7411"), "0.0.0.0:7411 is not on this machine"),
        (at("a.b:7411"), "`a.b:7411` is not an address"),
        (at("127.0.0.1:0"), "the port of the worker's address must be 1 to 65535, got 0"),
        (facts(&|facts| facts.limiter = "x".repeat(64)), ""),
        (facts(&|facts| facts.limiter = "x".repeat(65)), "at most 64 bytes of plain text"),
        (facts(&|facts| facts.limiter = "a\nb".into()), "limiter `a\\nb` must be at most"),
        (facts(&|facts| facts.version = "x".repeat(65)), "at most 64 bytes of plain text"),
        (outputs(1_000_000), ""),
        (outputs(1_000_001), "outputs must be 0 to 1000000, got 1000001"),
        (held(100_000), ""),
        (held(100_001), "held attempts must be 0 to 100000, got 100001"),
        (jobs(100_000), ""),
        (jobs(100_001), "jobs must be 0 to 100000, got 100001"),
        (lost(500_000), ""),
        (lost(500_001), "lost outputs must be 0 to 1000000, got 1000002"),
        (Asked::Poll(other_version), "a poll has version 0 of the protocol"),
        (Asked::Poll(long), "a poll cannot be decoded: "),
        (locate("j7"), ""),
        (locate("7"), "expected a form like `j7`"),
        (leave("w4"), ""),
        (leave("4"), "expected a form like `w4`"),
    ]
}

fn of_artifacts() -> Table {
    let digest = |number: u128| pb::ArtifactRef { digest: number.to_be_bytes().to_vec() };
    let short = || pb::ArtifactRef { digest: vec![0; 15] };
    let header = |bytes| Piece::Header(pb::PutHeader { digest: digest(stored().0).digest, bytes });
    let new = |bytes| Piece::Header(pb::PutHeader { digest: digest(9).digest, bytes });
    let chunk = |bytes| Piece::Chunk(vec![0; bytes]);
    vec![
        (Asked::Has(digest(stored().0)), ""),
        (Asked::Has(short()), "digest must have 16 bytes, got 15"),
        (Asked::Get(digest(stored().0)), ""),
        (Asked::Get(short()), "digest must have 16 bytes, got 15"),
        (Asked::Put(vec![header(ARTIFACT_BYTES_MAX)]), ""),
        (
            Asked::Put(vec![header(ARTIFACT_BYTES_MAX + 1)]),
            "has 4294967297 bytes; at most 4294967296 are accepted",
        ),
        (Asked::Put(vec![]), "must be its header"),
        (Asked::Put(vec![chunk(3)]), "must be its header"),
        (Asked::Put(vec![new(2), new(2)]), "header of the artifact arrived twice"),
        (Asked::Put(vec![new(2), chunk(3)]), "arrived than the announced 2"),
    ]
}

fn of_peers() -> Table {
    let fetch = |change: &dyn Fn(&mut FetchRequest)| {
        Asked::Fetch(Packed::of(&with(shuffle::request(&[0]), change)))
    };
    let segments = |count| fetch(&|fetch| fetch.maps = vec![(0, 1); count]);
    let log = |attempt: &str| Asked::Log(pb::LogRequest { attempt: attempt.into() });
    vec![
        (segments(SEGMENTS_MAX), ""),
        (segments(SEGMENTS_MAX + 1), "maps must be 1 to 1024, got 1025"),
        (segments(0), "maps must be 1 to 1024, got 0"),
        (fetch(&|fetch| fetch.partition = 9_999), ""),
        (fetch(&|fetch| fetch.partition = 10_000), "partition must be 0 to 9999, got 10000"),
        (fetch(&|fetch| fetch.machine = "m".repeat(64)), ""),
        (
            fetch(&|fetch| fetch.machine = "m".repeat(65)),
            "length of the machine's name in bytes must be 0 to 64, got 65",
        ),
        (log("j7/m0#1"), ""),
        (log("j7/m0#0"), "expected a form like `j7/m"),
    ]
}

fn of_masters() -> Table {
    let join = |change: &dyn Fn(&mut pb::JoinRequest)| {
        let right = Join { cluster: 0xc1, id: MasterId(3), address: "127.0.0.1:7402".into() };
        Asked::Join(with(right.into(), change))
    };
    let of = |id: &'static str| join(&|join| join.id = id.into());
    let at = |address: &'static str| join(&|join| join.address = address.into());
    let transfer = |master: &str| Asked::Transfer(pb::MasterRef { master: master.into() });
    let remove = |master: &str| Asked::Remove(pb::MasterRef { master: master.into() });
    let call = |cluster, bytes| pb::RaftCall {
        cluster: vec![0; cluster],
        to: u64::MAX,
        bincode: vec![0; bytes],
        protocol: 1,
    };
    let other_version = pb::RaftCall { protocol: 2, ..call(16, 9) };
    let raft = [Asked::AppendEntries, Asked::Vote, Asked::Stand, Asked::InstallSnapshot];
    let raft = raft.into_iter().flat_map(|ask| {
        [
            (ask(call(16, 9)), ""),
            (ask(call(15, 9)), "cluster must have 16 bytes, got 15"),
            // With the cluster and its frame it is larger than the largest.
            (ask(call(16, RAFT_BYTES_MAX)), "a message is too large"),
        ]
    });
    let masters = [
        (Asked::Vote(other_version), "a message of another master has version 2 of the protocol"),
        (Asked::ListMasters(pb::ListMastersRequest {}), ""),
        (Asked::Standing(pb::StandingRequest {}), ""),
        (Asked::ListRemoved(pb::ListRemovedRequest {}), ""),
        (of("m1000"), ""),
        (of("m1001"), "id must be 1 to 1000, got 1001"),
        (of("m0"), "id must be 1 to 1000, got 0"),
        (of("w3"), "expected a form like `m"),
        (at("10.0.0.1:7402"), "10.0.0.1:7402 is not on this machine"),
        (join(&|join| join.cluster.push(1)), "cluster must have 16 bytes, got 17"),
        (transfer("m2"), ""),
        (transfer("w2"), "expected a form like `m"),
        (remove("m2"), ""),
        (remove("m"), "expected a form like `m"),
    ];
    masters.into_iter().chain(raft).collect()
}

#[tokio::test]
async fn every_request_is_checked_before_it_takes_effect() {
    let servers = Servers::start().await;
    let client = servers.master.client();
    let (mut calls, mut wrong) = (BTreeSet::new(), Vec::new());
    let tables =
        [submissions(), of_clients(), of_workers(), of_artifacts(), of_peers(), of_masters()];
    for (asked, expected) in tables.into_iter().flatten() {
        let submission = match &asked {
            Asked::Submit(request) => Submit::try_from(request.clone()).ok(),
            _ => None,
        };
        let before = servers.acted();
        let (call, answer) = servers.ask(asked).await;
        let has_acted = servers.acted() > before;
        calls.insert(call);
        let refused = answer.map_err(|status| refusal(&status, "")).err();
        let is_right = match &refused {
            None => expected.is_empty(),
            Some(Refusal::Invalid { message } | Refusal::Limit { message }) => {
                !expected.is_empty() && message.contains(expected) && !has_acted
            }
            Some(_) => false,
        };
        if !is_right {
            wrong.push(format!("{call}: {refused:?} instead of {expected:?}, acted: {has_acted}"));
        }
        if let (Some(submission), Some(refused)) = (submission, refused) {
            // Our client checks it too, before it sends anything.
            assert_eq!(client.submit(submission).await, Err(refused));
        }
    }
    assert_eq!(wrong, [""; 0]);
    let protocol = [
        include_str!("../../../proto/jobs.proto"),
        include_str!("../../../proto/workers.proto"),
        include_str!("../../../proto/artifacts.proto"),
        include_str!("../../../proto/shuffle.proto"),
        include_str!("../../../proto/masters.proto"),
        include_str!("../../../proto/raft.proto"),
    ];
    let lines = protocol.iter().flat_map(|file| file.lines());
    let named = lines.filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next());
    assert_eq!(calls, named.collect(), "each call of the protocol has its rows");
}
