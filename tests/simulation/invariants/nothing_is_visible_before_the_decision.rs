//! Before a job commits, nothing is at its output's place; what is there once it has succeeded is whole.

use std::path::Path;

use gristmill::scheduler::JobState;

pub(crate) fn check(output: &Path, state: Option<JobState>) -> Result<(), String> {
    let may_be_there = matches!(state, Some(JobState::Committing | JobState::Succeeded));
    if may_be_there || !output.exists() {
        return Ok(());
    }
    Err(format!(
        "nothing_is_visible_before_the_decision: the output is there, and its job is {state:?}"
    ))
}
