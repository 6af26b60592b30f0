//! Explains a job's state: the first failure that the job did not recover from, what the job waits for, or how it
//! proceeds.
//!
//! The answer follows from the state alone, so every leader gives the same answer, even for a job that ended long ago.

mod advice;
mod failed;
#[cfg(test)]
mod tests;
mod well;

use super::state::State;
use crate::model::{JobId, JobState, TEXT_CHARS_MAX, TaskKind, escape};
use crate::rpc::why::Why;
use crate::scheduler::{Blame, Job};

/// Explains a job's state; `None` if the job does not exist. `cluster` is the value of `--cluster` that reaches these
/// masters.
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

/// The explanation of a job without trouble.
fn begin(job: &Job) -> Why {
    Why {
        id: job.id(),
        name: text(job.name()),
        state: job.state(),
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

/// Escapes foreign text.
fn text(text: &str) -> String {
    escape(text.as_bytes(), TEXT_CHARS_MAX)
}
