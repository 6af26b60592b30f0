//! Finds attempts that are slow enough to get a backup.
//!
//! The MapReduce paper (section 3.6) starts backups for the remaining tasks when a job is nearly done. Here that means:
//! all map tasks of the job (or, after the maps, all its reduce tasks) have started, no task of any job waits for a
//! slot, and a slot is available. Then the attempts with the longest remaining time get backups first, as in LATE
//! (Zaharia et al., OSDI 2008).
//!
//! Reduces that start before their job's maps are done are exceptions. One that has not started does not count as
//! waiting. If no other slot is free, one that is running gives up its slot to a backup of a map of its job: without
//! that backup it might wait forever.
//!
//! A straggler is defined as follows:
//!
//! ```text
//!   remaining = elapsed * (1000 - permille) / permille     by the attempt's own rate so far
//!   usual     = mean time of the winners of this kind      as this leader has seen them, for as many
//!                                                          tasks as share the attempt
//!   straggler : elapsed >= usual  and  remaining >= usual * 1.5
//! ```
//!
//! A backup is expected to take the usual time, and so to end well before the straggler. If an
//! attempt has made no progress, its remaining time is unknown, and is assumed to equal the time
//! that it has run so far. The same holds for an attempt that has stopped making progress, because
//! its earlier rate says nothing about when it will end.

use std::cmp::Reverse;

use super::Observed;
use crate::model::{AttemptId, JobId, TaskKind};
use crate::scheduler::{BackUp, Job, Scheduler, Straggler, TaskProgress};

/// An attempt that has run for less than this is never considered slow, because starting another one takes as long.
const ELAPSED_MS_MIN: u64 = 1_000;
/// Least remaining time of a straggler, in percent of the usual time.
const REMAINING_PERCENT_MIN: u64 = 150;
/// Share of the tasks of a kind, in percent, that must have won before there is a usual time.
const DONE_PERCENT_MIN: u64 = 25;
/// Share of a job's running attempts, in percent, that may be backups. One backup is always allowed.
const BACKUPS_PERCENT_MAX: usize = 10;

/// The backups worth starting now, longest remaining time first.
pub(super) fn backups(state: &Scheduler, observed: &Observed, now_ms: u64) -> Vec<BackUp> {
    let mut free = state.slots.free_slots();
    let mut backups = Vec::new();
    if state.tasks_wait() {
        return backups;
    }
    let live = state.jobs().filter(|job| !job.state().is_terminal() && job.options().backups);
    for job in live {
        let mut slow = stragglers(state, observed, job, now_ms);
        slow.sort_by_key(|backup| Reverse(backup.straggler.remaining_ms));
        slow.truncate(allowed(state, job).min(free + yielding(state, job)));
        free = free.saturating_sub(slow.len());
        backups.extend(slow);
    }
    backups
}

/// Number of slots held by a job's reduces that can only wait until its maps are done.
fn yielding(state: &Scheduler, job: &Job) -> usize {
    let maps = job.progress(TaskKind::Map);
    if maps.done < maps.total {
        state.slots.running_of(job.id(), TaskKind::Reduce).count()
    } else {
        0
    }
}

/// How many more backups a job may have.
fn allowed(state: &Scheduler, job: &Job) -> usize {
    let running = state.slots.running_in(job.id());
    let most = (running.len() * BACKUPS_PERCENT_MAX / 100).max(1);
    let tasks_with_two = running.windows(2).filter(|pair| pair[0].task == pair[1].task).count();
    most.saturating_sub(tasks_with_two)
}

fn stragglers(state: &Scheduler, observed: &Observed, job: &Job, now_ms: u64) -> Vec<BackUp> {
    let Some((kind, usual_ms)) = watched(observed, job) else { return Vec::new() };
    let running = state.slots.running_of(job.id(), kind);
    let slow = running.filter_map(|(attempt, _)| {
        let is_alone =
            job.task(attempt.task)?.progress() == TaskProgress::InProgress { running: 1 };
        let tasks = 1 + job.joined(attempt.task).len() as u64;
        let straggler = straggler(observed, attempt, usual_ms.saturating_mul(tasks), now_ms)?;
        is_alone.then_some(BackUp { task: attempt.task, straggler })
    });
    slow.collect()
}

/// The kind of task whose last ones a job waits for, and the usual time of such tasks.
fn watched(observed: &Observed, job: &Job) -> Option<(TaskKind, u64)> {
    let maps = job.progress(TaskKind::Map);
    let kind = if maps.done < maps.total { TaskKind::Map } else { TaskKind::Reduce };
    let progress = job.progress(kind);
    let (done, total) = (u64::from(progress.done), u64::from(progress.total));
    let is_late = done * 100 >= total * DONE_PERCENT_MIN;
    let id: JobId = job.id();
    observed.usual_ms(id, kind).filter(|_| is_late).map(|usual_ms| (kind, usual_ms))
}

fn straggler(
    observed: &Observed,
    attempt: AttemptId,
    usual_ms: u64,
    now_ms: u64,
) -> Option<Straggler> {
    let progress = observed.progress_of(attempt)?;
    let running_ms = now_ms.saturating_sub(progress.since_ms);
    let permille = progress.sign.permille.min(1_000);
    let needed_ms = usual_ms.saturating_mul(REMAINING_PERCENT_MIN) / 100;
    let still_ms = now_ms.saturating_sub(progress.advanced_ms);
    let remaining_ms = match u64::from(permille) {
        0 => running_ms,
        done => still_ms.max(running_ms.saturating_mul(1_000 - done) / done),
    };
    let is_slow = running_ms >= usual_ms.max(ELAPSED_MS_MIN) && remaining_ms >= needed_ms;
    is_slow.then_some(Straggler { running_ms, permille, remaining_ms, usual_ms })
}
