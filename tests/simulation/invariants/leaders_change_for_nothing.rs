//! Where workers and their connections are well, no attempt fails, no output is lost and no worker is, whatever befalls the
//! masters: a change of the leader costs nothing.

use gristmill::scheduler::Command;

/// Whether this ends attempts before their time, or takes back what they did.
pub(crate) fn is_loss(command: &Command) -> bool {
    matches!(
        command,
        Command::Fail(_) | Command::TimeOut(_) | Command::LoseOutput(_) | Command::LoseWorker(_)
    )
}

pub(crate) fn check(losses: u64) -> Result<(), String> {
    match losses {
        0 => Ok(()),
        losses => Err(format!(
            "leaders_change_for_nothing: {losses} attempts, outputs or workers were lost"
        )),
    }
}
