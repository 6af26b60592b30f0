//! A master with a manual clock, and requests of clients.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill::clock::Manual;
use gristmill::master::{Begin, Limits, Master, Nonces, Options, Seat};
use gristmill::model::{
    InputSpec, JobId, JobOptions, JobSpec, JobState, Location, Nonce, WorkerId,
};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::jobs::{JobStatus, Jobs, Submit};
use gristmill::rpc::refusal::Refusal;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

/// The lease in production.
pub(crate) const LEASE_MS: u64 = 3_000;
/// Real time after which a waiting test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A master under test.
pub(crate) struct Bench {
    pub(crate) master: Master,
    pub(crate) manual: Manual,
    pub(crate) folder: TempDir,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    options: Options,
    nonces: Nonces,
    is_durable: bool,
}

/// Returns the smallest file that is accepted as an executable of this machine.
pub(crate) fn elf() -> Vec<u8> {
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let mut bytes = b"\x7fELF\x02\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(3u16.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(b"the rest of it");
    bytes
}

pub(crate) fn spec(output: &str) -> JobSpec {
    JobSpec {
        name: "wordcount".into(),
        inputs: vec![InputSpec { source: 0, location: Location::from("/in") }],
        output: Some(Location::from(output)),
        overwrite: false,
        reducers: None,
        split_bytes: None,
        memory_bytes: 1 << 30,
        memory_is_given: false,
        max_bad_records: 0,
        umask: 0o022,
        sync: true,
        side_files: Vec::new(),
        job: vec![1, 2, 3],
        invocation: Default::default(),
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manual = Manual::at(1_795_424_400_000);
        let log = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&log);
        let options = Options {
            data: folder.path().join("data"),
            lease_ms: LEASE_MS,
            log: Arc::new(move |line| lines.lock().unwrap().push(line.to_string())),
            journal: None,
        };
        let nonce = AtomicU64::new(1);
        let nonces: Nonces = Arc::new(move || Nonce(nonce.fetch_add(1, Ordering::SeqCst).into()));
        let master = Master::open(options.clone(), manual.clock(), nonces.clone()).unwrap();
        Self { master, manual, folder, log, options, nonces, is_durable: false }
    }

    /// Starts a master that keeps its state on disk.
    pub(crate) async fn durable() -> Self {
        let mut bench = Self::new();
        // The first master was in memory. The new one starts in an empty folder.
        std::fs::remove_dir_all(&bench.options.data).unwrap();
        bench.start().await;
        bench
    }

    /// Stops the master, and starts it again with the same folder.
    pub(crate) async fn restart(&mut self) {
        self.master.close().await;
        self.start().await;
    }

    async fn start(&mut self) {
        let seat = Seat {
            id: 1,
            address: "127.0.0.1:7400".into(),
            web: None,
            pid: 4_711,
            begin: Begin::Cluster { cluster: 0xc1 },
            links: gristmill::rpc::client::Options::default(),
            limits: Limits::default(),
            disk: None,
            on_fatal: Arc::new(|fatal| panic!("{fatal}")),
        };
        let (options, nonces) = (self.options.clone(), self.nonces.clone());
        let started = Master::start(options, seat, self.manual.clock(), nonces).await;
        self.master = started.unwrap();
        self.is_durable = true;
    }

    /// Lets time pass as on a healthy master.
    pub(crate) async fn pass(&self, ms: u64) {
        for _ in 0..ms.div_ceil(100) {
            self.settled().await;
            self.manual.advance(Duration::from_millis(100));
            self.master.tick().await;
            tokio::task::yield_now().await;
        }
    }

    /// Waits until everything that was proposed is agreed on: it sends a command that is refused, and that is handled
    /// after all others.
    async fn settled(&self) {
        if self.is_durable {
            assert!(self.master.drain(WorkerId(u64::MAX)).await.is_err());
        }
    }

    /// Returns an answer that must come without any time passing.
    pub(crate) async fn at_once<T>(&self, answer: impl Future<Output = T>) -> T {
        tokio::time::timeout(PATIENCE, answer).await.expect("answered without time passing")
    }

    /// Returns an answer that must come within ten leases.
    pub(crate) async fn in_time<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        for _ in 0..LEASE_MS / 10 {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = self.pass(100) => {}
            }
        }
        panic!("not answered within ten leases");
    }

    /// Returns whether an answer is still outstanding after every task had a turn.
    pub(crate) async fn is_held<T>(&self, answer: &mut tokio::task::JoinHandle<T>) -> bool {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        !answer.is_finished()
    }

    pub(crate) async fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest(xxh3_128(bytes));
        let file: PathBuf = self.folder.path().join(format!("upload-{digest}"));
        std::fs::write(&file, bytes).unwrap();
        self.at_once(self.master.put(digest, &file)).await.unwrap();
        digest
    }

    /// Returns a submission whose artifacts are uploaded.
    pub(crate) async fn submission(&self, id: &str, spec: JobSpec) -> Submit {
        let executable = self.put(&elf()).await;
        let spec_digest = self.put(&bincode::serialize(&spec).unwrap()).await;
        let options = JobOptions { backups: false, ..JobOptions::default() };
        Submit { id: id.into(), spec, spec_digest, executable, map_only: false, options }
    }

    pub(crate) async fn submit(&self, id: &str) -> JobId {
        let submission = self.submission(id, spec(&format!("/out/{id}"))).await;
        self.at_once(self.master.submit(submission)).await.unwrap()
    }

    pub(crate) async fn status(&self, job: JobId) -> JobStatus {
        self.at_once(self.master.status(job, 0)).await.unwrap()
    }

    pub(crate) async fn state(&self, job: JobId) -> JobState {
        self.status(job).await.state
    }

    pub(crate) async fn job_counter(&self, job: JobId, name: &str) -> u64 {
        self.master.counters(job).await.unwrap()["Job Counters"][name]
    }
}

/// Returns the class of a refusal, which corresponds to an exit code.
pub(crate) fn class<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(Refusal::Invalid { .. }) => "invalid",
        Err(Refusal::NotFound { .. }) => "not found",
        Err(Refusal::Unavailable { .. }) => "unavailable",
        Err(Refusal::NotYet { .. }) => "not yet",
        Err(Refusal::Limit { .. }) => "limit",
        Err(Refusal::Internal { .. }) => "internal",
        Err(Refusal::NotLeader { .. }) => "not leader",
    }
}
