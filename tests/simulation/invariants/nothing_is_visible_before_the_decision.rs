//! Checks that no output is visible before its job commits, and that the output of a successful job is complete.

use gristmill::model::JobState;
use std::path::Path;

pub(crate) fn check(output: &Path, state: Option<JobState>) -> Result<(), String> {
    let may_be_there = matches!(state, Some(JobState::Committing | JobState::Succeeded));
    if may_be_there || !output.exists() {
        return Ok(());
    }
    Err(format!(
        "nothing_is_visible_before_the_decision: the output is there, and its job is {state:?}"
    ))
}
