//! Checks that the same commands in the same order have the same effects and refusals, on any replica and from any
//! snapshot.

use super::Step;

pub(crate) fn check(step: &Step) -> Result<(), String> {
    if step.answer == step.ours {
        return Ok(());
    }
    Err(format!(
        "same_commands_same_effects: the master said {:?}, a replica {:?}",
        step.answer, step.ours
    ))
}
