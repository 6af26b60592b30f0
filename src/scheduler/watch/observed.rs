//! What the leader has observed of attempts and workers, with times of its own clock.

use std::collections::BTreeMap;

use crate::model::{AttemptId, JobId, TaskId, TaskKind, WorkerId};
use crate::scheduler::{Exclusion, Job, Scheduler, Wait};

/// A worker's report about a running attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sign {
    /// Any number that increases with the work done, such as records read and written. While it increases, the
    /// attempt is alive.
    pub work: u64,
    /// The share of the work that is done, in thousandths, as far as it is known.
    pub permille: u32,
}

/// A running attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AttemptProgress {
    pub(super) since_ms: u64,
    /// When its work last increased.
    pub(super) advanced_ms: u64,
    pub(super) sign: Sign,
}

/// Tasks of one job and kind whose win was observed. Tasks that share an attempt divide its time among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) count: u64,
    pub(super) total_ms: u64,
}

/// The leader's observations, with times of a monotonic clock in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    attempts: BTreeMap<AttemptId, AttemptProgress>,
    excluded: BTreeMap<(WorkerId, Exclusion), u64>,
    finished: BTreeMap<(JobId, TaskKind), Finished>,
    /// Since when failed tasks have waited.
    waits: BTreeMap<(TaskId, Wait), u64>,
}

impl Observed {
    /// The observations of a new leader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a worker's report about an attempt; unknown attempts are ignored.
    pub fn note(&mut self, attempt: AttemptId, sign: Sign, now_ms: u64) {
        if let Some(progress) = self.attempts.get_mut(&attempt) {
            if sign.work > progress.sign.work || sign.permille > progress.sign.permille {
                progress.advanced_ms = now_ms;
            }
            progress.sign = sign;
        }
    }

    /// Aligns the observations with the state: drops what is over, and starts timers for what is new. Must be called
    /// before each [`watch`](super::watch()).
    pub fn follow(&mut self, state: &Scheduler, now_ms: u64) {
        let finished = &mut self.finished;
        self.attempts.retain(|&attempt, progress| {
            let runs = state.slots.worker_of(attempt).is_some();
            if !runs && has_won(state, attempt) {
                let finished = finished.entry((attempt.task.job, attempt.task.kind)).or_default();
                let joined =
                    state.job(attempt.task.job).map_or(0, |job| job.joined(attempt.task).len());
                finished.count += 1 + joined as u64;
                finished.total_ms += now_ms.saturating_sub(progress.since_ms);
            }
            runs
        });
        let is_live = |id| state.job(id).is_some_and(|job| !job.state().is_terminal());
        finished.retain(|&(job, _), _| is_live(job));
        for (attempt, _) in state.running() {
            let sign = Sign::default();
            let new = AttemptProgress { since_ms: now_ms, advanced_ms: now_ms, sign };
            self.attempts.entry(attempt).or_insert(new);
        }

        let before = std::mem::take(&mut self.waits);
        let waits = state.jobs().flat_map(Job::waits);
        self.waits =
            waits.map(|wait| (wait, before.get(&wait).copied().unwrap_or(now_ms))).collect();

        let barred = state.slots.barred();
        let excluded = barred.filter_map(|(worker, found)| Some((worker, found.exclusion?)));
        let before = std::mem::take(&mut self.excluded);
        self.excluded = excluded
            .map(|exclusion| (exclusion, before.get(&exclusion).copied().unwrap_or(now_ms)))
            .collect();
    }

    pub(super) fn waits_since(&self, task: TaskId, wait: Wait) -> Option<u64> {
        self.waits.get(&(task, wait)).copied()
    }

    pub(super) fn progress_of(&self, attempt: AttemptId) -> Option<&AttemptProgress> {
        self.attempts.get(&attempt)
    }

    /// How much longer a worker stays excluded, in milliseconds, as far as this leader knows.
    pub fn excluded_for_ms(&self, worker: WorkerId, exclusion: Exclusion, now_ms: u64) -> u64 {
        let since_ms = self.excluded_since(worker, exclusion).unwrap_or(now_ms);
        since_ms.saturating_add(exclusion.fault.period_ms()).saturating_sub(now_ms)
    }

    pub(super) fn excluded_since(&self, worker: WorkerId, exclusion: Exclusion) -> Option<u64> {
        self.excluded.get(&(worker, exclusion)).copied()
    }

    /// How long a winning attempt of this kind of task takes; `None` if none was observed.
    pub(super) fn usual_ms(&self, job: JobId, kind: TaskKind) -> Option<u64> {
        let Finished { count, total_ms } = self.finished.get(&(job, kind))?;
        total_ms.checked_div(*count)
    }
}

fn has_won(state: &Scheduler, attempt: AttemptId) -> bool {
    let task = state.job(attempt.task.job).and_then(|job| job.task(attempt.task));
    let winner = task.and_then(|task| task.winner());
    winner.is_some_and(|winner| winner.number == attempt.number)
}
