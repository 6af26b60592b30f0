//! Explains a job that has not failed: what it waits for, its progress, or how it ended.

use std::collections::BTreeMap;

use super::failed::{met, record, what};
use super::{State, begin, text};
use crate::clock::{rfc3339, rfc3339_ms};
use crate::model::{AttemptId, AttemptState, JobId, JobState, WorkerId, WorkerState, size};
use crate::rpc::why::{Kind, Why};
use crate::scheduler::{Exclusion, Failed, Job, Reason};

/// Most jobs and workers that are named.
const NAMED_MAX: usize = 5;

pub(super) fn well(state: &State, job: &Job, cluster: &str) -> Why {
    let why = begin(job);
    let who = format!("{} {}", job.id(), why.name);
    match (job.state(), state.scheduler.reason(job.id())) {
        (JobState::Succeeded, _) => Why { summary: succeeded(state, job, &who), ..why },
        (JobState::Cancelled, _) => Why {
            kind: Kind::Cancelled,
            summary: format!("{who} was cancelled by a user at {}.", ended(job)),
            suggestion: "submit it again".into(),
            ..why
        },
        (JobState::Failed, _) => Why {
            kind: Kind::UserError,
            summary: format!("{who} failed at {}, but no reason was recorded.", ended(job)),
            suggestion: "report this: it is a bug in gristmill".into(),
            ..why
        },
        (_, Some(Reason::NoWorkers)) => no_workers(state, job, (&who, cluster), why),
        (_, Some(Reason::NoUsableWorkers)) => Why {
            kind: Kind::Waiting,
            summary: format!("{who} waits: all workers are draining and take no new attempts."),
            suggestion: format!("start another worker: gristmill worker --cluster {cluster}"),
            ..why
        },
        (_, Some(reason @ Reason::Memory { demanded_bytes, most_bytes })) => Why {
            kind: Kind::Waiting,
            summary: format!("{who} is {reason}."),
            suggestion: format!(
                "start a worker that gives each slot at least {} of memory (gristmill worker --memory SIZE --slots N), or kill the job and submit it with --memory {} or less",
                size::format_least(demanded_bytes),
                size::format(most_bytes)
            ),
            ..why
        },
        (_, Some(reason @ Reason::NoSlots { .. })) => {
            let kind = Kind::Waiting;
            let summary = format!("{who} is {reason}. {}", taken(state, job.id()));
            let suggestion =
                "wait, start more workers, or kill the job and submit it with a higher --priority";
            with_open(job, Why { kind, summary, suggestion: suggestion.into(), ..why })
        }
        (_, reason) => {
            let reason = reason.map(|reason| reason.to_string()).unwrap_or_default();
            with_open(job, Why { summary: format!("{who} is running: {reason}."), ..why })
        }
    }
}

fn ended(job: &Job) -> String {
    job.finished_ms().map(rfc3339).unwrap_or_default()
}

fn succeeded(state: &State, job: &Job, who: &str) -> String {
    let took_ms = job.finished_ms().unwrap_or(0).saturating_sub(job.submitted_ms());
    let output = state.job(job.id()).and_then(|record| record.output.as_ref());
    let output = output.map(ToString::to_string).unwrap_or_default();
    let again = job.all_counters().get("Job Counters", "attempts_rerun");
    let again = match again {
        0 => "no attempt was repeated".to_string(),
        1 => "one attempt was repeated".to_string(),
        n => format!("{n} attempts were repeated"),
    };
    format!(
        "{who} succeeded at {}, {}.{:03} s after it was submitted; {again}. Its output is {output}.",
        ended(job),
        took_ms / 1_000,
        took_ms % 1_000
    )
}

/// Adds the last failure of an unfinished task, if there is one, because it may be what delays the job.
fn with_open(job: &Job, why: Why) -> Why {
    let is_open =
        |failed: &&Failed| job.task(failed.attempt.task).is_none_or(|task| task.winner().is_none());
    let Some(Failed { attempt, worker, failure, .. }) = job.failures().rev().find(is_open) else {
        return why;
    };
    let summary = why.summary.clone();
    let why = met(job, *attempt, failure, why);
    let what = what(why.kind, failure);
    let record = record(&why).map(|record| format!(" {record}")).unwrap_or_default();
    let said = format!(
        "The latest failure of an unfinished task was in {attempt} on {worker}: {what}.{record}"
    );
    Why { summary: format!("{summary} {said}"), ..why }
}

/// There are no workers. Names lost ones if they matter to this job.
fn no_workers(state: &State, job: &Job, (who, cluster): (&str, &str), why: Why) -> Why {
    let mut lost: BTreeMap<WorkerId, (AttemptId, u64)> = BTreeMap::new();
    for (id, task) in job.all_tasks() {
        for attempt in task.into_iter().flat_map(|task| task.attempts()) {
            if attempt.state == AttemptState::Lost {
                let ended_ms = attempt.ended_ms.unwrap_or(attempt.started_ms);
                lost.insert(attempt.worker, (id.attempt(attempt.number), ended_ms));
            }
        }
    }
    let mut sentences = vec![format!("{who} waits: there are no workers.")];
    for (worker, (attempt, at_ms)) in lost.iter().rev().take(NAMED_MAX) {
        let at = rfc3339_ms(*at_ms);
        sentences.push(match state.worker(*worker) {
            Some(record) => format!(
                "{worker} (pid {}, {}) was lost at {at}, together with {attempt}.",
                record.facts.pid,
                text(&record.facts.address)
            ),
            None => format!("{worker} was lost at {at}, together with {attempt}."),
        });
    }
    let suggestion = if lost.is_empty() {
        format!("start a worker: gristmill worker --cluster {cluster}")
    } else {
        "restart a lost worker with the same --data, so that its map outputs can be used \
         again, or start another worker"
            .into()
    };
    let kind = if lost.is_empty() { Kind::Waiting } else { Kind::WorkerLost };
    Why { kind, summary: sentences.join(" "), suggestion, ..why }
}

/// The jobs that hold the slots that this job waits for.
fn taken(state: &State, waits: JobId) -> String {
    let mut by_job: BTreeMap<JobId, usize> = BTreeMap::new();
    for (attempt, _) in state.scheduler.running() {
        *by_job.entry(attempt.task.job).or_default() += 1;
    }
    by_job.remove(&waits);
    let (mut slots, mut workers, mut left_out) = (0, 0, Vec::new());
    for view in state.scheduler.workers() {
        if view.state == WorkerState::Alive {
            (slots, workers) = (slots + view.slots, workers + 1);
        }
        left_out.extend(view.exclusion.map(|Exclusion { fault, .. }| (view.id, fault)));
    }
    let mut busy: Vec<(JobId, usize)> = by_job.into_iter().collect();
    busy.sort_by_key(|&(job, count)| (std::cmp::Reverse(count), job));
    let named = busy.iter().take(NAMED_MAX).map(|(job, count)| format!("{job} has {count}"));
    let (slots, workers) = (plural(slots, "slot"), plural(workers, "worker"));
    let mut said = format!("Of {slots} on {workers}, {}.", or(named.collect(), "no slot is free"));
    for (worker, fault) in left_out.iter().take(NAMED_MAX) {
        said += &format!(" {worker} is temporarily excluded: {}.", fault.reason());
    }
    said
}

fn plural(number: u32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn or(named: Vec<String>, else_said: &str) -> String {
    if named.is_empty() { else_said.into() } else { named.join(", ") }
}
