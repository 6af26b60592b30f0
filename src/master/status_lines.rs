//! Renders the state for people.

use super::state::{State, WorkerRecord};
use super::volatile::{UnderWay, Volatile};
use crate::clock::{rfc3339, rfc3339_ms};
use crate::model::{
    JobId, JobState, TEXT_CHARS_MAX, TaskId, TaskKind, TaskState, WorkerId, WorkerState, escape,
    escape_hint, escape_what,
};
use crate::rpc::jobs::{
    AttemptLine, ExclusionLine, JobLine, JobStatus, Tally, TaskLine, TasksRequest, WorkerLine,
};
use crate::rpc::refusal::Refusal;
use crate::scheduler::{Blame, Exclusion, Job, Progress, Task};

/// Highest progress that is shown before the output is published.
const PROGRESS_BEFORE_END: f64 = 0.99;
/// Lines of a failure's details that are shown.
const DETAILS_MAX: usize = 20;

/// All jobs, oldest first.
pub(super) fn lines(state: &State) -> Vec<JobLine> {
    state.scheduler.jobs().map(|job| line(state, job)).collect()
}

/// One job in a list.
pub(super) fn line(state: &State, job: &Job) -> JobLine {
    JobLine {
        id: job.id(),
        name: job.name().to_string(),
        state: job.state(),
        reason: reason(state, job),
        submitted: rfc3339(job.submitted_ms()),
        finished: job.finished_ms().map(rfc3339),
        request: job.request().to_string(),
    }
}

/// The answer about a job that does not exist.
pub(super) fn no_job(job: JobId) -> Refusal {
    Refusal::NotFound {
        message: format!("no job {job}\nhint: list the jobs with `gristmill jobs`"),
    }
}

/// One task of a job, if it exists.
pub(super) fn task(state: &State, volatile: &Volatile, id: TaskId) -> Option<TaskLine> {
    let job = state.scheduler.job(id.job)?;
    let is_there = id.index < job.progress(id.kind).total;
    is_there.then(|| task_line(job, id, job.task(id), volatile))
}

/// One job, without its version.
pub(super) fn status(state: &State, volatile: &Volatile, id: JobId) -> Option<JobStatus> {
    let job = state.scheduler.job(id)?;
    let output = state.job(id).and_then(|record| record.output.as_ref());
    let blame = blame(job);
    let (maps, reduces) =
        (tally(job, TaskKind::Map, volatile), tally(job, TaskKind::Reduce, volatile));
    Some(JobStatus {
        id,
        name: job.name().to_string(),
        state: job.state(),
        reason: reason(state, job),
        progress: progress(job.state(), &maps, &reduces),
        maps,
        reduces,
        output: output.map(ToString::to_string).unwrap_or_default(),
        error: blame.map(blame_text),
        failure: blame.map(|blame| (blame.attempt, blame.failure.clone())),
        submitted: rfc3339(job.submitted_ms()),
        finished: job.finished_ms().map(rfc3339),
        version: 0,
    })
}

/// A page of a job's tasks.
pub(super) fn tasks(
    state: &State,
    volatile: &Volatile,
    request: TasksRequest,
) -> Option<Vec<TaskLine>> {
    let job = state.scheduler.job(request.job)?;
    let page = job.tasks_from(request.offset).take(request.limit as usize);
    Some(page.map(|(id, task)| task_line(job, id, task, volatile)).collect())
}

/// All workers, including lost ones that are remembered.
///
/// `now_ms` is by this master's monotonic clock, `wall_ms` by the wall clock.
pub(super) fn workers(
    state: &State,
    volatile: &Volatile,
    now_ms: u64,
    wall_ms: u64,
) -> Vec<WorkerLine> {
    let seen_ms = |id| volatile.last_seen_ms(id).map(|seen_ms| now_ms.saturating_sub(seen_ms));
    // A newer leader only knows when it was committed.
    let gone_ms =
        |record: &WorkerRecord| record.gone.map(|gone| wall_ms.saturating_sub(gone.at_ms));
    let excluded = |id, exclusion: Exclusion| {
        let left_ms = volatile.observed.excluded_for_ms(id, exclusion, now_ms);
        ExclusionLine {
            trouble: exclusion.fault.to_string(),
            reason: exclusion.fault.reason().to_string(),
            until: rfc3339(wall_ms.saturating_add(left_ms)),
        }
    };
    let lines = state.workers().map(|(id, record)| {
        let view = state.scheduler.worker(id);
        WorkerLine {
            id,
            state: worker_state(state, id),
            exclusion: view.and_then(|view| view.exclusion).map(|it| excluded(id, it)),
            running: view.map_or(0, |view| view.running),
            last_seen_ms: seen_ms(id).or(gone_ms(record)).unwrap_or(0),
            facts: record.facts.clone(),
            room: volatile.session(id).map(|session| session.room).unwrap_or_default(),
        }
    });
    lines.collect()
}

/// The state of a worker, such as `alive`. A worker that is no longer registered has `left` or is `lost`.
pub(super) fn worker_state(state: &State, id: WorkerId) -> WorkerState {
    if let Some(view) = state.scheduler.worker(id) {
        return view.state;
    }
    let has_left = state.worker(id).and_then(|record| record.gone).is_some_and(|it| it.has_left);
    if has_left { WorkerState::Left } else { WorkerState::Lost }
}

fn task_line(job: &Job, id: TaskId, task: Option<&Task>, volatile: &Volatile) -> TaskLine {
    let attempts = task.map(Task::attempts).unwrap_or_default().iter().map(|attempt| {
        let attempt_id = id.attempt(attempt.number);
        // A map that has joined another map runs in that map's process.
        let runs_as = job.ran_as(id, attempt);
        AttemptLine {
            id: attempt_id,
            runs_as,
            worker: attempt.worker,
            pid: volatile.pid(runs_as),
            state: attempt.state,
            cause: attempt.cause,
            started: rfc3339_ms(attempt.started_ms),
            ended: attempt.ended_ms.map(rfc3339_ms),
        }
    });
    TaskLine {
        id,
        kind: id.kind.to_string(),
        state: match job.failed_task() {
            Some(failed) if failed == id => TaskState::Failed,
            _ => task.map_or(TaskState::Idle, Task::state),
        },
        attempts_started: task.map_or(0, Task::started),
        attempts: attempts.collect(),
        usage: task.and_then(Task::winner).filter(|_| job.leader(id).is_none()).map(|it| it.usage),
    }
}

/// What a job waits for, or why it ended.
fn reason(state: &State, job: &Job) -> String {
    if let Some(reason) = state.scheduler.reason(job.id()) {
        return reason.to_string();
    }
    match job.state() {
        JobState::Failed => blame(job).map(first_line).unwrap_or_default(),
        JobState::Cancelled => "cancelled by a user".to_string(),
        _ => String::new(),
    }
}

/// The failure that ended a job, or that prevents it from publishing. The job has recovered from all others.
fn blame(job: &Job) -> Option<&Blame> {
    let is_open = |blame: &&Blame| match job.state() {
        JobState::Failed => true,
        JobState::Committing => blame.attempt.task.kind == TaskKind::Commit,
        _ => false,
    };
    job.blame().filter(is_open)
}

fn first_line(Blame { attempt, failure }: &Blame) -> String {
    let message = escape(escape_what(&failure.message).as_bytes(), TEXT_CHARS_MAX);
    let at = failure.at.as_ref().map(|at| escape(at.as_bytes(), TEXT_CHARS_MAX));
    let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{attempt}: {}{at}: {message}", failure.cause)
}

/// All known details of a failure, as lines for people.
fn blame_text(blame: &Blame) -> String {
    let mut lines = vec![first_line(blame)];
    lines.extend(escape_hint(&blame.failure.message).map(|hint| format!("hint: {hint}")));
    if let Some(record) = &blame.failure.record {
        let excerpt = escape(&record.excerpt, TEXT_CHARS_MAX);
        lines.push(format!("record at byte {} of {}: {excerpt}", record.offset, record.location));
    }
    let details = blame.failure.details.iter().take(DETAILS_MAX);
    lines.extend(details.map(|detail| escape(detail.as_bytes(), TEXT_CHARS_MAX)));
    lines.join("\n")
}

/// A running task counts by its progress.
fn tally(job: &Job, kind: TaskKind, volatile: &Volatile) -> Tally {
    let Progress { total, done, running } = job.progress(kind);
    let is_done = |task| job.task(task).is_some_and(|task| task.winner().is_some());
    let under_way = volatile.under_way(job.id(), kind, is_done);
    let (bytes_done, bytes_total) = bytes(job, kind, under_way);
    let progress = if bytes_total > 0 && done < total {
        bytes_done as f64 / bytes_total as f64
    } else if total > 0 {
        (f64::from(done) + under_way.tasks) / f64::from(total)
    } else {
        0.0
    };
    Tally { total, done, running, progress: progress.min(1.0), bytes_done, bytes_total }
}

/// Bytes that the tasks of a kind have read, and bytes in all; 0 if that is not known.
fn bytes(job: &Job, kind: TaskKind, under_way: UnderWay) -> (u64, u64) {
    let sizes = job.sizes();
    // There are at most as many running tasks as tasks.
    let running = under_way.bytes as u64;
    match kind {
        TaskKind::Map => {
            let total = sizes.input_bytes;
            (job.bytes_mapped().saturating_add(running).min(total), total)
        }
        TaskKind::Reduce => {
            let (known, bytes) = (
                sizes.partitions + under_way.known,
                sizes.reduced_bytes.saturating_add(under_way.known_bytes),
            );
            let all = u128::from(bytes) * u128::from(job.progress(kind).total.max(known));
            let total = u64::try_from(all / u128::from(known.max(1))).unwrap_or(u64::MAX);
            (sizes.reduced_bytes.saturating_add(running).min(total), total)
        }
        TaskKind::Plan | TaskKind::Commit => (0, 0),
    }
}

/// Maps count for one half of the work, reduces for the other.
fn progress(state: JobState, maps: &Tally, reduces: &Tally) -> f64 {
    if state == JobState::Succeeded {
        return 1.0;
    }
    let of_both = match (maps.total, reduces.total) {
        (_, 0) => maps.progress,
        (0, _) => reduces.progress,
        _ => (maps.progress + reduces.progress) / 2.0,
    };
    of_both.min(PROGRESS_BEFORE_END)
}
