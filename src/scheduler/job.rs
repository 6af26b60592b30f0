//! One job: its plan, map, reduce and commit tasks, which of them may start next, and when failures
//! end the job.

pub(super) mod failing;
mod joining;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attempt::{Straggler, Worth};
use super::exclusion::WorkerFault;
use super::failures::{Failed, Failures};
use super::job_state::End;
use super::locations::Changes;
use super::publication::Publication;
use super::queue::Claim;
use super::slots::Slots;
use super::tally::Tally;
use super::tasks::{Tasks, Win};
use super::{Progress, Rejection, Submit, Task, Winner};
use crate::model::{
    AttemptId, AttemptState, Cause, Counters, Failure, JobId, JobOptions, JobState, Location,
    Nonce, TaskId, TaskKind, Volume, WorkerId,
};
pub use sizes::{Partition, Sizes};

/// Share of the maps, in percent, that must be done before reduces may start to fetch.
///
/// Idle maps always start first, so this only decides about slots that the last maps leave free: while fewer maps are
/// done, other jobs get these slots.
pub const SLOW_START_PERCENT: u32 = 50;

/// A failure, and the attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its report.
    pub failure: Failure,
}

/// One job, as described by its [`Submit`], and its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    submit: Submit,
    submitted_ms: u64,
    plan: Tasks,
    maps: Tasks,
    reduces: Tasks,
    /// The commit tasks: one once the decision to commit is made, none before.
    commit: Tasks,
    end: Option<(End, u64)>,
    blame: Option<Blame>,
    failures: Failures,
    counters: Counters,
    sizes: Sizes,
    tally: Tally,
    /// Slots that its attempts hold.
    held: u32,
    pub(super) publication: Publication,
    changes: Changes,
    /// The place in the input of each failing task's last failure.
    failed_records: BTreeMap<TaskId, (Location, u64)>,
    /// Workers on which attempts had faults that may be the job's own fault. At most two are kept: two are enough to
    /// know that it is the job's fault.
    faults_on: BTreeMap<WorkerFault, BTreeSet<WorkerId>>,
}

impl Job {
    pub(super) fn new(submit: Submit, now_ms: u64) -> Self {
        Self {
            submit,
            submitted_ms: now_ms,
            plan: Tasks::new(1),
            maps: Tasks::default(),
            reduces: Tasks::default(),
            commit: Tasks::default(),
            end: None,
            blame: None,
            failures: Failures::default(),
            counters: Counters::new(),
            sizes: Sizes::default(),
            tally: Tally::default(),
            held: 0,
            publication: Publication::default(),
            changes: Changes::default(),
            failed_records: BTreeMap::new(),
            faults_on: BTreeMap::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> JobId {
        self.submit.job
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.submit.name
    }

    /// The client's id of the request that submitted it.
    pub fn request(&self) -> &str {
        &self.submit.request
    }

    /// A random number that makes its staging paths unique.
    pub fn nonce(&self) -> Nonce {
        self.submit.nonce
    }

    /// Its options.
    pub fn options(&self) -> &JobOptions {
        &self.submit.options
    }

    /// When it was submitted, in milliseconds.
    pub fn submitted_ms(&self) -> u64 {
        self.submitted_ms
    }

    /// When it ended, in milliseconds.
    pub fn finished_ms(&self) -> Option<u64> {
        self.end.map(|(_, ms)| ms)
    }

    /// Slots that its attempts hold.
    pub fn held_slots(&self) -> u32 {
        self.held
    }

    /// Its state.
    pub fn state(&self) -> JobState {
        match self.end {
            Some((end, _)) => end.into(),
            None if self.is_decided() => JobState::Committing,
            None if !self.plan.has_started() => JobState::Waiting,
            None if !self.plan.is_done() => JobState::Planning,
            None if !self.maps.is_done() => JobState::Mapping,
            None => JobState::Reducing,
        }
    }

    /// The progress of its tasks of a kind.
    pub fn progress(&self, kind: TaskKind) -> Progress {
        self.tasks(kind).progress()
    }

    /// One of its tasks; `None` if it never started.
    pub fn task(&self, task: TaskId) -> Option<&Task> {
        self.tasks(task.kind).get(task.index)
    }

    /// All tasks that it has so far, in order; `None` for those that never started.
    pub fn all_tasks(&self) -> impl Iterator<Item = (TaskId, Option<&Task>)> {
        self.tasks_from(0)
    }

    /// All tasks that it has so far except the first `offset`, in order; `None` for those that never started. Skipping
    /// costs nothing.
    pub fn tasks_from(&self, offset: u64) -> impl Iterator<Item = (TaskId, Option<&Task>)> {
        let mut left = offset;
        TaskKind::ALL.into_iter().flat_map(move |kind| {
            let total = self.progress(kind).total;
            // At most the total, so the conversion loses nothing.
            let first = left.min(total.into()) as u32;
            left -= u64::from(first);
            (first..total).map(move |index| {
                let task = self.id().task(kind, index);
                (task, self.task(task))
            })
        })
    }

    /// Index and winner of every completed task of a kind, in order.
    pub fn winners(&self, kind: TaskKind) -> impl Iterator<Item = (u32, Winner)> {
        self.tasks(kind).winners()
    }

    /// The sum of the counters of each task's first winner.
    ///
    /// A map that runs again because its output was lost must give the same output, and hence the same counts. It is
    /// not counted twice.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The same counters, with the group `Job Counters`, which the scheduler itself counts.
    pub fn all_counters(&self) -> Counters {
        let (maps, reduces) = (self.maps.progress().total, self.reduces.progress().total);
        let mut counters = self.tally.counters(maps, reduces);
        counters.merge(&self.counters);
        counters
    }

    /// How many bytes its tasks have read.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Bytes of the input that need not be mapped again, assuming that lost outputs are as large as the others.
    pub fn bytes_mapped(&self) -> u64 {
        let (done, lost) = (self.maps.progress().done, self.maps.lost());
        let share = u128::from(self.sizes.mapped_bytes) * u128::from(done);
        u64::try_from(share / u128::from((done + lost).max(1))).unwrap_or(u64::MAX)
    }

    /// The last failure that counted. For a failed job, this is the failure that ended it.
    pub fn blame(&self) -> Option<&Blame> {
        self.blame.as_ref()
    }

    /// The unfinished task whose failure ended the job, if it failed.
    pub fn failed_task(&self) -> Option<TaskId> {
        let task = self.blame.as_ref()?.attempt.task;
        let is_done = self.task(task).is_some_and(|task| task.winner().is_some());
        (self.state() == JobState::Failed && !is_done).then_some(task)
    }

    /// The kept reports of its failed attempts, in order of arrival.
    pub fn failures(&self) -> impl DoubleEndedIterator<Item = &Failed> {
        self.failures.kept()
    }

    /// Number of failures that are no longer kept.
    pub fn failures_left_out(&self) -> u64 {
        self.failures.left_out()
    }

    pub(super) fn tasks(&self, kind: TaskKind) -> &Tasks {
        match kind {
            TaskKind::Plan => &self.plan,
            TaskKind::Map => &self.maps,
            TaskKind::Reduce => &self.reduces,
            TaskKind::Commit => &self.commit,
        }
    }

    fn tasks_mut(&mut self, kind: TaskKind) -> &mut Tasks {
        match kind {
            TaskKind::Plan => &mut self.plan,
            TaskKind::Map => &mut self.maps,
            TaskKind::Reduce => &mut self.reduces,
            TaskKind::Commit => &mut self.commit,
        }
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Refuses a number of reduces other than the submitted one.
    pub(super) fn check_reducers(&self, reducers: u32) -> Result<(), Rejection> {
        self.submit.check_reducers(reducers)
    }

    /// Refuses an impossible win: a reduce reads every map, so each must have won before it.
    pub(super) fn check_win(&self, attempt: AttemptId) -> Result<(), Rejection> {
        if attempt.task.kind == TaskKind::Reduce && !self.maps.have_all_won() {
            return Err(Rejection::MapsMissing { attempt });
        }
        Ok(())
    }

    /// The plan has won, and these are the job's tasks.
    pub(super) fn set_tasks(&mut self, maps: u32, reduces: u32, input_bytes: u64) {
        self.sizes.input_bytes = input_bytes;
        self.maps = Tasks::new(maps);
        self.reduces = Tasks::new(reduces);
    }

    /// Whether reduces may start: once every map has an output to fetch, or, if the job wants them early, once a share
    /// of the maps is done.
    fn reduces_may_start(&self) -> bool {
        let Progress { total, done, .. } = self.maps.progress();
        let is_share = u64::from(done) * 100 >= u64::from(total) * u64::from(SLOW_START_PERCENT);
        self.maps.is_done() || (self.submit.options.early_reduces && is_share)
    }

    /// The kind of task that can start next; `None` if no task can.
    ///
    /// Maps come first, so reduces never take a slot that a map of their job waits for.
    pub(super) fn startable(&self) -> Option<TaskKind> {
        let kind = if self.end.is_some() {
            return None;
        } else if self.is_decided() {
            TaskKind::Commit
        } else if !self.plan.is_done() {
            TaskKind::Plan
        } else if self.maps.next_idle().is_some() {
            TaskKind::Map
        } else if self.reduces_may_start() {
            TaskKind::Reduce
        } else {
            return None;
        };
        self.tasks(kind).next_idle().map(|_| kind)
    }

    /// Whether the next task to start is a reduce that would wait for running maps.
    pub(super) fn is_early(&self) -> bool {
        self.startable() == Some(TaskKind::Reduce) && !self.maps.is_done()
    }

    /// Its claim to a slot, if it has a task to start.
    pub(super) fn claim(&self) -> Option<Claim> {
        let priority = std::cmp::Reverse(self.submit.options.priority);
        self.startable().map(|_| (priority, self.held, self.id()))
    }

    /// Whether maps wait for a slot while reduces that wait for maps hold more of the job's slots than its maps do.
    /// Then a reduce must give back its slot, because otherwise they might wait for each other forever.
    pub(super) fn is_crowded(&self) -> bool {
        self.startable() == Some(TaskKind::Map)
            && self.maps.running_alone() < self.reduces.progress().running
    }

    /// The next task that can start, and its worker: one on which it has not failed, if such a worker has room.
    ///
    /// A task that has just failed lets other tasks go first while it waits for another worker.
    pub(super) fn place(&self, slots: &Slots) -> Option<(u32, WorkerId)> {
        let kind = self.startable()?;
        let (tasks, memory_bytes) = (self.tasks(kind), self.memory_bytes(kind));
        let anywhere = slots.freest_for(memory_bytes, &[])?;
        tasks.idle_ones().find_map(|index| {
            let avoid = tasks.failed_on(index);
            let hopes = || tasks.is_choosy(index) && slots.has_usable_for(memory_bytes, &avoid);
            let here = || Some(anywhere).filter(|_| !hopes());
            Some((index, slots.freest_for(memory_bytes, &avoid).or_else(here)?))
        })
    }

    /// Memory that a worker must give to attempts of this kind, in bytes. A commit needs hardly any, so a job whose
    /// work is done can be published on any worker.
    pub(super) fn memory_bytes(&self, kind: TaskKind) -> u64 {
        if kind == TaskKind::Commit { 0 } else { self.options().memory_bytes }
    }

    /// Whether the next attempt needs more memory than any worker that gets attempts can give it.
    pub(super) fn lacks_memory(&self, slots: &Slots) -> bool {
        let needed = self.startable().map_or(0, |kind| self.memory_bytes(kind));
        needed > 0 && !slots.has_usable_for(needed, &[])
    }

    /// Starts an attempt at a given task, which must be able to start, or at the next one.
    pub(super) fn start(
        &mut self,
        index: Option<u32>,
        worker: WorkerId,
        now_ms: u64,
    ) -> Option<AttemptId> {
        let kind = self.startable()?;
        let index = index.or(self.tasks(kind).next_idle())?;
        let number = self.tasks_mut(kind).start_idle(index, worker, now_ms)?;
        self.held += 1;
        (0..=self.tasks(kind).joined(index).len()).for_each(|_| self.tally.start(number));
        Some(self.id().task(kind, index).attempt(number))
    }

    /// How many maps may join an attempt at a map that knows of `known` joined maps; `None` if none may join.
    ///
    /// At most so many that most of the remaining maps are left to the job's other attempts. Maps that are made again
    /// come first, and run alone if an attempt at them has won, or has failed by itself.
    pub(super) fn may_join(&self, attempt: AttemptId, known: u32) -> Option<u32> {
        let maps = &self.maps;
        let index = attempt.task.index;
        let may = maps.may_lead(index, attempt.number)
            && maps.joined(index).len() as u32 == known
            && self.startable() == Some(TaskKind::Map)
            && maps.next_to_join().is_some();
        may.then(|| maps.idle().div_ceil(2 * self.held.max(1)))
    }

    /// Makes maps join an attempt.
    pub(super) fn join(&mut self, attempt: AttemptId, most: u32, worker: WorkerId, now_ms: u64) {
        let joined = self.maps.join((attempt.task.index, most), worker, now_ms);
        joined.into_iter().for_each(|number| self.tally.start(number));
    }

    /// Starts a second attempt at a task.
    pub(super) fn back_up(
        &mut self,
        task: TaskId,
        worker: WorkerId,
        straggler: Straggler,
        now_ms: u64,
    ) -> Option<AttemptId> {
        let tasks = self.tasks_mut(task.kind);
        let number = tasks.back_up(task.index, worker, straggler, now_ms)?;
        self.held += 1;
        self.tally.start_backup(1 + self.joined(task).len() as u64);
        Some(task.attempt(number))
    }

    /// A running attempt has ended.
    pub(super) fn close(
        &mut self,
        attempt: AttemptId,
        state: AttemptState,
        cause: Cause,
        now_ms: u64,
    ) {
        let TaskId { kind, index, .. } = attempt.task;
        let worth: Option<Worth> =
            self.tasks_mut(kind).close((index, attempt.number), state, cause, now_ms);
        self.tally.close(worth);
        self.held -= 1;
        // The master has its own pauses for a commit, which is retried without limit.
        if state == AttemptState::Failed && kind != TaskKind::Commit {
            self.tasks_mut(kind).rest(index);
        }
        if kind == TaskKind::Commit {
            self.publication.commit_ended(state, cause);
        }
    }

    /// A running attempt has won. Its counters and volume count, unless those of an earlier winner already do.
    pub(super) fn complete(
        &mut self,
        task: TaskId,
        (winner, joined): (Winner, u32),
        (counters, volume): (&Counters, &Volume),
        now_ms: u64,
    ) -> Win {
        let win = self.tasks_mut(task.kind).complete(task.index, winner, joined, now_ms);
        if win.is_first {
            self.counters.merge(counters);
            self.sizes.note(task, volume);
        }
        self.failed_records.remove(&task);
        self.note_change(task);
        win
    }

    /// A map's output is lost.
    pub(super) fn lose_output(&mut self, map: u32) {
        if self.maps.lose(map) {
            self.note_change(self.id().task(TaskKind::Map, map));
        }
    }

    /// A map's output that was considered lost has been found.
    pub(super) fn restore_output(&mut self, map: u32) {
        self.maps.restore(map);
        self.note_change(self.id().task(TaskKind::Map, map));
    }

    /// Records a change of a map's output for the map itself and for all maps that have joined it.
    fn note_change(&mut self, task: TaskId) {
        if task.kind == TaskKind::Map && !self.submit.map_only {
            let total = self.maps.progress().total;
            self.changes.note(task.index, total);
            self.maps.joined(task.index).iter().for_each(|&map| self.changes.note(map, total));
        }
    }

    /// Whether its maps write its parts, because it has no reduce.
    pub fn is_map_only(&self) -> bool {
        self.submit.map_only
    }

    /// Whether all output is sealed, so that the decision to commit can be made.
    ///
    /// A reduce that won has read every map, so a map whose output is lost later no longer matters.
    pub(super) fn is_sealed(&self) -> bool {
        let last = if self.is_map_only() { &self.maps } else { &self.reduces };
        self.end.is_none() && !self.is_decided() && self.plan.is_done() && last.is_done()
    }

    /// Whether map outputs may still be fetched.
    pub(super) fn needs_outputs(&self) -> bool {
        self.end.is_none() && !self.is_decided() && !self.is_map_only()
    }

    fn is_decided(&self) -> bool {
        self.commit.progress().total > 0
    }

    /// Makes the decision to commit.
    pub(super) fn decide(&mut self) {
        self.commit = Tasks::new(1);
        self.changes = Changes::default();
        self.failed_records.clear();
    }

    pub(super) fn end(&mut self, end: End, now_ms: u64) {
        self.end = Some((end, now_ms.max(self.submitted_ms)));
        self.changes = Changes::default();
        self.failed_records.clear();
    }
}
