//! Checks that a change of leader costs nothing. While workers and their connections are healthy, attempts fail only
//! because of the job author's code. No output or worker is lost, even if one master after another fails.
//! There are two exceptions. A plan that only a lost master held, and that was not acknowledged, is made again. If
//! two masters are unreachable at about the same time, a worker may wait for one after the other and lose its lease.

use gristmill::model::TaskKind;
use gristmill::scheduler::{Command, Scheduler};

use crate::functions::BY_CHANCE;

/// Returns whether this command, applied in this state, ends attempts early or discards their work.
pub(crate) fn is_loss(scheduler: &Scheduler, command: &Command) -> bool {
    match command {
        Command::Fail(fail) => {
            let message = &fail.failure.message;
            let is_lost_plan = fail.attempt.task.kind == TaskKind::Plan
                && message.contains("before it was uploaded");
            !is_lost_plan && message != BY_CHANCE
        }
        Command::LoseWorker(lose) => {
            // A worker that has just registered and does not know it yet has nothing to lose.
            let held = scheduler.should_hold(lose.worker, lose.incarnation);
            held.is_some_and(|held| !held.is_empty())
                || scheduler.outputs_on(lose.worker).next().is_some()
        }
        Command::TimeOut(_) | Command::LoseOutput(_) => true,
        _ => false,
    }
}

pub(crate) fn check(losses: u64) -> Result<(), String> {
    match losses {
        0 => Ok(()),
        losses => Err(format!(
            "leaders_change_for_nothing: {losses} attempts, outputs or workers were lost"
        )),
    }
}
