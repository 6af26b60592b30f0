//! Describes how an attempt was started, for a replay: the digests of its artifacts, and the maps that shared it.

use super::state::State;
use super::status_lines::no_job;
use crate::model::{TaskId, TaskKind};
use crate::rpc::recipe::{Recipe, RecipeRequest};
use crate::rpc::refusal::Refusal;
use crate::scheduler::Job;

pub(super) fn recipe(state: &State, request: RecipeRequest) -> Result<Recipe, Refusal> {
    let RecipeRequest { task, number } = request;
    let job = state.scheduler.job(task.job).ok_or_else(|| no_job(task.job))?;
    let record = state.job(task.job).ok_or_else(|| no_job(task.job))?;
    if task.kind == TaskKind::Commit {
        let message = format!(
            "{task} publishes the output and cannot be replayed\nhint: name a map or a reduce"
        );
        return Err(Refusal::Invalid { message });
    }
    let started = started(job, task)?;
    let failed = || job.failures().rev().find(|failed| failed.attempt.task == task);
    let number = match number {
        Some(number) if (1..=started).contains(&number) => number,
        Some(number) => {
            let message = format!(
                "no attempt {}: the last attempt at {task} is #{started}\nhint: list the attempts with `gristmill tasks {}`",
                task.attempt(number),
                task.job
            );
            return Err(Refusal::NotFound { message });
        }
        None => failed().map_or(started, |failed| failed.attempt.number),
    };
    let attempt = task.attempt(number);
    let failed = job.failures().find(|failed| failed.attempt == attempt);
    Ok(Recipe {
        attempt,
        state: job.state(),
        nonce: job.nonce(),
        executable: record.executable,
        spec: record.spec,
        plan: record.plan,
        maps: job.progress(TaskKind::Map).total,
        joined: failed.map(|failed| failed.joined().collect()).unwrap_or_default(),
    })
}

/// How many attempts at a task were started.
fn started(job: &Job, task: TaskId) -> Result<u32, Refusal> {
    let total = job.progress(task.kind).total;
    let message = match job.task(task) {
        Some(found) => return Ok(found.started()),
        None if task.index < total && job.state().is_terminal() => format!(
            "{task} was never started, and the state of {} is {}\nhint: name another task",
            task.job,
            job.state()
        ),
        None if task.index < total => {
            format!(
                "{task} has not started yet\nhint: wait for it, or run `gristmill why {}`",
                task.job
            )
        }
        None => format!("no task {task}\nhint: list the tasks with `gristmill tasks {}`", task.job),
    };
    Err(Refusal::NotFound { message })
}
