//! Removes the staging folders of failed and cancelled jobs: a worker sweeps each one.
//!
//! A sweep is assigned like an attempt, but not by the scheduler. Each failed or cancelled job needs one. It may be
//! repeated, and nothing waits for it. Its attempts are called `j7/c1#1`, `#2` and so on, because the scheduler's
//! commit is task `c0`. The end of a sweep is committed to the log, so that the next leader knows which sweeps must
//! still run.

use std::collections::BTreeMap;

use crate::model::{AttemptId, JobId, TaskId, TaskKind, WorkerId};

/// Pause after a sweep's first failure, in milliseconds; doubled with each further one.
const PAUSE_MS: u64 = 500;
/// Longest pause, in milliseconds.
const PAUSE_MS_MAX: u64 = 60_000;
/// Index of the commit task under which sweeps are named: `c1`.
const SWEEP_INDEX: u32 = 1;

/// Sweeps that are not done.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    pub(super) pending: BTreeMap<JobId, Sweep>,
}

#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) number: u32,
    pub(super) on: Option<WorkerId>,
    pub(super) not_before_ms: u64,
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
