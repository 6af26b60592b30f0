//! Proposes the commands that depend on time: timeouts, retries, backups of stragglers, ends of
//! exclusions, and removals of old jobs.
//!
//! The leader keeps its observations in an [`Observed`], with timestamps of a monotonic clock, and calls [`watch`] a
//! few times a second for proposals. Observations are not replicated. A new leader starts without any, so it measures
//! every timeout and pause from the beginning. Its proposals then come later, but they are correct.

mod observed;
mod stragglers;

use super::{Command, Forget, Job, Readmit, Retry, Scheduler, TimeOut};
use crate::model::TaskKind;

pub use observed::{Observed, Sign};

/// Most finished jobs that are kept.
pub const HISTORY_JOBS_MAX: usize = 1_000;
/// Most tasks of finished jobs that are kept, at about 200 bytes each.
pub const HISTORY_TASKS_MAX: u64 = 500_000;

/// Returns what the leader should propose now, according to its observations. All of it may be refused.
///
/// Timeouts come first, because they free slots. Then come tasks and workers whose pause is over, jobs to forget, and
/// backups for stragglers. `now_ms` is by the clock of `observed`.
pub fn watch(state: &Scheduler, observed: &Observed, now_ms: u64) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    commands.extend(timeouts(state, observed, now_ms).map(Command::from));
    commands.extend(retries(state, observed, now_ms).map(Command::from));
    commands.extend(readmissions(state, observed, now_ms).map(Command::from));
    commands.extend(forgettable(state).map(Command::from));
    commands.extend(stragglers::backups(state, observed, now_ms).into_iter().map(Command::from));
    commands
}

/// Attempts that have shown no progress for too long.
fn timeouts(state: &Scheduler, observed: &Observed, now_ms: u64) -> impl Iterator<Item = TimeOut> {
    state.running().filter_map(move |(attempt, _)| {
        let timeout_ms = state.job(attempt.task.job)?.options().task_timeout_ms?;
        let silent_ms = now_ms.saturating_sub(observed.progress_of(attempt)?.advanced_ms);
        (silent_ms >= timeout_ms).then_some(TimeOut { attempt, silent_ms })
    })
}

/// Tasks that have waited long enough after failures.
fn retries(state: &Scheduler, observed: &Observed, now_ms: u64) -> impl Iterator<Item = Retry> {
    let waits = state.jobs().flat_map(Job::waits);
    waits.filter_map(move |(task, wait)| {
        let waited_ms = now_ms.saturating_sub(observed.waits_since(task, wait)?);
        (waited_ms >= wait.period_ms()).then_some(Retry { task, wait })
    })
}

/// Workers that have been excluded long enough.
fn readmissions(
    state: &Scheduler,
    observed: &Observed,
    now_ms: u64,
) -> impl Iterator<Item = Readmit> {
    state.slots.barred().filter_map(move |(worker, found)| {
        let exclusion = found.exclusion?;
        let since_ms = observed.excluded_since(worker, exclusion)?;
        let is_over = now_ms.saturating_sub(since_ms) >= exclusion.fault.period_ms();
        is_over.then_some(Readmit { worker, number: exclusion.number })
    })
}

/// The oldest finished jobs beyond the limits of the history.
fn forgettable(state: &Scheduler) -> impl Iterator<Item = Forget> {
    let (mut jobs, mut tasks) = (0, 0);
    let ended = state.jobs().rev().filter(|job| job.state().is_terminal());
    ended.filter_map(move |job| {
        jobs += 1;
        tasks += tasks_of(job);
        // The job that ended last is always kept, whatever its size.
        let is_old = jobs > HISTORY_JOBS_MAX || (jobs > 1 && tasks > HISTORY_TASKS_MAX);
        is_old.then_some(Forget { job: job.id() })
    })
}

fn tasks_of(job: &Job) -> u64 {
    TaskKind::ALL.into_iter().map(|kind| u64::from(job.progress(kind).total)).sum()
}
