//! What holds after any sequence of commands, and that every job ends when its attempts do.

use std::collections::{BTreeMap, BTreeSet};

use gristmill::scheduler::{
    Cancel, Command, Complete, Effect, Fail, Job, JobState, LoseWorker, PlanDone, Reason,
    RegisterWorker, Scheduler, Submit,
};
use gristmill::spec::{
    AttemptId, Cause, Counters, Failure, JobId, Nonce, TaskId, TaskKind, WorkerId,
};
use proptest::prelude::*;

/// Steps after which jobs whose attempts all complete must have ended.
const STEPS_MAX: usize = 10_000;

/// What an owner of workers knows: only what it was told, and what it did.
#[derive(Default)]
struct Model {
    scheduler: Scheduler,
    /// Every command with its answer, to be applied a second time at the end.
    log: Vec<(Command, Vec<Effect>)>,
    workers: BTreeMap<WorkerId, u32>,
    running: BTreeMap<AttemptId, WorkerId>,
    ever_started: BTreeSet<AttemptId>,
    /// The attempt that won each task, and where it ran.
    won: BTreeMap<TaskId, (AttemptId, WorkerId)>,
    counted: BTreeMap<TaskId, u64>,
    ended: BTreeMap<JobId, JobState>,
    map_only: BTreeSet<JobId>,
    jobs: u64,
}

/// One random step: what to do and, of several, to which.
type Step = (u8, usize);

impl Model {
    /// Applies a command, follows its effects and checks all that must hold.
    fn apply(&mut self, command: impl Into<Command>) -> bool {
        let command = command.into();
        let before = self.scheduler.clone();
        let Ok(effects) = self.scheduler.apply(command.clone()) else {
            assert_eq!(self.scheduler, before, "a refused command changed something");
            return false;
        };
        self.note(&command, &before);
        for effect in &effects {
            self.follow(effect);
        }
        self.log.push((command, effects));
        self.check();
        true
    }

    /// What an accepted command means to the one who sent it.
    fn note(&mut self, command: &Command, before: &Scheduler) {
        match command {
            Command::RegisterWorker(RegisterWorker { worker, slots }) => {
                self.workers.insert(*worker, *slots);
            }
            Command::LoseWorker(LoseWorker { worker }) => {
                self.workers.remove(worker);
                self.running.retain(|_, on| on != worker);
                // Map outputs there are gone while a reduce needs them; other wins are for ever.
                self.won.retain(|task, (_, on)| {
                    let state = before.job(task.job).map(Job::state);
                    let is_needed = task.kind == TaskKind::Map
                        && !self.map_only.contains(&task.job)
                        && matches!(state, Some(JobState::Mapping | JobState::Reducing));
                    on != worker || !is_needed
                });
            }
            Command::Complete(Complete { attempt, counters, .. }) => {
                self.win(*attempt, counters.get("g", "n"));
            }
            Command::PlanDone(PlanDone { attempt, .. }) => self.win(*attempt, 0),
            Command::Fail(Fail { attempt, .. }) => {
                assert!(self.running.remove(attempt).is_some(), "{attempt} failed and did not run");
            }
            Command::Submit(Submit { job, map_only, .. }) => {
                if *map_only {
                    self.map_only.insert(*job);
                }
            }
            Command::Cancel(_) => {}
        }
    }

    fn win(&mut self, attempt: AttemptId, n: u64) {
        let on = self.running.remove(&attempt).expect("only what runs can win");
        let earlier = self.won.insert(attempt.task, (attempt, on));
        assert_eq!(earlier, None, "{attempt} won a task that was won");
        self.counted.entry(attempt.task).or_insert(n);
    }

    fn follow(&mut self, effect: &Effect) {
        match *effect {
            Effect::Stop { attempt, worker, .. } => {
                assert_eq!(self.running.remove(&attempt), Some(worker));
            }
            Effect::JobEnded { job, state } => {
                assert_eq!(self.ended.insert(job, state), None, "{job} ended twice");
            }
            Effect::Start { attempt, worker } => {
                assert!(self.ever_started.insert(attempt), "{attempt} started twice");
                self.running.insert(attempt, worker);
            }
        }
    }

    fn check(&self) {
        let running: BTreeMap<_, _> = self.scheduler.running().collect();
        assert_eq!(running, self.running, "effects and state disagree on what runs");
        let mut has_room = false;
        for worker in self.scheduler.workers() {
            assert_eq!(self.workers.get(&worker.id), Some(&worker.slots));
            let on_it = self.running.values().filter(|on| **on == worker.id).count();
            assert_eq!(worker.running as usize, on_it);
            assert!(worker.running <= worker.slots, "{} has too many attempts", worker.id);
            has_room |= worker.running < worker.slots;
        }
        for job in self.scheduler.jobs() {
            let (id, state) = (job.id(), job.state());
            assert_eq!(self.ended.get(&id).copied(), state.is_terminal().then_some(state));
            let reason = self.scheduler.reason(id);
            assert_eq!(reason.is_none(), state.is_terminal(), "{id} {state}");
            let waits = matches!(reason, Some(Reason::NoSlots { .. }));
            assert!(!(waits && has_room), "{id} waits although a slot is free");
            let counted: u64 =
                self.counted.iter().filter(|(task, _)| task.job == id).map(|(_, n)| n).sum();
            assert_eq!(job.counters().get("g", "n"), counted, "counters of {id}");
            for kind in TaskKind::ALL {
                for (index, winner) in job.winners(kind) {
                    let task = id.task(kind, index);
                    let known = self.won.get(&task).map(|(attempt, on)| (attempt.number, *on));
                    assert_eq!(known, Some((winner.number, winner.worker)), "winner of {task}");
                }
                let progress = job.progress(kind);
                let won =
                    self.won.keys().filter(|task| task.job == id && task.kind == kind).count();
                assert_eq!(progress.done as usize, won, "{kind} wins of {id}");
                assert_eq!(job.winners(kind).count(), won);
                assert!(progress.done + progress.running <= progress.total);
            }
        }
    }

    /// One step of which nothing is known but that it is a command.
    fn step(&mut self, (what, pick): Step) {
        let attempts: Vec<_> = self.running.keys().copied().collect();
        let attempt = (!attempts.is_empty()).then(|| attempts[pick % attempts.len()]);
        match (what % 16, attempt) {
            (0, _) => self.add_worker(pick),
            (1, _) => self.submit(pick),
            (2, _) => {
                self.apply(LoseWorker { worker: WorkerId(pick as u64 % 5) });
            }
            (3, _) if pick.is_multiple_of(4) => {
                self.apply(Cancel { job: JobId(pick as u64 % 7) });
            }
            (4, _) => self.replay(pick),
            (5 | 6, Some(attempt)) => {
                let cause = Cause::ALL[1 + pick % (Cause::ALL.len() - 1)];
                let failure = Failure::new(cause, "by chance");
                self.apply(Fail { attempt, failure, deterministic: pick.is_multiple_of(16) });
            }
            (_, Some(attempt)) => self.complete(attempt, pick),
            (_, None) => {}
        }
    }

    fn add_worker(&mut self, pick: usize) {
        self.apply(RegisterWorker {
            worker: WorkerId(pick as u64 % 5),
            slots: 1 + pick as u32 % 3,
        });
    }

    fn submit(&mut self, pick: usize) {
        self.jobs += 1;
        let map_only = pick.is_multiple_of(5);
        let reducers = (pick.is_multiple_of(2) && !map_only).then_some(1 + pick as u32 % 3);
        let (job, nonce) = (JobId(self.jobs), Nonce(pick as u128));
        let max_attempts = 1 + pick as u32 % 3;
        assert!(self.apply(Submit { job, nonce, reducers, max_attempts, map_only }));
    }

    /// Sends an earlier command once more: of all that may be repeated, none may do harm.
    fn replay(&mut self, pick: usize) {
        if let Some((command, _)) = self.log.get(pick % self.log.len().max(1)) {
            let is_repeatable =
                !matches!(command, Command::LoseWorker(_) | Command::RegisterWorker(_));
            let command = command.clone();
            assert!(!(is_repeatable && self.apply(command)), "a repeated command was accepted");
        }
    }

    fn complete(&mut self, attempt: AttemptId, pick: usize) {
        let mut counters = Counters::new();
        counters.add("g", "n", pick as u64 % 10);
        if attempt.task.kind != TaskKind::Plan {
            // Once in a while a map gives other output than the last time.
            let digest = Some(u64::from(pick.is_multiple_of(8)));
            assert!(self.apply(Complete { attempt, digest, counters }));
            return;
        }
        let splits = pick as u32 % 6;
        // Whatever was asked for, one of these is right.
        let accepted = (0..4).any(|reducers| {
            self.apply(PlanDone { attempt, splits, reducers, counters: Counters::new() })
        });
        assert!(accepted);
    }

    /// From here on workers stay and attempts complete, so every job must end.
    fn finish(&mut self) {
        if self.workers.is_empty() {
            self.add_worker(1);
        }
        for _ in 0..STEPS_MAX {
            let Some((&attempt, _)) = self.running.first_key_value() else { break };
            self.complete(attempt, 3);
        }
        for job in self.scheduler.jobs() {
            assert!(job.state().is_terminal(), "{} is {} for ever", job.id(), job.state());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_job_ends_with_one_winner_per_task(
        steps in prop::collection::vec(any::<Step>(), 0..300)
    ) {
        let mut model = Model::default();
        for step in steps {
            model.step(step);
        }
        model.finish();

        let mut replica = Scheduler::new();
        for (command, effects) in model.log {
            prop_assert_eq!(replica.apply(command), Ok(effects));
        }
        prop_assert_eq!(replica, model.scheduler);
    }
}
