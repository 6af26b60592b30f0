//! The workers: which have room, what runs on them, and whose map output they hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::spec::{AttemptId, JobId, TaskId, TaskKind, WorkerId};

/// All workers that are believed alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slots {
    workers: BTreeMap<WorkerId, Worker>,
    /// Workers with a free slot: most free slots first, then lowest id.
    free: BTreeSet<(Reverse<u32>, WorkerId)>,
    running: BTreeMap<AttemptId, WorkerId>,
}

/// One worker; what was lost with it is what these sets hold at that moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Worker {
    slots: u32,
    pub(super) running: BTreeSet<AttemptId>,
    /// Maps whose winning output lies here and may still be fetched.
    pub(super) outputs: BTreeMap<JobId, BTreeSet<u32>>,
}

/// A worker as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerView {
    /// Its id.
    pub id: WorkerId,
    /// Attempts it can run at once.
    pub slots: u32,
    /// Attempts it runs now.
    pub running: u32,
}

impl Worker {
    fn running_count(&self) -> u32 {
        u32::try_from(self.running.len()).unwrap_or(u32::MAX)
    }

    fn free_count(&self) -> u32 {
        self.slots.saturating_sub(self.running_count())
    }
}

impl Slots {
    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    pub(super) fn contains(&self, worker: WorkerId) -> bool {
        self.workers.contains_key(&worker)
    }

    pub(super) fn add(&mut self, worker: WorkerId, slots: u32) {
        self.workers.insert(worker, Worker { slots, ..Worker::default() });
        self.free.insert((Reverse(slots), worker));
    }

    /// Takes a worker out, and what runs on it; gives what it held.
    pub(super) fn remove(&mut self, worker: WorkerId) -> Option<Worker> {
        let gone = self.workers.remove(&worker)?;
        self.free.remove(&(Reverse(gone.free_count()), worker));
        for attempt in &gone.running {
            self.running.remove(attempt);
        }
        Some(gone)
    }

    /// The worker with the most free slots, and of those the one with the lowest id.
    pub(super) fn freest(&self) -> Option<WorkerId> {
        self.free.first().map(|&(_, worker)| worker)
    }

    pub(super) fn start(&mut self, attempt: AttemptId, worker: WorkerId) {
        self.running.insert(attempt, worker);
        self.change(worker, |worker| {
            worker.running.insert(attempt);
        });
    }

    /// Frees the slot of a running attempt; gives the worker it ran on.
    pub(super) fn finish(&mut self, attempt: AttemptId) -> Option<WorkerId> {
        let worker = self.running.remove(&attempt)?;
        self.change(worker, |worker| {
            worker.running.remove(&attempt);
        });
        Some(worker)
    }

    /// Changes what runs on a worker and keeps the order of the free ones right.
    fn change(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker)) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        self.free.remove(&(Reverse(worker.free_count()), id));
        change(worker);
        if worker.free_count() > 0 {
            self.free.insert((Reverse(worker.free_count()), id));
        }
    }

    /// Remembers that a map's output lies on a worker.
    pub(super) fn keep_output(&mut self, worker: WorkerId, map: TaskId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.outputs.entry(map.job).or_default().insert(map.index);
        }
    }

    /// Forgets all map outputs of a job; once per job, so it may look at every worker.
    pub(super) fn drop_outputs(&mut self, job: JobId) {
        for worker in self.workers.values_mut() {
            worker.outputs.remove(&job);
        }
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

    /// The running attempts at a task.
    pub(super) fn running_at(&self, task: TaskId) -> Vec<AttemptId> {
        let range = task.attempt(0)..=task.attempt(u32::MAX);
        self.running.range(range).map(|(&attempt, _)| attempt).collect()
    }

    pub(super) fn views(&self) -> impl Iterator<Item = WorkerView> {
        self.workers.iter().map(|(&id, worker)| WorkerView {
            id,
            slots: worker.slots,
            running: worker.running_count(),
        })
    }
}
