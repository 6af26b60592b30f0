//! Checks that invariants hold after any sequence of commands, and that every job ends once its attempts end.

#[path = "model.rs"]
mod model;

use gristmill::model::{
    AttemptId, Cause, Counters, Failure, JobId, JobOptions, JobState, Location, Nonce, RecordRef,
    TaskKind, Volume, WorkerId, WorkerState,
};
use gristmill::scheduler::{
    BackUp, Cancel, Command, Complete, Drain, Fail, Forget, HeldOutput, Join, Leave, LoseOutput,
    LoseWorker, PlanDone, RegisterWorker, RestoreOutputs, Scheduler, Sign, Straggler, Submit,
    TimeOut, watch,
};
use model::Model;
use proptest::prelude::*;

/// Steps within which all jobs must have ended if all their attempts complete.
const STEPS_MAX: usize = 10_000;

/// A random step: the action, and the choice of its object.
type Step = (u8, usize);

impl Model {
    /// Takes one random step.
    fn step(&mut self, (what, pick): Step) {
        let attempts: Vec<_> = self.running.keys().copied().collect();
        let attempt = (!attempts.is_empty()).then(|| attempts[pick % attempts.len()]);
        let worker = WorkerId(pick as u64 % 5);
        match (what % 24, attempt) {
            (0 | 1, _) => self.add_worker(pick),
            (2, _) => self.submit(pick),
            (3, _) => {
                let incarnation = self.incarnations.get(&worker).copied().unwrap_or(1);
                if pick.is_multiple_of(3) {
                    self.apply(Leave { worker, incarnation });
                } else {
                    self.apply(LoseWorker { worker, incarnation });
                }
            }
            (4, _) if pick.is_multiple_of(4) => {
                self.apply(Cancel { job: JobId(pick as u64 % 7) });
            }
            (4, _) if pick.is_multiple_of(3) => {
                self.apply(Forget { job: JobId(pick as u64 % 7) });
            }
            (4, _) if pick.is_multiple_of(5) => {
                self.apply(Drain { worker });
            }
            (5, _) => self.replay(pick),
            (6, _) => self.lose_output(pick),
            (7, _) => self.restore(worker),
            (8, _) => self.watch(pick),
            (9, Some(attempt)) => {
                let straggler =
                    Straggler { running_ms: 9, permille: 1, remaining_ms: 9, usual_ms: 1 };
                self.apply(BackUp { task: attempt.task, straggler });
            }
            (10, Some(attempt)) => {
                self.apply(TimeOut { attempt, silent_ms: pick as u64 % 200 });
            }
            (11 | 12, Some(attempt)) => self.fail(attempt, pick),
            (13..=15, Some(attempt)) => {
                let known = if pick.is_multiple_of(7) { 1 } else { self.joined(attempt) };
                self.apply(Join { attempt, known, wanted: 1 + pick as u32 % 4 });
            }
            (_, Some(attempt)) => {
                self.complete(attempt, pick);
            }
            (_, None) => {}
        }
    }

    fn add_worker(&mut self, pick: usize) {
        let worker = WorkerId(pick as u64 % 5);
        self.apply(RegisterWorker {
            worker,
            incarnation: 1 + pick as u64 / 5 % 3,
            slots: 1 + pick as u32 % 3,
            attempt_memory_bytes: 0,
            outputs: if pick.is_multiple_of(2) { self.written_on(worker) } else { Vec::new() },
        });
    }

    fn submit(&mut self, pick: usize) {
        self.jobs += 1;
        let map_only = pick.is_multiple_of(5);
        let options = JobOptions {
            max_attempts: 1 + pick as u32 % 3,
            priority: pick as u8 % 3,
            task_timeout_ms: Some(100),
            backups: pick.is_multiple_of(2),
            early_reduces: !pick.is_multiple_of(3),
            memory_bytes: 0,
        };
        assert!(self.apply(Submit {
            job: JobId(self.jobs),
            request: self.jobs.to_string(),
            name: String::new(),
            nonce: Nonce(pick as u128),
            reducers: (pick.is_multiple_of(2) && !map_only).then_some(1 + pick as u32 % 3),
            map_only,
            options,
        }));
    }

    fn fail(&mut self, attempt: AttemptId, pick: usize) {
        let cause = Cause::ALL[1 + pick % (Cause::ALL.len() - 1)];
        let mut failure = Failure::new(cause, "by chance");
        failure.record = pick.is_multiple_of(3).then(|| RecordRef {
            location: Location::from("in.txt"),
            offset: pick as u64 % 4,
            excerpt: Vec::new(),
        });
        assert!(self.apply(Fail { attempt, failure, deterministic: pick.is_multiple_of(16) }));
    }

    fn lose_output(&mut self, pick: usize) {
        let won: Vec<_> = self.won.values().map(|&(attempt, _)| attempt).collect();
        if let Some(&attempt) = won.get(pick % won.len().max(1)) {
            let partition = pick.is_multiple_of(2).then_some(pick as u32 % 3);
            let reader = pick.is_multiple_of(5).then_some(WorkerId(1 + pick as u64 % 3));
            self.apply(LoseOutput { attempt, partition, reader });
        }
    }

    /// Returns all last map outputs that were written on a worker.
    fn written_on(&self, worker: WorkerId) -> Vec<HeldOutput> {
        let here = self.last_maps.values().filter(|(_, on, _)| *on == worker);
        here.map(|&(attempt, _, digest)| HeldOutput { attempt, digest }).collect()
    }

    /// Lets a worker report that it still has all these outputs.
    fn restore(&mut self, worker: WorkerId) {
        let Some(&incarnation) = self.incarnations.get(&worker) else { return };
        let outputs = self.written_on(worker);
        self.apply(RestoreOutputs { worker, incarnation, outputs });
    }

    /// Lets time pass and some attempts make progress, and applies what the leader then proposes.
    fn watch(&mut self, pick: usize) {
        self.now_ms += pick as u64 % 90_000;
        self.observed.follow(&self.scheduler, self.now_ms);
        for (n, &attempt) in self.running.keys().enumerate() {
            if (n + pick).is_multiple_of(2) {
                let sign = Sign { work: self.now_ms, permille: pick as u32 % 1_000 };
                self.observed.note(attempt, sign, self.now_ms);
            }
        }
        for command in watch(&self.scheduler, &self.observed, self.now_ms) {
            self.apply(command);
        }
    }

    /// Sends an earlier command once more. Commands that must not be accepted twice must be refused.
    fn replay(&mut self, pick: usize) {
        if let Some((_, command, _)) = self.log.get(pick % self.log.len().max(1)) {
            let is_unique = match command {
                Command::Submit(_)
                | Command::PlanDone(_)
                | Command::Complete(_)
                | Command::Fail(_)
                | Command::TimeOut(_)
                | Command::Forget(_) => true,
                // While a commit may be publishing, the job has not ended, and each cancellation only marks it.
                Command::Cancel(cancel) => {
                    let job = self.scheduler.job(cancel.job);
                    job.is_none_or(|job| job.state() != JobState::Committing)
                }
                _ => false,
            };
            let command = command.clone();
            assert!(!(self.apply(command) && is_unique), "a repeated command was accepted");
        }
    }

    fn complete(&mut self, attempt: AttemptId, pick: usize) {
        let mut counters = Counters::new();
        counters.add("g", "n", pick as u64 % 10);
        if attempt.task.kind != TaskKind::Plan {
            // Sometimes a map gives other output than the last time.
            let digest = Some(u64::from(pick.is_multiple_of(8)));
            // Sometimes the attempt has not heard of the last map that joined it, unless it repeats a map that has
            // succeeded.
            let misses = !self.last_maps.contains_key(&attempt.task) && pick.is_multiple_of(5);
            let joined = self.joined(attempt).saturating_sub(u32::from(misses));
            let done = self.apply(Complete {
                attempt,
                digest,
                is_staged: false,
                joined,
                counters,
                volume: Volume::of_bytes(7),
            });
            assert!(done || self.waits_for_maps(attempt), "{attempt} may not complete");
            return;
        }
        let splits = pick as u32 % 6;
        // One of these numbers of reducers is right for any submission.
        let accepted = (0..4).any(|reducers| {
            self.apply(PlanDone {
                attempt,
                splits,
                reducers,
                input_bytes: 0,
                counters: Counters::new(),
            })
        });
        assert!(accepted);
    }

    /// Returns how many maps have joined an attempt.
    fn joined(&self, attempt: AttemptId) -> u32 {
        let job = self.scheduler.job(attempt.task.job);
        job.map_or(0, |job| job.joined(attempt.task).len() as u32)
    }

    /// Returns whether an attempt is a reduce that still has outputs to fetch.
    fn waits_for_maps(&self, attempt: AttemptId) -> bool {
        let maps = self.scheduler.job(attempt.task.job).map(|job| job.progress(TaskKind::Map));
        attempt.task.kind == TaskKind::Reduce && maps.is_some_and(|maps| maps.done < maps.total)
    }

    /// Finishes all jobs: at least one worker stays alive, and attempts complete as soon as they can. Every job must
    /// end, which fails if all running attempts wait for maps that do not run.
    fn finish(&mut self) {
        if self.scheduler.workers().all(|worker| worker.state != WorkerState::Alive) {
            let (worker, incarnation) = (WorkerId(99), 1);
            let (slots, attempt_memory_bytes, outputs) = (1, 0, Vec::new());
            let register =
                RegisterWorker { worker, incarnation, slots, attempt_memory_bytes, outputs };
            assert!(self.apply(register));
        }
        for _ in 0..STEPS_MAX {
            let mut running = self.running.keys();
            if let Some(&attempt) = running.find(|attempt| !self.waits_for_maps(**attempt)) {
                self.complete(attempt, 3);
                continue;
            }
            // Tasks may pause after failures.
            let before = self.log.len();
            (0..2).for_each(|_| self.watch(20_000));
            if self.log.len() == before {
                break;
            }
        }
        for job in self.scheduler.jobs() {
            assert!(job.state().is_terminal(), "{} is {} for ever", job.id(), job.state());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends_with_one_winner_per_task(
        steps in prop::collection::vec(any::<Step>(), 0..300)
    ) {
        let mut model = Model::default();
        for step in steps {
            model.step(step);
        }
        model.finish();

        let mut replica = Scheduler::new();
        for (number, (at_ms, command, effects)) in model.log.into_iter().enumerate() {
            // A replica that starts from a snapshot must behave like any other.
            if number % 64 == 63 {
                let snapshot = bincode::serialize(&replica).unwrap();
                replica = bincode::deserialize(&snapshot).unwrap();
            }
            prop_assert_eq!(replica.apply(at_ms, command), Ok(effects));
        }
        prop_assert_eq!(replica, model.scheduler);
    }

    #[test]
    fn reduces_that_wait_never_keep_the_maps_they_wait_for_from_running(
        slots in 1u32..5,
        // Jobs with early reduces, and jobs without.
        jobs in prop::collection::vec(prop::sample::select(vec![1, 3]), 1..4),
        steps in prop::collection::vec(any::<Step>(), 0..100)
    ) {
        let mut model = Model::default();
        let (worker, outputs) = (WorkerId(1), Vec::new());
        model.apply(RegisterWorker { worker, incarnation: 1, slots, attempt_memory_bytes: 0, outputs });
        jobs.into_iter().for_each(|pick| model.submit(pick));
        for (what, pick) in steps {
            let can_end = model.running.keys().filter(|attempt| !model.waits_for_maps(**attempt));
            let can_end: Vec<_> = can_end.copied().collect();
            match can_end.get(pick % can_end.len().max(1)) {
                Some(&attempt) if what % 4 > 0 => model.complete(attempt, 3),
                _ => model.lose_output(1 + 2 * (pick % 1_000)),
            }
        }
        model.finish();
    }
}
