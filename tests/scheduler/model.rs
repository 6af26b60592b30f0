//! A simple model of the workers, which is updated with the scheduler and compared with it at each step.

use std::collections::{BTreeMap, BTreeSet};

use gristmill::model::{
    AttemptId, AttemptState, JobId, JobState, TaskId, TaskKind, WorkerId, WorkerState,
};
use gristmill::scheduler::{
    Command, Complete, Cursor, Effect, Fail, HeldOutput, Job, Leave, LoseOutput, LoseWorker,
    Observed, PlanDone, Reason, RegisterWorker, RestoreOutputs, Scheduler, Submit, Task, Winner,
};

/// A model that knows only what the scheduler's owner was told, and what the owner did.
#[derive(Default)]
pub(super) struct Model {
    pub(super) scheduler: Scheduler,
    pub(super) observed: Observed,
    pub(super) now_ms: u64,
    /// Every command with its time and effects. They are applied a second time at the end.
    pub(super) log: Vec<(u64, Command, Vec<Effect>)>,
    workers: BTreeMap<WorkerId, u32>,
    pub(super) incarnations: BTreeMap<WorkerId, u64>,
    pub(super) running: BTreeMap<AttemptId, WorkerId>,
    ever_started: BTreeSet<AttemptId>,
    /// The attempt that won each task, and where it ran.
    pub(super) won: BTreeMap<TaskId, (AttemptId, WorkerId)>,
    /// The last winner of each map, where it ran, and its digest.
    pub(super) last_maps: BTreeMap<TaskId, (AttemptId, WorkerId, u64)>,
    counted: BTreeMap<TaskId, u64>,
    ended: BTreeMap<JobId, JobState>,
    map_only: BTreeSet<JobId>,
    /// What a caller that only asks for changes knows about outputs.
    located: BTreeMap<JobId, (Cursor, BTreeMap<u32, AttemptId>)>,
    pub(super) jobs: u64,
}

impl Model {
    /// Applies a command, follows its effects, and checks all invariants.
    pub(super) fn apply(&mut self, command: impl Into<Command>) -> bool {
        let command = command.into();
        let before = self.scheduler.clone();
        let Ok(effects) = self.scheduler.apply(self.now_ms, command.clone()) else {
            assert_eq!(self.scheduler, before, "a refused command changed something");
            return false;
        };
        self.note(&command, &before);
        for effect in &effects {
            self.follow(effect);
        }
        self.log.push((self.now_ms, command, effects));
        self.check();
        true
    }

    /// Updates the model with an accepted command.
    fn note(&mut self, command: &Command, before: &Scheduler) {
        match command {
            Command::RegisterWorker(RegisterWorker {
                worker, slots, incarnation, outputs, ..
            }) => {
                self.lose(*worker, before);
                self.restored(*worker, outputs, before);
                self.workers.insert(*worker, *slots);
                self.incarnations.insert(*worker, *incarnation);
            }
            Command::LoseWorker(LoseWorker { worker, .. })
            | Command::Leave(Leave { worker, .. }) => self.lose(*worker, before),
            Command::Complete(Complete { attempt, counters, digest, .. }) => {
                self.win(*attempt, counters.get("g", "n"));
                for (task, of_it) in self.joined_attempts(*attempt) {
                    let won = (of_it, self.won[&attempt.task].1);
                    assert_eq!(self.won.insert(task, won), None, "{task} was won before");
                }
                if let (TaskKind::Map, Some(digest)) = (attempt.task.kind, digest) {
                    let on = self.won[&attempt.task].1;
                    self.last_maps.insert(attempt.task, (*attempt, on, *digest));
                }
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
            Command::LoseOutput(LoseOutput { attempt, .. }) => {
                let (winner, _) = self.won.remove(&attempt.task).expect("only wins are lost");
                assert_eq!(winner, *attempt);
                self.joined_tasks(attempt.task).iter().for_each(|task| {
                    self.won.remove(task);
                });
            }
            Command::RestoreOutputs(RestoreOutputs { worker, outputs, .. }) => {
                self.restored(*worker, outputs, before);
            }
            Command::Forget(_)
            | Command::Cancel(_)
            | Command::TimeOut(_)
            | Command::BackUp(_)
            | Command::Join(_)
            | Command::Drain(_)
            | Command::Retry(_)
            | Command::Readmit(_) => {}
        }
    }

    fn restored(&mut self, worker: WorkerId, outputs: &[HeldOutput], before: &Scheduler) {
        for output in outputs {
            let (task, last) = (output.attempt.task, (output.attempt, worker, output.digest));
            if self.last_maps.get(&task) == Some(&last) && self.needs_outputs(task, before) {
                self.won.entry(task).or_insert((output.attempt, worker));
                for (joined, of_it) in self.joined_attempts(output.attempt) {
                    self.won.entry(joined).or_insert((of_it, worker));
                }
            }
        }
    }

    /// Returns the maps that have joined a task.
    fn joined_tasks(&self, task: TaskId) -> Vec<TaskId> {
        let joined = self.scheduler.job(task.job).map(|job| job.joined(task)).unwrap_or_default();
        joined.iter().map(|&map| task.job.task(TaskKind::Map, map)).collect()
    }

    /// Returns the maps that have joined a winning attempt's task, each with its own number for that attempt.
    fn joined_attempts(&self, winner: AttemptId) -> Vec<(TaskId, AttemptId)> {
        let job = self.scheduler.job(winner.task.job).expect("it has won");
        let own = |task: TaskId| {
            let number = job.task(task).and_then(Task::winner).expect("it has won as well").number;
            assert_eq!(job.runs_as(task.attempt(number)), winner);
            (task, task.attempt(number))
        };
        self.joined_tasks(winner.task).into_iter().map(own).collect()
    }

    fn lose(&mut self, worker: WorkerId, before: &Scheduler) {
        self.workers.remove(&worker);
        self.incarnations.remove(&worker);
        self.running.retain(|_, on| *on != worker);
        // Outputs there are lost if they belong to maps that a reduce still needs. Other successes are final.
        let gone: Vec<_> = self
            .won
            .iter()
            .filter(|(task, (_, on))| *on == worker && self.needs_outputs(**task, before))
            .map(|(&task, _)| task)
            .collect();
        gone.iter().for_each(|task| {
            self.won.remove(task);
        });
    }

    fn needs_outputs(&self, task: TaskId, scheduler: &Scheduler) -> bool {
        let state = scheduler.job(task.job).map(Job::state);
        task.kind == TaskKind::Map
            && !self.map_only.contains(&task.job)
            && matches!(state, Some(JobState::Mapping | JobState::Reducing))
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
                let found = self.scheduler.worker(worker).expect("nothing starts nowhere");
                assert_eq!(found.state, WorkerState::Alive, "{attempt} started on {worker}");
                self.running.insert(attempt, worker);
            }
            Effect::WorkerDrained { worker } => {
                let found = self.scheduler.worker(worker).map(|worker| worker.state);
                assert_eq!(found, Some(WorkerState::Drained));
            }
        }
    }

    fn check(&mut self) {
        let running: BTreeMap<_, _> = self.scheduler.running().collect();
        assert_eq!(running, self.running, "effects and state disagree on what runs");
        let has_room = self.check_workers();
        let ids: Vec<_> = self.scheduler.jobs().map(Job::id).collect();
        for id in ids {
            self.check_job(id, has_room);
            self.check_locations(id);
        }
    }

    /// Checks the workers. Returns whether an attempt could start somewhere.
    fn check_workers(&self) -> bool {
        let (mut has_room, mut usable, mut excluded) = (false, 0, 0);
        for worker in self.scheduler.workers() {
            assert_eq!(self.workers.get(&worker.id), Some(&worker.slots));
            let on_it: BTreeSet<_> = self
                .running
                .iter()
                .filter(|(_, on)| **on == worker.id)
                .map(|(id, _)| *id)
                .collect();
            let held = self.scheduler.should_hold(worker.id, worker.incarnation);
            assert_eq!(held, Some(&on_it), "what {} should hold", worker.id);
            assert!(worker.running <= worker.slots, "{} has too many attempts", worker.id);
            has_room |= worker.state == WorkerState::Alive && worker.running < worker.slots;
            usable += usize::from(worker.state == WorkerState::Alive);
            excluded += usize::from(worker.state == WorkerState::Excluded);
        }
        assert!(usable > 0 || excluded == 0, "only excluded workers are left");
        has_room
    }

    fn check_job(&self, id: JobId, has_room: bool) {
        let job = self.scheduler.job(id).expect("it is listed");
        let state = job.state();
        assert_eq!(self.ended.get(&id).copied(), state.is_terminal().then_some(state));
        let reason = self.scheduler.reason(id);
        assert_eq!(reason.is_none(), state.is_terminal(), "{id} {state}");
        let waits = matches!(reason, Some(Reason::NoSlots { .. }));
        assert!(!(waits && has_room), "{id} waits although a slot is free");
        let counted: u64 =
            self.counted.iter().filter(|(task, _)| task.job == id).map(|(_, n)| n).sum();
        assert_eq!(job.counters().get("g", "n"), counted, "counters of {id}");
        let started = job.all_tasks().filter_map(|(_, task)| Some(u64::from(task?.started())));
        let counted = job.all_counters().get("Job Counters", "attempts_started");
        assert_eq!(counted, started.sum::<u64>(), "attempts started in {id}");
        for kind in TaskKind::ALL {
            for (index, winner) in job.winners(kind) {
                let task = id.task(kind, index);
                let known = self.won.get(&task).map(|(attempt, on)| (attempt.number, *on));
                assert_eq!(known, Some((winner.number, winner.worker)), "winner of {task}");
            }
            let progress = job.progress(kind);
            let won = self.won.keys().filter(|task| task.job == id && task.kind == kind).count();
            assert_eq!(progress.done as usize, won, "{kind} wins of {id}");
            assert_eq!(job.winners(kind).count(), won);
            assert!(progress.done + progress.running <= progress.total);
        }
        let mut listed = BTreeSet::new();
        for (task, found) in job.all_tasks() {
            if job.leader(task).is_some() {
                self.check_joined(job, task, found.expect("it was started"));
                continue;
            }
            let attempts = found.map(|task| task.attempts()).unwrap_or_default();
            let running = attempts.iter().filter(|one| one.state == AttemptState::Running);
            let before = listed.len();
            listed.extend(running.map(|one| task.attempt(one.number)));
            assert!(listed.len() - before <= 2, "{task} has more than one backup");
        }
        let held: BTreeSet<_> =
            self.running.keys().copied().filter(|attempt| attempt.task.job == id).collect();
        assert_eq!(listed, held, "attempts that are listed as running");
        assert_eq!(job.held_slots() as usize, held.len());
    }

    /// Checks that a map that has joined another one is in the same state as that one.
    fn check_joined(&self, job: &Job, task: TaskId, found: &Task) {
        let leader = job.leader(task).expect("it has joined one");
        let leader = TaskId { index: leader, ..task };
        assert!(job.joined(leader).contains(&task.index), "{task} is led by {leader}");
        let leads = job.task(leader).expect("it was started");
        assert_eq!(job.leader(leader), None, "{leader} leads");
        assert_eq!(found.state(), leads.state(), "{task} and {leader}");
        // Both know the same attempts since the map joined, though under different numbers.
        let last = |found: &Task, task: TaskId| job.runs_as(task.attempt(found.started()));
        assert_eq!(last(found, task), last(leads, leader), "{task} and {leader}");
        let winner = |found: &Task, task: TaskId| {
            let winner = found.last_winner()?;
            Some((job.runs_as(task.attempt(winner.number)), winner.worker, winner.digest))
        };
        assert_eq!(winner(found, task), winner(leads, leader), "{task} and {leader}");
    }

    /// Checks that a caller that follows the changes, three at a time, knows exactly the existing outputs.
    fn check_locations(&mut self, id: JobId) {
        let (cursor, known) = self.located.entry(id).or_default();
        loop {
            let Some(moved) = self.scheduler.locations(id, *cursor, 3) else { return };
            for (map, output) in moved.outputs {
                match output {
                    Some(output) => known.insert(map, output.attempt),
                    None => known.remove(&map),
                };
            }
            *cursor = moved.next;
            if !moved.more {
                break;
            }
        }
        let Some(job) = self.scheduler.job(id) else { return };
        let made = |(map, winner): (u32, Winner)| {
            let task = id.task(TaskKind::Map, map);
            (map, job.runs_as(task.attempt(winner.number)))
        };
        let winners: BTreeMap<_, _> = job.winners(TaskKind::Map).map(made).collect();
        assert_eq!(*known, winners, "locations of {id}");
    }
}
