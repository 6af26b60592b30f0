//! Measures the cost of scheduling decisions, with a job of the size that the MapReduce paper describes. Only the pure
//! scheduler runs.
//!
//! `cargo bench --bench scheduler [-- MAPS REDUCES WORKERS]` calls the scheduler as a master would. The defaults are
//! 200,000 maps, 5,000 reduces, and 2,000 workers of two slots each. Each completion of a task is one command. Every
//! twentieth task fails once. Twenty workers are lost and register again; each time, the benchmark also looks for
//! timeouts and stragglers, and computes which attempts the worker should run. The benchmark prints the commands per
//! second, the time of the slowest command, and its own peak memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use std::{env, fs, process};

use gristmill::clock::Clock;
use gristmill::model::{
    AttemptId, Cause, Counters, Failure, JobId, JobOptions, Nonce, TaskKind, Volume, WorkerId,
};
use gristmill::scheduler::{
    Command, Complete, Cursor, Effect, Fail, LoseWorker, Observed, PlanDone, RegisterWorker,
    Scheduler, Submit, watch,
};

/// With fewer commands per second than this, the scheduler would be a cluster's bottleneck.
const COMMANDS_PER_SECOND_MIN: f64 = 100_000.0;
/// Bytes that a master may need for one large job.
const MEMORY_BYTES_MAX: u64 = 500 << 20;
/// Workers that are lost in the course of the job.
const LOSSES: u64 = 20;

struct Bench {
    scheduler: Scheduler,
    observed: Observed,
    clock: Clock,
    running: VecDeque<(AttemptId, WorkerId)>,
    incarnations: BTreeMap<WorkerId, u64>,
    commands: u64,
    in_apply: Duration,
    slowest: Duration,
    in_queries: Duration,
    ended: bool,
}

impl Bench {
    fn apply(&mut self, command: impl Into<Command>) {
        let command = command.into();
        let since = self.clock.now();
        let answer = self.scheduler.apply(self.commands, command);
        let took = self.clock.now().saturating_duration_since(since);
        self.in_apply += took;
        self.slowest = self.slowest.max(took);
        self.commands += 1;
        for effect in answer.unwrap_or_default() {
            match effect {
                Effect::Start { attempt, worker } => self.running.push_back((attempt, worker)),
                Effect::JobEnded { .. } => self.ended = true,
                Effect::Stop { .. } | Effect::WorkerDrained { .. } => {}
            }
        }
    }

    fn register(&mut self, worker: WorkerId) {
        let incarnation = self.incarnations.entry(worker).or_default();
        *incarnation += 1;
        let (incarnation, slots, outputs) = (*incarnation, 2, Vec::new());
        let attempt_memory_bytes = 0;
        self.apply(RegisterWorker { worker, incarnation, slots, attempt_memory_bytes, outputs });
    }

    /// Ends one attempt. The number of its task decides whether it succeeds or fails.
    fn end(&mut self, attempt: AttemptId, maps: u32, reducers: u32) {
        let number = attempt.task.index;
        if attempt.task.kind == TaskKind::Plan {
            let counters = Counters::new();
            return self.apply(PlanDone {
                attempt,
                splits: maps,
                reducers,
                input_bytes: 0,
                counters,
            });
        }
        if attempt.number == 1 && number % 20 == 19 {
            let failure = Failure::new(Cause::UserError, "by design");
            return self.apply(Fail { attempt, failure, deterministic: false });
        }
        let mut counters = Counters::new();
        counters.add("Task", "records", 1_000);
        counters.add("Task", "bytes", 64_000_000);
        let digest = Some(u64::from(number));
        let volume = Volume::of_bytes(1 << 26);
        self.apply(Complete { attempt, digest, is_staged: false, joined: 0, counters, volume });
    }

    /// Makes the calls of a leader and of a worker that registers again.
    fn look(&mut self, worker: WorkerId) {
        let since = self.clock.now();
        self.observed.follow(&self.scheduler, self.commands);
        let proposed = watch(&self.scheduler, &self.observed, self.commands);
        let incarnation = self.incarnations.get(&worker).copied().unwrap_or(0);
        let should = self.scheduler.should_hold(worker, incarnation);
        assert!(should.is_some(), "{worker} is registered");
        let _ = self.scheduler.locations(JobId(1), Cursor::default(), 10_000);
        self.in_queries += self.clock.now().saturating_duration_since(since);
        proposed.into_iter().for_each(|command| self.apply(command));
    }
}

fn main() {
    let mut sizes = env::args().skip(1).filter_map(|word| word.parse().ok());
    let [maps, reducers, workers] = [200_000, 5_000, 2_000].map(|n| sizes.next().unwrap_or(n));
    let mut bench = Bench {
        scheduler: Scheduler::new(),
        observed: Observed::new(),
        clock: Clock::system(),
        running: VecDeque::new(),
        incarnations: BTreeMap::new(),
        commands: 0,
        in_apply: Duration::ZERO,
        slowest: Duration::ZERO,
        in_queries: Duration::ZERO,
        ended: false,
    };
    (1..=u64::from(workers)).for_each(|number| bench.register(WorkerId(number)));
    bench.apply(Submit {
        job: JobId(1),
        request: "bench".to_string(),
        name: "bench".to_string(),
        nonce: Nonce(1),
        reducers: Some(reducers),
        map_only: false,
        options: JobOptions { task_timeout_ms: None, ..JobOptions::default() },
    });
    let loss_every = u64::from(maps + reducers) / LOSSES + 1;
    let mut losses = 0;
    while let Some((attempt, worker)) = bench.running.pop_front() {
        let waits = attempt.task.kind == TaskKind::Reduce && is_mapping(&bench.scheduler);
        if waits {
            bench.running.push_back((attempt, worker));
        } else {
            bench.end(attempt, maps, reducers);
        }
        if bench.commands / loss_every > losses && losses < LOSSES {
            losses += 1;
            // One worker dies, and another process takes its place.
            let incarnation = bench.incarnations.get(&worker).copied().unwrap_or(0);
            bench.apply(LoseWorker { worker, incarnation });
            bench.register(worker);
            bench.look(worker);
        }
    }
    report(&bench);
}

fn is_mapping(scheduler: &Scheduler) -> bool {
    let progress = scheduler.job(JobId(1)).map(|job| job.progress(TaskKind::Map));
    progress.is_some_and(|progress| progress.done < progress.total)
}

fn report(bench: &Bench) {
    let Some(job) = bench.scheduler.job(JobId(1)) else { return };
    println!("job {}", job.state());
    for (_, name, n) in job.all_counters().iter().filter(|(group, ..)| group.starts_with("Job")) {
        println!("  {name} {n}");
    }
    let seconds = bench.in_apply.as_secs_f64();
    let rate = bench.commands as f64 / seconds;
    let bytes = peak_bytes();
    println!("{} commands in {seconds:.3} s: {rate:.0} commands/s", bench.commands);
    println!("slowest command {:.3} ms", bench.slowest.as_secs_f64() * 1e3);
    println!("watch and queries {:.3} s", bench.in_queries.as_secs_f64());
    println!("peak memory {} MiB", bytes >> 20);
    if !bench.ended || rate < COMMANDS_PER_SECOND_MIN || bytes > MEMORY_BYTES_MAX {
        println!(
            "missed: the job must end, at {COMMANDS_PER_SECOND_MIN} commands/s or more, in 500 MiB"
        );
        process::exit(1);
    }
}

/// Returns the most memory that this process ever had resident.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
