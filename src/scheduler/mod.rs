//! Decides which attempt runs where: commands in, effects out.
//!
//! The scheduler is a plain value. [`Scheduler::apply`] takes a [`Command`] and returns the
//! [`Effect`]s that follow from it, or a [`Rejection`] that leaves the state unchanged. It reads no
//! clock, uses no random numbers, does no I/O, and iterates only over ordered collections. So every
//! replica that applies the same commands has the same state and gives the same answers.
//!
//! There is no command that assigns a task. When a command frees a slot or makes a task ready, the
//! same call of `apply` starts all tasks that can run now. Effects are never stored. A new leader
//! derives from the state what each worker should hold ([`Scheduler::should_hold`]), and compares
//! that with what the worker holds.
//!
//! A second pure function, [`watch()`], proposes the commands that depend on time, such as timeouts
//! and retries. The leader calls it with the state and its own observations; `apply` checks its
//! proposals like any other command.
//!
//! ```text
//!  command/     one file per command: its fields, who sends it, what it does
//!  effect       what the owner of the slots has to do
//!  rejection    why a command was refused
//!  job          one job: its four kinds of task, what may start, what failures cost
//!  job_state    where a job stands
//!  task         one task: where it stands, the attempts at it
//!  tasks        the tasks of one kind: which are idle, in progress, completed
//!  attempt      one try at a task, and what a backup was worth
//!  budget       how many failures of each kind a task may have, and how long it pauses
//!  tally        what is counted beside the winners' counters
//!  queue        whose turn it is
//!  slots        the workers: which have room, what they run, which map outputs they hold
//!  exclusion    when a worker gets no attempts for a while
//!  failures     what failed attempts reported, as far as it is kept
//!  locations    where map outputs lie, as changes
//!  queries      what others ask of the state
//!  reason       what a job waits for
//!  watch/       timeouts, retries, stragglers, ends of exclusions, history
//! ```
//!
//! The time for a command is logarithmic in the size of the state, plus the time for its effects. The state needs
//! memory for each started task and for each change of a map output's location, but not for each (map, reduce) pair.

mod attempt;
mod budget;
mod command;
mod effect;
mod exclusion;
mod failures;
mod job;
mod job_state;
mod locations;
mod publication;
mod queries;
mod queue;
mod reason;
mod rejection;
mod slots;
mod tally;
mod task;
mod tasks;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    AttemptId, AttemptState, Cause, Counters, Failure, JobId, TaskKind, Volume, WorkerId,
};

pub use attempt::{Attempt, Backup, Straggler, Worth};
pub use budget::{
    COMMIT_DEATHS_MAX, COMMIT_MISSES_MAX, DISK_FAILURES_MAX, FETCH_FAILURES_MAX, LOST_OUTPUTS_MAX,
    LOST_WORKERS_MAX, MACHINE_FAILURES_MAX, MEMORY_FAILURES_MAX, REFETCHES_MAX,
};
pub use command::{
    BackUp, Cancel, Command, Complete, Drain, Fail, Forget, HeldOutput, Join, Leave, LoseOutput,
    LoseWorker, PlanDone, Readmit, RegisterWorker, RestoreOutputs, Retry, SPLITS_MAX, Submit,
    TimeOut,
};
pub use effect::Effect;
pub use exclusion::{Exclusion, WorkerFault};
pub use failures::{FAILURES_KEPT, Failed};
pub use job::failing::SAME_RECORD;
pub use job::{Blame, Job, Partition, SLOW_START_PERCENT, Sizes};
pub use locations::{Cursor, Moved, Output};
pub use queries::WorkerView;
pub use reason::Reason;
pub use rejection::{BackupRefusal, Field, Rejection};
pub use tally::JOB_COUNTERS;
pub use task::{ATTEMPTS_KEPT, Task, TaskProgress, Winner};
pub use tasks::{Progress, Wait};
pub use watch::{HISTORY_JOBS_MAX, HISTORY_TASKS_MAX, Observed, Sign, watch};

use job_state::End;
use queue::Queue;
use slots::Slots;
use tasks::Win;

/// All jobs, all workers, and what runs where.
///
/// In serialized form it is a snapshot: a replica that starts from it continues like any other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    jobs: BTreeMap<JobId, Job>,
    /// The job that each client's request has created.
    requests: BTreeMap<String, JobId>,
    /// The highest id so far, including the ids of forgotten jobs.
    last_job: Option<JobId>,
    queue: Queue,
    /// Jobs whose reduces hold slots that their maps wait for.
    crowded: BTreeSet<JobId>,
    slots: Slots,
    /// The time of the last command. It is recorded for people, and decides nothing.
    now_ms: u64,
}

impl Scheduler {
    /// No jobs, no workers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one command and starts whatever can run after it.
    ///
    /// `at_ms` is when the command was proposed, by the proposer's clock. It is only shown to people, for example as
    /// [`Attempt::started_ms`]. It may go back, for example when another master leads: a clock that was fast for one
    /// command must not put wrong times on all later ones. Nothing ends before it began.
    ///
    /// The effects come in this order: attempts to stop, jobs that have ended, attempts to start, workers that are no
    /// longer needed. The slot of a stopped attempt counts as free at once, so a worker must stop the one attempt
    /// before it begins the other.
    ///
    /// # Errors
    /// A [`Rejection`] is an answer on which all replicas agree; nothing has changed.
    pub fn apply(
        &mut self,
        at_ms: u64,
        command: impl Into<Command>,
    ) -> Result<Vec<Effect>, Rejection> {
        let before_ms = self.now_ms;
        self.now_ms = at_ms;
        let mut effects = Vec::new();
        if let Err(rejection) = command.into().apply(self, &mut effects) {
            self.now_ms = before_ms;
            return Err(rejection);
        }
        self.assign(&mut effects);
        effects.extend(
            self.slots.newly_drained().into_iter().map(|worker| Effect::WorkerDrained { worker }),
        );
        effects.sort_by_key(Effect::rank);
        Ok(effects)
    }

    /// Starts attempts while there is a free slot and a task for it.
    ///
    /// Jobs take turns (see [`queue`]). A job's tasks start in the order of their index, each on the worker with the
    /// most free slots, and if there are several, on the one with the lowest id. A task does not start where it has
    /// failed while there is room elsewhere ([`Job::place`]).
    fn assign(&mut self, effects: &mut Vec<Effect>) {
        while self.slots.has_room()
            && let Some((job, index, worker)) = self.next_start()
        {
            self.start(job, Some(index), worker, effects);
        }
        while let Some((job, reduce, worker)) = self.crowding() {
            self.stop(vec![reduce], Cause::Killed, effects);
            self.start(job, None, worker, effects);
        }
    }

    /// The first job, in the order of turns, that has a task for a free worker, with that task and worker.
    fn next_start(&self) -> Option<(JobId, u32, WorkerId)> {
        self.queue.jobs().find_map(|id| {
            let (index, worker) = self.jobs.get(&id)?.place(&self.slots)?;
            Some((id, index, worker))
        })
    }

    fn start(
        &mut self,
        job: JobId,
        index: Option<u32>,
        worker: WorkerId,
        effects: &mut Vec<Effect>,
    ) {
        let now_ms = self.now_ms;
        if let Some(attempt) =
            self.jobs.get_mut(&job).and_then(|job| job.start(index, worker, now_ms))
        {
            self.slots.start(attempt, worker);
            self.queue.serve(job);
            effects.push(Effect::Start { attempt, worker });
        }
        self.refresh(job);
    }

    /// A reduce whose slot is needed by a map of its own job: the last one of those on workers that get attempts,
    /// which has fetched least. The reduce loses nothing but its time.
    ///
    /// If a slot were free, no map would be waiting for it, unless that map has failed on that worker.
    fn crowding(&self) -> Option<(JobId, AttemptId, WorkerId)> {
        self.crowded.iter().find_map(|&job| {
            let (reduce, worker) = self.last_reduce(job, &[])?;
            Some((job, reduce, worker))
        })
    }

    /// The last reduce of a job that runs on a worker that gets attempts and is not to be avoided.
    fn last_reduce(&self, job: JobId, avoid: &[WorkerId]) -> Option<(AttemptId, WorkerId)> {
        let mut reduces = self.slots.running_of(job, TaskKind::Reduce);
        let is_meant = |worker| self.slots.is_usable(worker) && !avoid.contains(&worker);
        reduces.find(|&(_, worker)| is_meant(worker))
    }

    /// Whether a task waits for a slot in which it could run to its end. A reduce that would start before its maps are
    /// done could not, so it does not prevent a backup of one of these maps.
    fn tasks_wait(&self) -> bool {
        let mut jobs = self.queue.jobs().filter_map(|job| self.jobs.get(&job));
        jobs.any(|job| !job.is_early() && !job.lacks_memory(&self.slots))
    }

    /// Adds a submitted job.
    fn open(&mut self, submit: Submit) {
        let job = submit.job;
        self.jobs.insert(job, Job::new(submit, self.now_ms));
        self.refresh(job);
    }

    /// Puts a job into the queue at the place that its state gives it.
    fn refresh(&mut self, id: JobId) {
        let job = self.jobs.get(&id);
        self.queue.set(id, job.and_then(Job::claim));
        if job.is_some_and(Job::is_crowded) {
            self.crowded.insert(id);
        } else if !self.crowded.is_empty() {
            self.crowded.remove(&id);
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

    /// A running attempt wins its task. Other attempts at the task are stopped.
    fn win(
        &mut self,
        attempt: AttemptId,
        (digest, is_staged): (Option<u64>, bool),
        joined: u32,
        counted: (&Counters, &Volume),
        effects: &mut Vec<Effect>,
    ) -> Result<Win, Rejection> {
        let (worker, now_ms) = (self.worker_of(attempt)?, self.now_ms);
        let (number, usage) = (attempt.number, counted.1.usage);
        let winner = Winner { number, worker, digest, is_staged, usage };
        let job = self.job_mut(attempt.task.job)?;
        job.check_win(attempt)?;
        let win = job.complete(attempt.task, (winner, joined), counted, now_ms);
        if attempt.task.kind == TaskKind::Map && job.needs_outputs() {
            self.slots.keep_output(worker, attempt.task);
        }
        self.close(attempt, AttemptState::Succeeded, Cause::None);
        self.slots.succeed(worker);
        self.stop(self.slots.running_at(attempt.task), Cause::BackupWon, effects);
        Ok(win)
    }

    /// A running attempt has failed, and its job may fail with it.
    fn fail(
        &mut self,
        attempt: AttemptId,
        failure: Failure,
        deterministic: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let (worker, now_ms) = (self.worker_of(attempt)?, self.now_ms);
        let id = attempt.task.job;
        let joined = self.job_mut(id)?.joined(attempt.task).to_vec();
        let failed = Failed::new(attempt, worker, &failure, &joined, now_ms);
        self.job_mut(id)?.note_failure(failed);
        self.close(attempt, AttemptState::Failed, failure.cause);
        // A failure that would occur everywhere is not the worker's fault.
        if let Some(fault) = WorkerFault::of(failure.cause).filter(|_| !deterministic) {
            self.note_fault(worker, fault, id)?;
        }
        if self.job_mut(id)?.charge(Blame { attempt, failure }, deterministic) {
            return self.end(id, End::Failed, effects);
        }
        self.job_mut(id)?.share_failure(attempt.task, &joined);
        if self.job_mut(id)?.publication.is_unwanted && self.is_unpublished(id) {
            return self.end(id, End::Cancelled, effects);
        }
        self.refresh(id);
        Ok(())
    }

    /// Counts a job's fault against the worker where it occurred, unless the job has had it on another worker too.
    fn note_fault(
        &mut self,
        worker: WorkerId,
        fault: WorkerFault,
        id: JobId,
    ) -> Result<(), Rejection> {
        if fault.may_follow_job() && self.job_mut(id)?.takes_along(fault, worker) {
            self.slots.acquit(fault, id);
        } else {
            self.slots.note_fault(worker, fault, id);
        }
        Ok(())
    }

    /// Whether no commit of the job is running, and none may have published anything.
    fn is_unpublished(&self, id: JobId) -> bool {
        self.slots.running_at(id.task(TaskKind::Commit, 0)).is_empty()
            && self.jobs.get(&id).is_some_and(|job| !job.publication.may_be_visible)
    }

    /// A running attempt has ended: frees its slot, and records how it ended.
    fn close(&mut self, attempt: AttemptId, state: AttemptState, cause: Cause) -> Option<WorkerId> {
        let worker = self.slots.finish(attempt)?;
        let now_ms = self.now_ms;
        if let Some(job) = self.jobs.get_mut(&attempt.task.job) {
            job.close(attempt, state, cause, now_ms);
        }
        self.refresh(attempt.task.job);
        Some(worker)
    }

    /// Stops these attempts. Their tasks are idle again unless they are completed.
    fn stop(&mut self, attempts: Vec<AttemptId>, cause: Cause, effects: &mut Vec<Effect>) {
        for attempt in attempts {
            if let Some(worker) = self.close(attempt, AttemptState::Killed, cause) {
                effects.push(Effect::Stop { attempt, worker, cause });
            }
        }
    }

    /// Decides to commit once the last output is sealed. The decision is final.
    fn advance(&mut self, id: JobId, effects: &mut Vec<Effect>) -> Result<(), Rejection> {
        let job = self.job_mut(id)?;
        if job.is_sealed() {
            job.decide();
            // Map outputs are no longer needed, nor are maps that run again for a lost output.
            self.stop(self.slots.running_in(id), Cause::Killed, effects);
            self.slots.drop_outputs(id);
        }
        self.refresh(id);
        Ok(())
    }

    /// Ends a job, and everything that still runs for it.
    fn end(&mut self, id: JobId, end: End, effects: &mut Vec<Effect>) -> Result<(), Rejection> {
        self.stop(self.slots.running_in(id), Cause::Killed, effects);
        self.slots.drop_outputs(id);
        let now_ms = self.now_ms;
        self.job_mut(id)?.end(end, now_ms);
        self.refresh(id);
        effects.push(Effect::JobEnded { job: id, state: end.into() });
        Ok(())
    }
}
