//! What one leader has observed of attempts and workers, by its own clock.

use std::collections::BTreeMap;

use crate::scheduler::{Exclusion, Job, Scheduler, Wait};
use crate::spec::{AttemptId, JobId, TaskId, TaskKind, WorkerId};

/// What a worker says of an attempt that it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sign {
    /// Any number that rises with the work done, such as records read and written. As long as it
    /// rises, the attempt is alive.
    pub work: u64,
    /// How much of the work is done, in thousandths, as far as that can be told.
    pub permille: u32,
}

/// A running attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) since_ms: u64,
    /// When its work last rose.
    pub(super) advanced_ms: u64,
    pub(super) sign: Sign,
}

/// Tasks of one job and kind that were seen to be won; those that share an attempt share its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) count: u64,
    pub(super) total_ms: u64,
}

/// What the leader has seen, in the milliseconds of a clock that never goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    attempts: BTreeMap<AttemptId, Seen>,
    excluded: BTreeMap<(WorkerId, Exclusion), u64>,
    finished: BTreeMap<(JobId, TaskKind), Finished>,
    /// Since when tasks wait that have failed.
    waits: BTreeMap<(TaskId, Wait), u64>,
}

impl Observed {
    /// A leader that has just begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of what a worker says of an attempt; of those that are not known yet, nothing.
    pub fn note(&mut self, attempt: AttemptId, sign: Sign, now_ms: u64) {
        if let Some(seen) = self.attempts.get_mut(&attempt) {
            if sign.work > seen.sign.work || sign.permille > seen.sign.permille {
                seen.advanced_ms = now_ms;
            }
            seen.sign = sign;
        }
    }

    /// Brings it in line with the state: forgets what is over, begins to count for what is new.
    /// To be called before each [`watch`](super::watch()).
    pub fn follow(&mut self, state: &Scheduler, now_ms: u64) {
        let finished = &mut self.finished;
        self.attempts.retain(|&attempt, seen| {
            let runs = state.slots.worker_of(attempt).is_some();
            if !runs && has_won(state, attempt) {
                let finished = finished.entry((attempt.task.job, attempt.task.kind)).or_default();
                let joined =
                    state.job(attempt.task.job).map_or(0, |job| job.joined(attempt.task).len());
                finished.count += 1 + joined as u64;
                finished.total_ms += now_ms.saturating_sub(seen.since_ms);
            }
            runs
        });
        let is_live = |id| state.job(id).is_some_and(|job| !job.state().is_terminal());
        finished.retain(|&(job, _), _| is_live(job));
        for (attempt, _) in state.running() {
            let sign = Sign::default();
            let new = Seen { since_ms: now_ms, advanced_ms: now_ms, sign };
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

    pub(super) fn seen(&self, attempt: AttemptId) -> Option<&Seen> {
        self.attempts.get(&attempt)
    }

    /// For how long a worker stays excluded from now on, in milliseconds, as far as this leader knows.
    pub fn excluded_for_ms(&self, worker: WorkerId, exclusion: Exclusion, now_ms: u64) -> u64 {
        let since_ms = self.excluded_since(worker, exclusion).unwrap_or(now_ms);
        since_ms.saturating_add(exclusion.trouble.period_ms()).saturating_sub(now_ms)
    }

    pub(super) fn excluded_since(&self, worker: WorkerId, exclusion: Exclusion) -> Option<u64> {
        self.excluded.get(&(worker, exclusion)).copied()
    }

    /// How long a task of this kind takes an attempt that wins, if any was seen to.
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
