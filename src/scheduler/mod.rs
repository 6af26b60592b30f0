//! Decides which attempt runs where: commands in, effects out.
//!
//! The scheduler is a value. [`Scheduler::apply`] takes a [`Command`] and answers with the
//! [`Effect`]s that follow from it, or with a [`Rejection`] that leaves the state as it was. It
//! reads no clock, draws no chance and does no I/O, and iterates only over ordered collections; so
//! every replica that applies the same commands holds the same state and gives the same answers.
//!
//! Assignment is no command: whenever a command frees a slot or makes a task ready, the same
//! `apply` starts what can now run. Effects are never stored. Whoever takes over asks the state
//! for what should be running ([`Scheduler::running`]) and compares that with what is.
//!
//! ```text
//!  command/   one file per command: its fields, who sends it, what it does
//!  effect     what the owner of the slots has to do
//!  rejection  why a command was refused
//!  job        one job: its four kinds of task, its state, its end
//!  tasks      the tasks of one kind: which are idle, in progress, completed
//!  slots      the workers: which have room, what runs on them, whose map output they hold
//!  reason     what a job waits for
//! ```
//!
//! A command costs O(log n) and what its effects cost; the state takes memory for each task that
//! was started, none for (map, reduce) pairs.
//!
//! Left to the cluster's landing, each a place that is marked: reduces that fetch before all maps
//! are done ([`Job`]'s `reduces_may_start`), budgets by cause (`is_charged`), fair shares between
//! jobs and exclusion of workers (`assign`), and forgetting jobs that have ended.

mod command;
mod effect;
mod job;
mod reason;
mod rejection;
mod slots;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::{AttemptId, Cause, Counters, JobId, TaskKind, WorkerId};

pub use command::{
    Cancel, Command, Complete, Fail, LoseWorker, PlanDone, RegisterWorker, SPLITS_MAX, Submit,
};
pub use effect::Effect;
pub use job::{Blame, Job, JobState};
pub use reason::Reason;
pub use rejection::{Field, Rejection};
pub use slots::WorkerView;
pub use tasks::{Progress, Task, TaskState, Winner};

use job::End;
use slots::Slots;
use tasks::Win;

/// All jobs and all workers, and what runs where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduler {
    jobs: BTreeMap<JobId, Job>,
    /// Jobs that have a task to start. Ids rise with each submission, so this is their queue too.
    ready: BTreeSet<JobId>,
    slots: Slots,
}

impl Scheduler {
    /// No jobs, no workers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one command and starts whatever can run after it.
    ///
    /// The effects come in this order: attempts to stop, jobs that have ended, attempts to start.
    /// A stopped attempt's slot counts as free at once, so the owner of a worker must let the one
    /// go before it begins the other.
    ///
    /// # Errors
    /// A [`Rejection`] is an answer on which all replicas agree; nothing has changed.
    pub fn apply(&mut self, command: impl Into<Command>) -> Result<Vec<Effect>, Rejection> {
        let mut effects = Vec::new();
        match command.into() {
            Command::RegisterWorker(command) => command.apply(self)?,
            Command::LoseWorker(command) => command.apply(self)?,
            Command::Submit(command) => command.apply(self)?,
            Command::PlanDone(command) => command.apply(self, &mut effects)?,
            Command::Complete(command) => command.apply(self, &mut effects)?,
            Command::Fail(command) => command.apply(self, &mut effects)?,
            Command::Cancel(command) => command.apply(self, &mut effects)?,
        }
        self.assign(&mut effects);
        Ok(effects)
    }

    /// A job, however it stands.
    pub fn job(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job)
    }

    /// All jobs, in the order of submission.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// What a job that has not ended waits for; nothing for others.
    pub fn reason(&self, job: JobId) -> Option<Reason> {
        Reason::of(self.jobs.get(&job)?, &self.slots)
    }

    /// Every attempt that should be running now, and on which worker.
    pub fn running(&self) -> impl Iterator<Item = (AttemptId, WorkerId)> {
        self.slots.running()
    }

    /// Every worker that is believed alive, in the order of their ids.
    pub fn workers(&self) -> impl Iterator<Item = WorkerView> {
        self.slots.views()
    }

    /// Starts attempts while there is a free slot and a task for it.
    ///
    /// Jobs in the order of submission, tasks in the order of their index, each on the worker with
    /// the most free slots, and of those the one with the lowest id.
    fn assign(&mut self, effects: &mut Vec<Effect>) {
        while let (Some(worker), Some(&job)) = (self.slots.freest(), self.ready.first()) {
            if let Some(attempt) = self.jobs.get_mut(&job).and_then(Job::start_next) {
                self.slots.start(attempt, worker);
                effects.push(Effect::Start { attempt, worker });
            }
            self.refresh(job);
        }
    }

    /// Puts a job into the queue or takes it out, as it has a task to start or not.
    fn refresh(&mut self, job: JobId) {
        if self.jobs.get(&job).is_some_and(|job| job.startable().is_some()) {
            self.ready.insert(job);
        } else {
            self.ready.remove(&job);
        }
    }

    fn job_mut(&mut self, job: JobId) -> Result<&mut Job, Rejection> {
        self.jobs.get_mut(&job).ok_or(Rejection::UnknownJob { job })
    }

    /// The worker of an attempt, if it is running.
    fn worker_of(&self, attempt: AttemptId) -> Result<WorkerId, Rejection> {
        let job = attempt.task.job;
        let job = self.jobs.get(&job).ok_or(Rejection::UnknownJob { job })?;
        let task =
            job.task(attempt.task).filter(|task| (1..=task.started()).contains(&attempt.number));
        let task = task.ok_or(Rejection::UnknownAttempt { attempt })?;
        let winner = task.winner().map(|winner| attempt.task.attempt(winner.number));
        self.slots.worker_of(attempt).ok_or(Rejection::StaleAttempt { attempt, winner })
    }

    /// A running attempt wins its task; other attempts at it are stopped.
    fn win(
        &mut self,
        attempt: AttemptId,
        digest: Option<u64>,
        counters: &Counters,
        effects: &mut Vec<Effect>,
    ) -> Result<Win, Rejection> {
        let worker = self.worker_of(attempt)?;
        let winner = Winner { number: attempt.number, worker, digest };
        let job = self.job_mut(attempt.task.job)?;
        let win = job.complete(attempt.task, winner, counters);
        if attempt.task.kind == TaskKind::Map && !job.is_map_only() {
            self.slots.keep_output(worker, attempt.task);
        }
        self.slots.finish(attempt);
        self.stop(self.slots.running_at(attempt.task), Cause::BackupWon, effects);
        Ok(win)
    }

    /// Stops these attempts; their tasks are idle again unless they are completed.
    fn stop(&mut self, attempts: Vec<AttemptId>, cause: Cause, effects: &mut Vec<Effect>) {
        for attempt in attempts {
            let Some(worker) = self.slots.finish(attempt) else { continue };
            if let Some(job) = self.jobs.get_mut(&attempt.task.job) {
                job.release(attempt.task);
            }
            effects.push(Effect::Stop { attempt, worker, cause });
        }
    }

    /// Takes the decision to commit once the last output is sealed; from here there is no way back.
    fn advance(&mut self, id: JobId, effects: &mut Vec<Effect>) -> Result<(), Rejection> {
        let job = self.job_mut(id)?;
        if job.is_sealed() {
            job.decide();
            // Map outputs are needed no longer, nor are maps that run again for a lost one.
            self.stop(self.slots.running_in(id), Cause::Killed, effects);
            self.slots.drop_outputs(id);
        }
        self.refresh(id);
        Ok(())
    }

    /// Ends a job, and whatever still runs for it.
    fn end(&mut self, id: JobId, end: End, effects: &mut Vec<Effect>) -> Result<(), Rejection> {
        self.stop(self.slots.running_in(id), Cause::Killed, effects);
        self.slots.drop_outputs(id);
        self.job_mut(id)?.end(end);
        self.refresh(id);
        effects.push(Effect::JobEnded { job: id, state: end.into() });
        Ok(())
    }
}
