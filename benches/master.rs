//! Measures a master's speed, disk use and restart time, with a job of the size that the MapReduce paper describes.
//!
//! `cargo bench --bench master [-- MAPS REDUCES WORKERS]` runs a single master on a real disk. The defaults are 200,000
//! maps, 5,000 reduces and 100 workers. The workers are simulated: each has 40 slots and makes the same calls as a real
//! worker, but runs nothing. The benchmark restarts the master after the last map, and again after the job. It prints
//! the completed tasks per second, the peak disk use of the log and the snapshots, and the duration of each restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, io, process};

use gristmill::clock::Clock;
use gristmill::master::{Begin, Master, Nonces, Options, Seat};
use gristmill::model::{
    AttemptId, Counters, HotKey, InputSpec, JobId, JobOptions, JobSpec, JobState, Location, Nonce,
    TaskKind, Usage, Volume, WorkerFacts,
};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::jobs::{Jobs, Submit};
use gristmill::rpc::workers::{Done, Held, HeldState, Poll, Register, Work, Workers};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use xxhash_rust::xxh3::xxh3_128;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Limit on the bytes of the log and the snapshots.
const DISK_BYTES_MAX: u64 = 100 << 20;
/// Limit on the time until a restarted master is ready.
const START_MAX: Duration = Duration::from_secs(5);
/// Attempts that a worker holds at once.
const SLOTS: u32 = 40;
/// Lease, long enough that a simulated worker is not lost while it waits for the processor.
const LEASE_MS: u64 = 60_000;
/// How long a worker waits for the answer to a poll before it continues with the attempts that it holds.
const POLL_WITHIN: Duration = Duration::from_millis(200);
/// Time between two checks of the disk use.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The size of the job, and its progress.
struct Course {
    maps: u32,
    reduces: u32,
    plan: Digest,
    maps_done: AtomicU64,
    completions: AtomicU64,
    /// Whether reduces may end too.
    may_reduce: AtomicBool,
    /// Whether all workers must stop.
    is_over: AtomicBool,
}

/// A simulated worker: it reports attempts as done without running them.
struct Worker {
    incarnation: u128,
    sequence: u64,
    held: BTreeMap<AttemptId, HeldState>,
    work: BTreeMap<AttemptId, Work>,
    jobs: BTreeSet<JobId>,
}

fn register(incarnation: u128) -> Register {
    Register {
        incarnation,
        worker: None,
        facts: WorkerFacts {
            address: format!("127.0.0.1:{}", 10_000 + incarnation),
            slots: SLOTS,
            ..WorkerFacts::default()
        },
        outputs: Vec::new(),
        cluster: None,
    }
}

impl Worker {
    /// Works until the course is over, or until all maps are done and reduces may not end yet.
    async fn work(mut self, master: Master, course: Arc<Course>) -> Result<Self> {
        let registered = master.register(register(self.incarnation)).await?;
        while !course.is_over.load(Ordering::SeqCst) {
            self.sequence += 1;
            let held = self.held.iter().map(|(&attempt, state)| {
                let state = state.clone();
                Held { attempt, pid: 1, state }
            });
            let poll = Poll {
                worker: registered.worker,
                incarnation: self.incarnation,
                sequence: self.sequence,
                held: held.collect(),
                jobs: self.jobs.iter().copied().collect(),
                draining: false,
                room: Default::default(),
            };
            // If no answer comes, nothing has changed.
            if let Ok(orders) = timeout(POLL_WITHIN, master.poll(poll)).await {
                let orders = orders?;
                let ordered: BTreeSet<AttemptId> =
                    orders.attempts.iter().map(|order| order.attempt).collect();
                for (attempt, _) in
                    self.held.extract_if(.., |attempt, _| !ordered.contains(attempt))
                {
                    self.work.remove(&attempt);
                    course.completions.fetch_add(1, Ordering::SeqCst);
                    if attempt.task.kind == TaskKind::Map {
                        course.maps_done.fetch_add(1, Ordering::SeqCst);
                    }
                }
                for order in orders.attempts {
                    let begun = HeldState::Running {
                        progress: 0.0,
                        bytes: 64_000_000,
                        fetched: 0,
                        joined: 0,
                        wants: 0,
                    };
                    self.held.entry(order.attempt).or_insert(begun);
                    self.jobs.insert(order.attempt.task.job);
                    self.work.insert(order.attempt, order.work);
                }
            }
            for (attempt, state) in &mut self.held {
                if let Some(end) = course.end(*attempt, &self.work[attempt]) {
                    *state = end;
                }
            }
        }
        Ok(self)
    }
}

impl Course {
    fn all_mapped(&self) -> bool {
        self.maps_done.load(Ordering::SeqCst) >= u64::from(self.maps)
    }

    /// Returns the result of an attempt, or `None` while it may not end yet.
    fn end(&self, attempt: AttemptId, work: &Work) -> Option<HeldState> {
        let mut counters = Counters::new();
        counters.add("Task", "records", 1_000);
        counters.add("Task", "bytes", 64_000_000);
        Some(match work {
            Work::Plan => {
                let (splits, reducers) = (self.maps, self.reduces);
                HeldState::Done(Done::Plan {
                    plan: self.plan,
                    splits,
                    reducers,
                    input_bytes: u64::from(self.maps) * 64_000_000,
                    counters,
                })
            }
            Work::Map { .. } => HeldState::Done(Done::Map {
                output: (),
                joined: 0,
                digest: u64::from(attempt.task.index),
                bytes: 64_000_000,
                is_staged: false,
                counters,
                volume: Volume::of_bytes(64_000_000),
            }),
            Work::Reduce { .. } if self.may_reduce.load(Ordering::SeqCst) => {
                let hot = |n: u8| HotKey { shown: n.to_string(), records: 1_000 };
                let hottest = (0..5).map(hot).collect();
                let (bytes_in, records_in) = (64_000_000, 1_000_000);
                let usage = Usage { bytes_in, records_in, ..Usage::default() };
                let volume = Volume { usage, hottest };
                HeldState::Done(Done::Reduce { counters, volume })
            }
            Work::Reduce { .. } => return None,
            Work::Commit { .. } => HeldState::Done(Done::Commit { records: 1, bytes: 1 }),
            Work::Sweep => HeldState::Done(Done::Sweep),
        })
    }
}

/// The master's options and the folder in which it keeps everything.
struct Place {
    data: PathBuf,
    clock: Clock,
}

impl Place {
    async fn start(&self) -> Result<(Master, Duration)> {
        let options = Options {
            data: self.data.clone(),
            lease_ms: LEASE_MS,
            log: Arc::new(|line| eprintln!("{line}")),
            journal: None,
        };
        let seat = Seat {
            id: 1,
            address: "127.0.0.1:7400".into(),
            web: None,
            pid: process::id(),
            begin: Begin::Cluster { cluster: 1 },
            links: gristmill::rpc::client::Options::default(),
            limits: gristmill::master::Limits::default(),
            disk: None,
            on_fatal: Arc::new(|fatal| {
                eprintln!("{fatal}");
                process::exit(1);
            }),
        };
        let nonces: Nonces = Arc::new(|| Nonce(1));
        let since = self.clock.now();
        let master = Master::start(options, seat, self.clock.clone(), nonces).await?;
        Ok((master, self.clock.now().saturating_duration_since(since)))
    }

    async fn put(&self, master: &Master, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest(xxh3_128(bytes));
        let file = self.data.with_extension("upload");
        fs::write(&file, bytes)?;
        master.put(digest, &file).await?;
        Ok(digest)
    }

    /// Submits a job that names this benchmark as its executable.
    async fn submit(&self, master: &Master) -> Result<JobId> {
        let executable = self.put(master, &fs::read(env::current_exe()?)?).await?;
        let spec = JobSpec {
            name: "large".into(),
            inputs: vec![InputSpec { source: 0, location: Location::from("/in") }],
            output: Some(Location::from("/out")),
            overwrite: false,
            reducers: None,
            split_bytes: None,
            memory_bytes: 1 << 30,
            memory_is_given: false,
            max_bad_records: 0,
            umask: 0o022,
            sync: true,
            side_files: Vec::new(),
            job: Vec::new(),
            invocation: Default::default(),
        };
        let spec_digest = self.put(master, &bincode::serialize(&spec)?).await?;
        let options = JobOptions { backups: false, ..JobOptions::default() };
        let (id, map_only) = ("bench".into(), false);
        let submit = Submit { id, spec, spec_digest, executable, map_only, options };
        Ok(master.submit(submit).await?)
    }

    /// Bytes of the log and of the snapshots on the disk.
    fn bytes(&self) -> (u64, u64) {
        let log = fs::metadata(self.data.join("log.redb")).map_or(0, |it| bytes_on_disk(&it));
        (log, folder_bytes(&self.data.join("snapshots")).unwrap_or(0))
    }
}

fn bytes_on_disk(file: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    file.blocks() * 512
}

fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let files = fs::read_dir(folder)?;
    // A file that has been removed in the meantime takes no space.
    Ok(files.filter_map(|file| Some(bytes_on_disk(&file.ok()?.metadata().ok()?))).sum())
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut sizes = env::args().skip(1).filter_map(|word| word.parse().ok());
    let [maps, reduces, workers] = [200_000, 5_000, 100].map(|n| sizes.next().unwrap_or(n));
    let folder = env::temp_dir().join(format!("gristmill-master-{}", process::id()));
    fs::create_dir(&folder)?;
    let missed = course(&folder, (maps, reduces, workers)).await;
    fs::remove_dir_all(&folder)?;
    if missed? {
        println!("missed: the limits are 100 MiB on the disk and 5 s for a restart");
        process::exit(1);
    }
    Ok(())
}

/// Runs the whole job. Returns whether it exceeded a limit or failed.
async fn course(folder: &Path, (maps, reduces, workers): (u32, u32, u32)) -> Result<bool> {
    let place = Place { data: folder.join("m1"), clock: Clock::system() };
    let (mut master, _) = place.start().await?;
    let course = Arc::new(Course {
        maps,
        reduces,
        plan: place.put(&master, b"a plan").await?,
        maps_done: AtomicU64::new(0),
        completions: AtomicU64::new(0),
        may_reduce: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let job = place.submit(&master).await?;
    let mut idle: Vec<Worker> = (1..=u128::from(workers))
        .map(|incarnation| Worker {
            incarnation,
            sequence: 0,
            held: BTreeMap::new(),
            work: BTreeMap::new(),
            jobs: BTreeSet::new(),
        })
        .collect();
    let mut is_missed = false;
    for phase in ["all maps done", "job done"] {
        let mut at_work = JoinSet::new();
        for worker in idle.drain(..) {
            at_work.spawn(worker.work(master.clone(), Arc::clone(&course)));
        }
        let (since, before) = (place.clock.now(), course.completions.load(Ordering::SeqCst));
        let (mut most, mut parts) = (0, (0, 0));
        loop {
            sleep(LOOK_EVERY).await;
            master.tick().await;
            let bytes = place.bytes();
            if bytes.0 + bytes.1 > most {
                (most, parts) = (bytes.0 + bytes.1, bytes);
            }
            let is_mapped = phase == "all maps done" && course.all_mapped();
            if is_mapped || master.status(job, 0).await?.state >= JobState::Succeeded {
                break;
            }
        }
        let seconds = place.clock.now().saturating_duration_since(since).as_secs_f64();
        let done = course.completions.load(Ordering::SeqCst) - before;
        course.is_over.store(true, Ordering::SeqCst);
        while let Some(worker) = at_work.join_next().await {
            idle.push(worker??);
        }
        master.close().await;
        drop(master);
        let started;
        (master, started) = place.start().await?;
        let (log, snapshots) = (parts.0 >> 20, parts.1 >> 20);
        println!(
            "{phase}: {done} completions in {seconds:.1} s, {:.0}/s; at most {} MiB on the disk ({log} log, {snapshots} snapshots); started again in {:.2} s",
            done as f64 / seconds,
            most >> 20,
            started.as_secs_f64()
        );
        is_missed |= most > DISK_BYTES_MAX || started > START_MAX;
        course.is_over.store(false, Ordering::SeqCst);
        course.may_reduce.store(true, Ordering::SeqCst);
    }
    let status = master.status(job, 0).await?;
    println!("the job {:?}", status.state);
    master.close().await;
    Ok(is_missed || status.state != JobState::Succeeded)
}
