//! Explains in one paragraph the failure that ended a job, or that prevents its output from being published.

use super::advice::{advice, kind};
use super::{State, begin, text};
use crate::clock::{rfc3339, rfc3339_ms};
use crate::model::{
    AttemptId, AttemptState, Cause, Failure, JobState, TEXT_CHARS_MAX, TaskId, TaskKind, escape,
    escape_what,
};
use crate::rpc::why::{BadRecord, Kind, Tried, Why};
use crate::scheduler::{Attempt, Blame, Failed, Job, LOST_WORKERS_MAX, SAME_RECORD, Task};

/// Most lines of details that are shown, and most characters of each.
const LINES_MAX: usize = 20;
const LINE_CHARS_MAX: usize = 4 * TEXT_CHARS_MAX;
/// Most attempts that the paragraph names.
const NAMED_MAX: usize = 8;

/// A job that has failed, or whose output cannot be published.
pub(super) fn failed(state: &State, job: &Job, blame: &Blame) -> Why {
    let why = met(job, blame.attempt, &blame.failure, begin(job));
    Why { summary: paragraph(state, job, blame, &why), ..why }
}

/// The explanation of a failed job, without the paragraph.
pub(super) fn met(job: &Job, attempt: AttemptId, failure: &Failure, why: Why) -> Why {
    let kind = kind(failure);
    let record = failure.record.as_ref().map(BadRecord::of);
    Why {
        kind,
        at: failure.at.as_deref().map(text),
        record,
        task: Some(attempt.task),
        attempts: tried(job, attempt.task),
        details: failure.details.iter().take(LINES_MAX).map(|line| detail(line)).collect(),
        log: failure.log.iter().map(|line| text(line)).collect(),
        suggestion: advice(kind, failure),
        replay: replay(attempt),
        ..why
    }
}

fn detail(line: &str) -> String {
    escape(line.as_bytes(), LINE_CHARS_MAX)
}

/// The command that replays an attempt; `None` for a commit, which cannot be replayed.
fn replay(attempt: AttemptId) -> Option<String> {
    (attempt.task.kind != TaskKind::Commit).then(|| format!("gristmill replay {attempt}"))
}

/// The remembered attempts of a task, each with its message.
fn tried(job: &Job, task: TaskId) -> Vec<Tried> {
    let attempts = job.task(task).map(Task::attempts).unwrap_or_default();
    let tried = |attempt: &Attempt| {
        let id = task.attempt(attempt.number);
        // A task that joined another attempt has failed with that attempt's message.
        let said = job.failures().find(|failed| failed.attempt == job.ran_as(task, attempt));
        Tried {
            id,
            worker: attempt.worker,
            state: attempt.state,
            cause: attempt.cause,
            started: rfc3339_ms(attempt.started_ms),
            ended: attempt.ended_ms.map(rfc3339_ms),
            message: said.map(|failed| escape_what(&failed.failure.message)),
        }
    };
    attempts.iter().map(tried).collect()
}

fn paragraph(state: &State, job: &Job, blame: &Blame, why: &Why) -> String {
    let Blame { attempt, failure } = blame;
    let (how, next) = match job.state() {
        JobState::Failed => {
            let at = job.finished_ms().map(rfc3339).unwrap_or_default();
            (format!("failed at {at}"), "")
        }
        _ => ("cannot be published yet".into(), "The commit is retried."),
    };
    let what = what(why.kind, failure);
    let mut sentences = vec![format!("{} {} {how}: {what}.", job.id(), why.name), next.to_string()];
    sentences.extend(record(why));
    sentences.push(which(state, job, *attempt, failure));
    sentences.push(first_so(job, *attempt, failure));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences.join(" ")
}

/// The place of the record that was being processed.
pub(super) fn record(why: &Why) -> Option<String> {
    why.record.as_ref().map(|BadRecord { file, offset, excerpt }| {
        format!("The record begins at byte {offset} of {file}: `{excerpt}`.")
    })
}

/// The error. The line of the user's code comes first.
pub(super) fn what(kind: Kind, failure: &Failure) -> String {
    let message = escape_what(&failure.message);
    match (kind, failure.at.as_deref().map(text)) {
        (Kind::WorkerLost, _) => {
            format!(
                "{LOST_WORKERS_MAX} workers were lost while they ran the same task; at the last \
                 attempt, {message}"
            )
        }
        (Kind::Panic, Some(at)) => format!("user code panicked at {at}: {message}"),
        (Kind::Panic, None) => format!("user code panicked: {message}"),
        (_, Some(at)) => format!("user code returned an error at {at}: {message}"),
        (_, None) => message,
    }
}

/// Which attempt it was, and how the other attempts of its task ended.
fn which(state: &State, job: &Job, blamed: AttemptId, failure: &Failure) -> String {
    let task = blamed.task;
    let attempts = job.task(task).map(Task::attempts).unwrap_or_default();
    let on = |attempt: &Attempt| {
        let pid = state.worker(attempt.worker).map(|record| record.facts.pid);
        let pid = pid.filter(|_| attempts.len() == 1).map(|pid| format!(" (pid {pid})"));
        format!("#{} on {}{}", attempt.number, attempt.worker, pid.unwrap_or_default())
    };
    let (so, others): (Vec<&Attempt>, Vec<&Attempt>) =
        attempts.iter().filter(|attempt| attempt.state != AttemptState::Running).partition(
            |attempt| attempt.cause == failure.cause && attempt.state != AttemptState::Succeeded,
        );
    if so.is_empty() {
        // No attempt failed: the task's output was lost, or differed when it was made again.
        let ran: Vec<String> = attempts.iter().take(NAMED_MAX).map(on).collect();
        return format!("Attempts at {task}: {}.", ran.join(", "));
    }
    let left_out = so.len().saturating_sub(NAMED_MAX);
    let mut named: Vec<String> = so.iter().skip(left_out).map(|attempt| on(attempt)).collect();
    if left_out > 0 {
        named.push(format!("and {left_out} earlier"));
    }
    let started = job.task(task).map_or(0, Task::started);
    let (count, named) = (so.len(), named.join(", "));
    let mut said = match started {
        1 => format!("The only attempt at {task} was {named}"),
        _ if attempts.len() < started as usize => {
            let kept = attempts.len();
            let count = if count == kept { "all".to_string() } else { count.to_string() };
            format!(
                "{task} had {started} attempts. Of the last {kept}, {count} ended with this failure, namely {named}"
            )
        }
        _ => format!(
            "{count} of {started} attempts at {task} ended with this failure, namely {named}"
        ),
    };
    if !others.is_empty() {
        let other = |attempt: &&Attempt| format!("#{} {}", attempt.number, ended(attempt));
        let others: Vec<String> = others.iter().take(NAMED_MAX).map(other).collect();
        said += &format!("; other attempts: {}", others.join(", "));
    }
    said + &limit(job, failure) + "."
}

fn ended(attempt: &Attempt) -> String {
    match attempt.cause {
        Cause::None => attempt.state.to_string(),
        cause => format!("{} ({cause})", attempt.state),
    }
}

/// Why no further attempt was made, unless that is already clear.
fn limit(job: &Job, failure: &Failure) -> String {
    match failure.cause {
        Cause::UserError | Cause::Panic | Cause::Exit | Cause::Signal | Cause::Timeout
            if !failure.details.iter().any(|line| line == SAME_RECORD) =>
        {
            format!(" (--max-attempts {})", job.options().max_attempts)
        }
        _ => String::new(),
    }
}

/// When the failure first occurred, if that was in an earlier attempt.
fn first_so(job: &Job, blamed: AttemptId, failure: &Failure) -> String {
    let task = blamed.task;
    let numbers = job.task(task).map(Task::attempts).unwrap_or_default();
    let ran_as: Vec<AttemptId> = numbers.iter().map(|attempt| job.ran_as(task, attempt)).collect();
    let is_so = |failed: &&Failed| {
        (failed.attempt.task == task || ran_as.contains(&failed.attempt))
            && failed.failure.cause == failure.cause
    };
    match job.failures().find(is_so) {
        Some(first) if first.attempt != blamed => {
            let shared = if first.attempt.task == task {
                String::new()
            } else {
                format!(", an attempt that {task} shared with other maps")
            };
            format!(
                "The first such failure was at {}, in {}{shared}.",
                rfc3339_ms(first.at_ms),
                first.attempt
            )
        }
        _ => String::new(),
    }
}
