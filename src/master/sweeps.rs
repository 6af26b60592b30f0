//! Removes the staging folders of failed and cancelled jobs: a worker sweeps each one.
//!
//! A sweep is assigned like an attempt, but not by the scheduler. Each failed or cancelled job needs one. It may be
//! repeated, and nothing waits for it. Its attempts are called `j7/c1#1`, `#2` and so on, because the scheduler's
//! commit is task `c0`. The end of a sweep is committed to the log, so that the next leader knows which sweeps must
//! still run.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::state::State;
use crate::spec::{AttemptId, JobId, TaskId, TaskKind, WorkerId, WorkerState};

/// Pause after a sweep's first failure, in milliseconds; doubled with each further one.
const PAUSE_MS: u64 = 500;
/// Longest pause, in milliseconds.
const PAUSE_MS_MAX: u64 = 60_000;
/// Index of the commit task under which sweeps are named: `c1`.
const SWEEP_INDEX: u32 = 1;

/// Sweeps that are not done.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    pending: BTreeMap<JobId, Sweep>,
}

#[derive(Debug)]
struct Sweep {
    number: u32,
    on: Option<WorkerId>,
    not_before_ms: u64,
}

/// Whether an attempt belongs to a sweep.
pub(super) fn is_sweep(attempt: AttemptId) -> bool {
    attempt.task.kind == TaskKind::Commit && attempt.task.index == SWEEP_INDEX
}

fn task(job: JobId) -> TaskId {
    job.task(TaskKind::Commit, SWEEP_INDEX)
}

impl Sweeps {
    pub(super) fn add(&mut self, job: JobId) {
        let sweep = Sweep { number: 1, on: None, not_before_ms: 0 };
        self.pending.entry(job).or_insert(sweep);
    }

    /// Drops the sweep of a forgotten job.
    pub(super) fn remove(&mut self, job: JobId) {
        self.pending.remove(&job);
    }

    /// The sweeps that a worker should hold.
    pub(super) fn on(&self, worker: WorkerId) -> impl Iterator<Item = AttemptId> {
        let here = self.pending.iter().filter(move |(_, sweep)| sweep.on == Some(worker));
        here.map(|(&job, sweep)| task(job).attempt(sweep.number))
    }

    /// Records that a worker has reported a sweep as done. Returns whether it was the current one.
    pub(super) fn done(&mut self, attempt: AttemptId) -> bool {
        let is_it = self.is_current(attempt);
        if is_it {
            self.pending.remove(&attempt.task.job);
        }
        is_it
    }

    /// Records that a sweep has failed. It is retried after a pause.
    pub(super) fn failed(&mut self, attempt: AttemptId, now_ms: u64) {
        if self.is_current(attempt)
            && let Some(sweep) = self.pending.get_mut(&attempt.task.job)
        {
            let doubled = PAUSE_MS.saturating_mul(1 << (sweep.number - 1).min(20));
            sweep.not_before_ms = now_ms.saturating_add(doubled.min(PAUSE_MS_MAX));
            sweep.number = sweep.number.saturating_add(1);
            sweep.on = None;
        }
    }

    fn is_current(&self, attempt: AttemptId) -> bool {
        is_sweep(attempt)
            && self
                .pending
                .get(&attempt.task.job)
                .is_some_and(|sweep| sweep.on.is_some() && sweep.number == attempt.number)
    }
}

impl Desk {
    /// Assigns sweeps without a worker to the least busy workers.
    ///
    /// A sweep starts once no live worker can hold an attempt of its job: a plan attempt that is still being stopped
    /// would create the staging folder again after the sweep.
    pub(super) fn assign_sweeps(&mut self, state: &State, now_ms: u64) {
        let due: Vec<JobId> = self.due_sweeps(state, now_ms);
        for job in due {
            let worker = self.least_busy(state);
            if let Some(sweep) = self.sweeps.pending.get_mut(&job) {
                sweep.on = worker;
            }
            if let Some(worker) = worker {
                self.wake(worker);
            }
        }
    }

    fn due_sweeps(&mut self, state: &State, now_ms: u64) -> Vec<JobId> {
        for sweep in self.sweeps.pending.values_mut() {
            if sweep.on.is_some_and(|worker| state.scheduler.worker(worker).is_none()) {
                sweep.on = None;
                sweep.number = sweep.number.saturating_add(1);
            }
        }
        let pending = self.sweeps.pending.iter();
        let due = pending.filter(|(_, sweep)| sweep.on.is_none() && sweep.not_before_ms <= now_ms);
        let due: Vec<JobId> = due.map(|(&job, _)| job).collect();
        due.into_iter().filter(|&job| !self.is_held(state, job)).collect()
    }

    /// Whether a live worker may hold an attempt of a job.
    fn is_held(&self, state: &State, job: JobId) -> bool {
        state.scheduler.workers().any(|worker| {
            self.session(worker.id).is_some_and(|session| {
                let mut of_job = session.holds.iter().filter(|attempt| attempt.task.job == job);
                !session.is_heard || of_job.any(|attempt| !is_sweep(*attempt))
            })
        })
    }

    fn least_busy(&self, state: &State) -> Option<WorkerId> {
        let stays = |state| matches!(state, WorkerState::Alive | WorkerState::Excluded);
        let least = state.scheduler.workers().min_by_key(|worker| {
            let sweeps = self.sweeps.on(worker.id).count();
            (!stays(worker.state), sweeps, worker.running >= worker.slots, worker.running)
        });
        least.map(|worker| worker.id)
    }
}
