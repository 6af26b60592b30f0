//! Says why a job stands as it does: the first failure that was not made good, what it waits for, or that all is well.
//!
//! All of it follows from the state, so every master that leads says the same, also of a job that ended long ago.

mod advice;
mod failed;
#[cfg(test)]
mod tests;
mod well;

use super::state::State;
use super::views::shown;
use crate::rpc::why::Why;
use crate::scheduler::{Blame, Job, JobState};
use crate::spec::failure::TEXT_CHARS_MAX;
use crate::spec::{JobId, TaskKind, escape};

/// Explains the state of a job, or returns `None` if there is no such job. `cluster` is the value of `--cluster` that reaches this cluster.
pub(super) fn why(state: &State, id: JobId, cluster: &str) -> Option<Why> {
    let job = state.scheduler.job(id)?;
    Some(match (job.state(), job.blame()) {
        (JobState::Failed, Some(blame)) => failed::failed(state, job, blame),
        (JobState::Committing, Some(blame)) if blames_commit(blame) => {
            failed::failed(state, job, blame)
        }
        _ => well::well(state, job, cluster),
    })
}

fn blames_commit(blame: &Blame) -> bool {
    blame.attempt.task.kind == TaskKind::Commit
}

/// What is said of every job, with nothing the matter.
fn begin(job: &Job) -> Why {
    Why {
        id: job.id(),
        name: text(job.name()),
        state: shown(job.state()),
        kind: crate::rpc::why::Kind::None,
        summary: String::new(),
        at: None,
        record: None,
        task: None,
        attempts: Vec::new(),
        details: Vec::new(),
        log: Vec::new(),
        suggestion: String::new(),
        replay: None,
    }
}

/// Foreign text, made fit for being shown.
fn text(text: &str) -> String {
    escape(text.as_bytes(), TEXT_CHARS_MAX)
}

/// A text of ours, in which what is foreign is already cut.
fn own(text: &str) -> String {
    escape(text.as_bytes(), 10 * TEXT_CHARS_MAX)
}
