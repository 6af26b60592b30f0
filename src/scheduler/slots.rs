//! Tracks the workers: which have room, what they run, and which map outputs they hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::exclusion::{Exclusion, WorkerFault, WorkerFaults};
use crate::model::{AttemptId, JobId, TaskId, TaskKind, WorkerId};

/// All workers that are considered alive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slots {
    workers: BTreeMap<WorkerId, Worker>,
    /// Workers that get attempts and have a free slot: most free slots first, then lowest id.
    free: BTreeSet<(Reverse<u32>, WorkerId)>,
    /// Workers that get no attempts: excluded, draining or both.
    barred: BTreeSet<WorkerId>,
    running: BTreeMap<AttemptId, WorkerId>,
}

/// One worker. Whatever these sets hold is lost with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Worker {
    pub(super) incarnation: u64,
    pub(super) slots: u32,
    /// Memory that it gives to an attempt, in bytes; 0 if that is not limited.
    attempt_memory_bytes: u64,
    pub(super) running: BTreeSet<AttemptId>,
    /// Maps whose winning output is here and may still be fetched.
    pub(super) outputs: BTreeMap<JobId, BTreeSet<u32>>,
    pub(super) draining: Option<Draining>,
    pub(super) exclusion: Option<Exclusion>,
    exclusions: u32,
    faults: WorkerFaults,
}

/// Progress of draining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Draining {
    /// It runs something, or holds outputs that may still be fetched.
    Needed,
    /// It is no longer needed, and the effect that says so was returned.
    Announced,
}

impl Worker {
    /// Creates a worker with this number of slots, and this much memory for the attempt in each.
    pub(super) fn new(incarnation: u64, slots: u32, attempt_memory_bytes: u64) -> Self {
        Self {
            incarnation,
            slots,
            attempt_memory_bytes,
            running: BTreeSet::new(),
            outputs: BTreeMap::new(),
            draining: None,
            exclusion: None,
            exclusions: 0,
            faults: WorkerFaults::default(),
        }
    }

    pub(super) fn running_count(&self) -> u32 {
        u32::try_from(self.running.len()).unwrap_or(u32::MAX)
    }

    fn free_count(&self) -> u32 {
        self.slots.saturating_sub(self.running_count())
    }

    /// Whether the worker gives an attempt this much memory.
    fn gives(&self, memory_bytes: u64) -> bool {
        self.attempt_memory_bytes == 0 || self.attempt_memory_bytes >= memory_bytes
    }

    fn is_barred(&self) -> bool {
        self.draining.is_some() || self.exclusion.is_some()
    }

    /// Whether nothing runs here and no output here may still be fetched.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.outputs.is_empty()
    }
}

impl Slots {
    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Workers that get attempts.
    pub(super) fn usable(&self) -> usize {
        self.workers.len() - self.barred.len()
    }

    pub(super) fn get(&self, worker: WorkerId) -> Option<&Worker> {
        self.workers.get(&worker)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().map(|(&id, worker)| (id, worker))
    }

    /// Workers that get no attempts.
    pub(super) fn barred(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.barred.iter().filter_map(|&id| Some((id, self.workers.get(&id)?)))
    }

    pub(super) fn add(&mut self, id: WorkerId, worker: Worker) {
        self.free.insert((Reverse(worker.free_count()), id));
        self.workers.insert(id, worker);
    }

    /// Removes a worker on which nothing runs. Returns what it held.
    pub(super) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let gone = self.workers.remove(&id)?;
        self.free.remove(&(Reverse(gone.free_count()), id));
        self.barred.remove(&id);
        self.spare_the_last();
        Some(gone)
    }

    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether a worker gets attempts.
    pub(super) fn is_usable(&self, worker: WorkerId) -> bool {
        self.workers.contains_key(&worker) && !self.barred.contains(&worker)
    }

    /// Whether a worker other than these (each listed once) gets attempts and gives them this much memory.
    pub(super) fn has_usable_for(&self, memory_bytes: u64, avoid: &[WorkerId]) -> bool {
        if memory_bytes == 0 {
            return self.usable() > avoid.iter().filter(|&&worker| self.is_usable(worker)).count();
        }
        self.all().any(|(id, worker)| {
            !worker.is_barred() && worker.gives(memory_bytes) && !avoid.contains(&id)
        })
    }

    /// The most memory that a worker gives to an attempt, in bytes, among the workers that get attempts and limit
    /// their memory.
    pub(super) fn most_memory_bytes(&self) -> Option<u64> {
        let usable = self.workers.values().filter(|worker| !worker.is_barred());
        usable.map(|worker| worker.attempt_memory_bytes).max()
    }

    /// The worker with the most free slots (and among those the lowest id) that gives an attempt this much memory and
    /// is not one of these. If no memory is demanded, it examines at most one worker more than it must avoid.
    pub(super) fn freest_for(&self, memory_bytes: u64, avoid: &[WorkerId]) -> Option<WorkerId> {
        let gives = |id| self.workers.get(&id).is_some_and(|worker| worker.gives(memory_bytes));
        let free = self.free.iter().map(|&(_, worker)| worker);
        free.filter(|&id| memory_bytes == 0 || gives(id)).find(|worker| !avoid.contains(worker))
    }

    pub(super) fn free_slots(&self) -> usize {
        self.free.iter().map(|&(Reverse(free), _)| free as usize).sum()
    }

    pub(super) fn start(&mut self, attempt: AttemptId, worker: WorkerId) {
        self.running.insert(attempt, worker);
        self.change(worker, |worker| {
            worker.running.insert(attempt);
        });
    }

    /// Frees the slot of a running attempt, and returns its worker.
    pub(super) fn finish(&mut self, attempt: AttemptId) -> Option<WorkerId> {
        let worker = self.running.remove(&attempt)?;
        self.change(worker, |worker| {
            worker.running.remove(&attempt);
        });
        Some(worker)
    }

    /// Changes a worker, and keeps the free workers in order.
    fn change(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker)) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        self.free.remove(&(Reverse(worker.free_count()), id));
        change(worker);
        if worker.is_barred() {
            self.barred.insert(id);
        } else {
            self.barred.remove(&id);
            if worker.free_count() > 0 {
                self.free.insert((Reverse(worker.free_count()), id));
            }
        }
    }

    /// Records that a map's output is on a worker.
    pub(super) fn keep_output(&mut self, worker: WorkerId, map: TaskId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.outputs.entry(map.job).or_default().insert(map.index);
        }
    }

    /// Removes one map output.
    pub(super) fn drop_output(&mut self, worker: WorkerId, map: TaskId) {
        let Some(worker) = self.workers.get_mut(&worker) else { return };
        let Some(maps) = worker.outputs.get_mut(&map.job) else { return };
        maps.remove(&map.index);
        if maps.is_empty() {
            worker.outputs.remove(&map.job);
        }
    }

    /// Removes all map outputs of a job. Called once per job, so it may visit every worker.
    pub(super) fn drop_outputs(&mut self, job: JobId) {
        for worker in self.workers.values_mut() {
            worker.outputs.remove(&job);
        }
    }

    /// An attempt has succeeded on a worker.
    pub(super) fn succeed(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.faults.succeed();
        }
    }

    /// A worker reports a map output of another worker as lost or corrupt. Without a reader, the worker itself reports
    /// it.
    pub(super) fn doubt(&mut self, worker: WorkerId, reader: Option<WorkerId>) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.faults.doubt(reader);
        }
    }

    /// Counts a job's fault on a worker, and excludes the worker if there have been too many.
    ///
    /// If it is the last usable worker, the excluded worker with the fewest exclusions is readmitted in its place, if
    /// there is one.
    pub(super) fn note_fault(&mut self, id: WorkerId, fault: WorkerFault, job: JobId) {
        let is_last = self.usable() <= 1;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.faults.note(fault, job);
        if !worker.faults.suffice(fault) || worker.is_barred() {
            return;
        }
        if is_last {
            let Some(other) = self.least_bad() else { return };
            self.readmit(other);
        }
        self.change(id, |worker| {
            worker.exclusions = worker.exclusions.saturating_add(1);
            worker.exclusion = Some(Exclusion { number: worker.exclusions, fault });
        });
    }

    /// The excluded worker with the fewest exclusions, and among those the lowest id.
    fn least_bad(&self) -> Option<WorkerId> {
        let excluded = self.barred().filter(|(_, worker)| worker.draining.is_none());
        excluded.min_by_key(|&(id, worker)| (worker.exclusions, id)).map(|(id, _)| id)
    }

    /// Removes a job's faults from all workers, and readmits workers that were excluded only because of them.
    pub(super) fn acquit(&mut self, fault: WorkerFault, job: JobId) {
        let mut cleared = Vec::new();
        for (&id, worker) in &mut self.workers {
            worker.faults.acquit(fault, job);
            let is_for_it = worker.exclusion.is_some_and(|it| it.fault == fault);
            if is_for_it && !worker.faults.suffice(fault) {
                cleared.push(id);
            }
        }
        cleared.into_iter().for_each(|id| self.readmit(id));
    }

    /// Readmits a worker, and clears its faults.
    pub(super) fn readmit(&mut self, id: WorkerId) {
        self.change(id, |worker| {
            worker.exclusion = None;
            worker.faults.clear();
        });
    }

    pub(super) fn drain(&mut self, id: WorkerId) {
        self.change(id, |worker| {
            worker.draining.get_or_insert(Draining::Needed);
        });
        self.spare_the_last();
    }

    /// Readmits all excluded workers if no other worker gets attempts.
    fn spare_the_last(&mut self) {
        if self.usable() > 0 {
            return;
        }
        let excluded = self.barred().filter(|(_, worker)| worker.draining.is_none());
        for worker in excluded.map(|(id, _)| id).collect::<Vec<_>>() {
            self.readmit(worker);
        }
    }

    /// Draining workers that are no longer needed, each returned once.
    pub(super) fn newly_drained(&mut self) -> Vec<WorkerId> {
        let mut drained = Vec::new();
        for &id in &self.barred {
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            if worker.draining == Some(Draining::Needed) && worker.is_idle() {
                worker.draining = Some(Draining::Announced);
                drained.push(id);
            }
        }
        drained
    }

    pub(super) fn worker_of(&self, attempt: AttemptId) -> Option<WorkerId> {
        self.running.get(&attempt).copied()
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (AttemptId, WorkerId)> {
        self.running.iter().map(|(&attempt, &worker)| (attempt, worker))
    }

    /// The running attempts of a job.
    pub(super) fn running_in(&self, job: JobId) -> Vec<AttemptId> {
        let first = job.task(TaskKind::Plan, 0).attempt(0);
        let last = job.task(TaskKind::Commit, u32::MAX).attempt(u32::MAX);
        self.running.range(first..=last).map(|(&attempt, _)| attempt).collect()
    }

    /// The running attempts of a job at tasks of one kind, last one first.
    pub(super) fn running_of(
        &self,
        job: JobId,
        kind: TaskKind,
    ) -> impl Iterator<Item = (AttemptId, WorkerId)> {
        let range = job.task(kind, 0).attempt(0)..=job.task(kind, u32::MAX).attempt(u32::MAX);
        self.running.range(range).rev().map(|(&attempt, &worker)| (attempt, worker))
    }

    /// The running attempts at a task.
    pub(super) fn running_at(&self, task: TaskId) -> Vec<AttemptId> {
        let range = task.attempt(0)..=task.attempt(u32::MAX);
        self.running.range(range).map(|(&attempt, _)| attempt).collect()
    }
}
