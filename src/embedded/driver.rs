//! Carries out the scheduler's decisions on threads of this process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::outputs::{Outputs, Readied};
use super::slot_thread::{Order, Report, Shared, SlotThread};
use super::{Error, Options, Phase, Prepared, Progress};
use crate::clock::{Clock, rfc3339};
use crate::job::{Combine, Job, Partition};
use crate::model::{
    AttemptId, Cause, Counters, Failure, FileRange, JobId, JobOptions, JobSpec, JobState, Manifest,
    TaskKind, Volume, WorkerId,
};
use crate::scheduler::{
    Cancel, Command, Complete, Effect, Fail, PlanDone, RegisterWorker, Scheduler, Submit,
};
use crate::shuffle::{CollectStats, block_bytes};
use crate::task::{self, BadRecords, Env, JobFold, PartDone};

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Succeeded, failed or cancelled.
    pub state: JobState,
    /// The first failure, and its attempt.
    pub failure: Option<(AttemptId, Failure)>,
    /// The published output; `None` for a run to standard output.
    pub manifest: Option<Manifest>,
    /// The parts, in order.
    pub parts: Vec<PartDone>,
    /// The counters.
    pub counters: Counters,
    /// Duration of each phase.
    pub phases: Vec<(Phase, Duration)>,
    /// Statistics of the sort buffers and tables.
    pub collected: CollectStats,
    /// Merges of spill files before the reduces.
    pub merges: u64,
    /// Number of bad records set aside.
    pub bad_records: u64,
}

/// The only job of a run.
const JOB: JobId = JobId(1);

/// Options of the scheduler. Retries are pointless here, threads do not straggle, and reduces begin when all threads
/// have handed over their map output.
const OPTIONS: JobOptions = JobOptions {
    max_attempts: 1,
    priority: 5,
    task_timeout_ms: None,
    backups: false,
    early_reduces: false,
    memory_bytes: 0,
};

/// Runs a prepared job.
///
/// Setting `stop` soon ends the run, as cancelled. A run without an output folder leaves its accepted parts in
/// `prepared.staging`.
///
/// # Errors
///
/// If the threads cannot be started. Later failures are part of the outcome.
pub fn run<J: Job>(
    spec: &JobSpec,
    prepared: &Prepared,
    options: &Options,
    progress: &Progress,
    clock: &Clock,
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let bad_records = BadRecords::new(spec.max_bad_records);
    let (staging, bytes_read) = (&prepared.staging, progress.bytes_read());
    let attempts = staging.attempts();
    let env = Env { spec, attempts, stop, bytes_read, bad_records: &bad_records };
    // All threads share the combiner and partitioner of this job value.
    let job = match env.job::<J>(JOB.task(TaskKind::Plan, 0).attempt(1), 0) {
        Ok(job) => job,
        Err(failure) => return Ok(failed_at_once(failure)),
    };
    let combiner = job.combiner();
    let partitioner = job.partitioner();
    let threads = threads_within(spec.memory_bytes, options.threads);
    let shares = Shares::of(spec.memory_bytes, threads, combining(&combiner));
    let shared = Shared {
        env,
        staging,
        files: &prepared.files,
        scratch: &prepared.scratch,
        nonce: options.nonce,
        plan: OnceLock::new(),
        fold: JobFold::<J, _>::new(&combiner),
        partitioner: &partitioner,
        outputs: Outputs::new(shares.kept),
        shuffling: progress.shuffling(),
        collector_bytes: shares.collector,
        reduce_bytes: shares.reduce,
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|n| format!("slot-{n}"))
        .build();
    let pool = pool.map_err(|error| Error::Threads { threads, cause: error.to_string() })?;
    let (report, reports) = channel();
    let outcome = pool.in_place_scope(|scope| {
        let mut orders = Vec::with_capacity(threads);
        for number in 1..=threads as u64 {
            let (order, received) = channel();
            orders.push(order);
            let (shared, report) = (&shared, report.clone());
            let slot_thread =
                SlotThread { shared, worker: WorkerId(number), collector: None, spare: None };
            scope.spawn(move |_| slot_thread.work(&received, &report));
        }
        drop(report);
        let driver = Driver {
            shared: &shared,
            scheduler: Scheduler::new(),
            orders,
            reports,
            progress,
            clock,
            phases: Vec::new(),
            since: clock.now(),
            parts: Vec::new(),
            manifest: None,
            readied: None,
            ended: None,
        };
        driver.drive(spec)
    });
    Ok(Outcome { bad_records: bad_records.found(), ..outcome })
}

/// Returns the requested number of threads, or fewer if the memory does not suffice: buffers have a minimum size.
fn threads_within(memory_bytes: u64, threads: usize) -> usize {
    /// Minimum memory of a collector: a chunk to fill, a chunk to sort into, and overhead.
    const THREAD_BYTES_LEAST: u64 = 8 << 20;
    let fit = usize::try_from(memory_bytes / THREAD_BYTES_LEAST).unwrap_or(usize::MAX);
    threads.min(fit).max(1)
}

/// How a job's map output is collected.
struct Combining {
    /// Each thread has one table, into which all its map tasks fold.
    in_one_table: bool,
    /// Each map task folds within blocks; this is the memory of one.
    block_bytes: usize,
}

fn combining<J: Job, C: Combine<J>>(_: &C) -> Combining {
    Combining {
        in_one_table: C::COMBINES && C::EXACT,
        block_bytes: if C::COMBINES && !C::EXACT { block_bytes::<C::Acc>() } else { 0 },
    }
}

fn failed_at_once(failure: Failure) -> Outcome {
    let attempt = JOB.task(TaskKind::Plan, 0).attempt(1);
    let mut outcome = Outcome::new(JobState::Failed);
    outcome.failure = Some((attempt, failure));
    outcome
}

impl Outcome {
    fn new(state: JobState) -> Self {
        Outcome {
            state,
            failure: None,
            manifest: None,
            parts: Vec::new(),
            counters: Counters::new(),
            phases: Vec::new(),
            collected: CollectStats::default(),
            merges: 0,
            bad_records: 0,
        }
    }
}

/// How the memory of a run is divided.
struct Shares {
    /// Bytes for each collector, until all maps are done.
    collector: usize,
    /// Bytes for map outputs that wait for the reduces.
    kept: usize,
    /// Bytes for each reduce.
    reduce: usize,
}

impl Shares {
    fn of(memory_bytes: u64, threads: usize, combining: Combining) -> Self {
        /// Other memory of a thread: read, batch and part buffers.
        const BESIDE_BYTES: usize = 1 << 20;
        let memory = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        let reduce = memory / 16 / threads + BESIDE_BYTES;
        let rest = memory.saturating_sub((reduce + BESIDE_BYTES) * threads);
        if combining.in_one_table {
            // The reduces read the tables in place.
            return Shares { collector: rest / threads, kept: 0, reduce };
        }
        let blocks = combining.block_bytes * threads;
        let rest = rest.saturating_sub(blocks);
        let collector = rest / 2 / threads + combining.block_bytes;
        // The collectors are freed before the reduces begin.
        Shares { collector, kept: rest / 2, reduce: reduce + collector }
    }
}

struct Driver<'d, J: Job, C: Combine<J>, P: Partition<J>> {
    shared: &'d Shared<'d, J, C, P>,
    scheduler: Scheduler,
    orders: Vec<Sender<Order>>,
    reports: Receiver<Report>,
    progress: &'d Progress,
    clock: &'d Clock,
    phases: Vec<(Phase, Duration)>,
    since: Instant,
    parts: Vec<PartDone>,
    manifest: Option<Manifest>,
    readied: Option<Readied>,
    ended: Option<JobState>,
}

/// How long the driver waits for a thread before it checks whether the run must stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

impl<J: Job, C: Combine<J>, P: Partition<J>> Driver<'_, J, C, P> {
    fn drive(mut self, spec: &JobSpec) -> Outcome {
        for number in 1..=self.orders.len() as u64 {
            self.apply(RegisterWorker {
                worker: WorkerId(number),
                incarnation: 1,
                slots: 1,
                attempt_memory_bytes: 0,
                outputs: Vec::new(),
            });
        }
        let (nonce, reducers) = (self.shared.nonce, spec.reducers.filter(|_| !J::MAP_ONLY));
        self.apply(Submit {
            job: JOB,
            request: "embedded".to_string(),
            name: spec.name.clone(),
            nonce,
            reducers,
            map_only: J::MAP_ONLY,
            options: OPTIONS,
        });
        let known = self.shared.files.iter().filter(|file| file.end != u64::MAX);
        self.progress.set_bytes_total(known.map(FileRange::bytes).sum());
        loop {
            if let Some(state) = self.ended {
                return self.into_outcome(state);
            }
            if self.shared.env.stop.load(Ordering::Relaxed) {
                self.cancel();
            }
            // After a timeout, only check again.
            if let Ok(report) = self.reports.recv_timeout(STOP_CHECK) {
                self.hear(report);
            }
        }
    }

    fn into_outcome(mut self, state: JobState) -> Outcome {
        if state == JobState::Succeeded {
            self.begin_phase(Phase::Done);
        }
        let job = self.scheduler.job(JOB);
        let readied = self.readied.unwrap_or_default();
        Outcome {
            state,
            failure: job
                .and_then(|job| job.blame())
                .map(|blame| (blame.attempt, blame.failure.clone())),
            manifest: self.manifest,
            parts: task::in_order(self.parts),
            counters: job.map(|job| job.counters().clone()).unwrap_or_default(),
            phases: self.phases,
            collected: readied.stats,
            merges: readied.merges,
            bad_records: 0,
        }
    }

    /// Cancels the run, unless its commit has begun. In that case the run ends as usual.
    fn cancel(&mut self) {
        self.apply(Cancel { job: JOB });
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Planned { attempt, splits, reducers } => {
                let (input_bytes, counters) = (0, Counters::new());
                self.apply(PlanDone { attempt, splits, reducers, input_bytes, counters });
            }
            Report::Done { attempt, counters, parts } => {
                let is_staged = !parts.is_empty();
                self.parts.extend(parts);
                self.complete(attempt, is_staged, counters);
            }
            Report::Committed { attempt, manifest } => self.committed(attempt, Some(manifest)),
            Report::Failed { attempt, failure } => self.fail(attempt, failure),
            Report::Sealed(_) => {}
        }
        self.show_progress();
    }

    fn fail(&mut self, attempt: AttemptId, failure: Failure) {
        // The job's code may have wrapped the error that a stopped attempt gets.
        if failure.cause == Cause::Killed || self.shared.env.stop.load(Ordering::Relaxed) {
            return self.cancel();
        }
        self.apply(Fail { attempt, failure, deterministic: true });
    }

    fn committed(&mut self, attempt: AttemptId, manifest: Option<Manifest>) {
        self.manifest = manifest;
        self.complete(attempt, false, Counters::new());
    }

    /// Reports a complete attempt. Its volume stays empty: embedded progress counts bytes as they are read.
    fn complete(&mut self, attempt: AttemptId, is_staged: bool, counters: Counters) {
        let (digest, joined, volume) = (None, 0, Volume::default());
        self.apply(Complete { attempt, digest, is_staged, joined, counters, volume });
    }

    /// Applies a command and its effects. The scheduler refuses only late reports of attempts that it has stopped,
    /// which need no action.
    fn apply(&mut self, command: impl Into<Command>) {
        let now_ms = self.clock.wall_ms();
        for effect in self.scheduler.apply(now_ms, command).unwrap_or_default() {
            match effect {
                Effect::Start { attempt, worker } => self.start(attempt, worker),
                Effect::Stop { .. } => self.shared.env.stop.store(true, Ordering::Relaxed),
                Effect::JobEnded { state, .. } => self.ended = Some(state),
                // Threads exist until the run ends.
                Effect::WorkerDrained { .. } => {}
            }
        }
    }

    fn start(&mut self, attempt: AttemptId, worker: WorkerId) {
        self.begin_phase(match attempt.task.kind {
            TaskKind::Plan => Phase::Planning,
            TaskKind::Map => Phase::Mapping,
            TaskKind::Reduce => Phase::Reducing,
            TaskKind::Commit => Phase::Committing,
        });
        if attempt.task.kind == TaskKind::Reduce && self.readied.is_none() {
            match self.ready() {
                Ok(readied) => self.readied = Some(readied),
                Err(failure) => return self.fail(attempt, failure),
            }
        }
        let order = match attempt.task.kind {
            TaskKind::Commit if self.shared.env.spec.output.is_none() => {
                return self.committed(attempt, None);
            }
            TaskKind::Commit => self.commit(attempt),
            _ => Order::Run(attempt),
        };
        let thread = self.orders.get((worker.0 as usize).wrapping_sub(1));
        if thread.is_none_or(|thread| thread.send(order).is_err()) {
            self.fail(
                attempt,
                Failure::new(Cause::WorkerLost, format!("thread {worker} has ended")),
            );
        }
    }

    fn commit(&mut self, attempt: AttemptId) -> Order {
        let parts = task::in_order(self.parts.clone());
        let mut counters =
            self.scheduler.job(JOB).map(|job| job.counters().clone()).unwrap_or_default();
        if let Some(Readied { stats, .. }) = &self.readied {
            counters.add(task::GROUP, task::MAP_OUTPUT_RECORDS, stats.records);
            counters.add(task::GROUP, task::MAP_OUTPUT_BYTES, stats.bytes);
        }
        Order::Commit { attempt, created: rfc3339(self.clock.wall_ms()), parts, counters }
    }

    /// Makes all threads hand over their map output, and prepares it for the reduces.
    fn ready(&mut self) -> Result<Readied, Failure> {
        let lost = || {
            Failure::new(Cause::WorkerLost, "a thread ended before it handed over its map output")
        };
        for thread in &self.orders {
            thread.send(Order::Seal).map_err(|_| lost())?;
        }
        for _ in 0..self.orders.len() {
            match self.reports.recv() {
                Ok(Report::Sealed(sealed)) => sealed?,
                _ => return Err(lost()),
            }
        }
        let shared = self.shared;
        let (header, limits) = (shared.header(0, 0), shared.limits());
        let (stop, shuffling) = (shared.env.stop, shared.shuffling);
        let readied =
            shared.outputs.ready(&shared.fold, header, limits, shared.scratch, stop, shuffling);
        readied.map_err(task::shuffle_failure)
    }

    fn begin_phase(&mut self, phase: Phase) {
        let current = self.progress.phase();
        if current != phase {
            let now = self.clock.now();
            self.phases.push((current, now.saturating_duration_since(self.since)));
            self.since = now;
            self.progress.set_phase(phase);
        }
    }

    fn show_progress(&self) {
        if let Some(job) = self.scheduler.job(JOB) {
            let (maps, reduces) = (job.progress(TaskKind::Map), job.progress(TaskKind::Reduce));
            self.progress.set_maps(maps.done, maps.total);
            self.progress.set_reduces(reduces.done, reduces.total);
        }
    }
}
