//! Invariants, which are checked after each command, at each moment, or at the end. Each has its own file, which
//! begins with the invariant in one sentence.

pub(crate) mod attempts_begin_once;
pub(crate) mod counters_are_the_winners;
pub(crate) mod ended_stays_ended;
pub(crate) mod faults_are_not_amplified;
pub(crate) mod leaders_change_for_nothing;
pub(crate) mod masters_are_level;
pub(crate) mod nothing_is_left;
pub(crate) mod nothing_is_visible_before_the_decision;
pub(crate) mod one_job_per_submission;
pub(crate) mod one_leader_at_once;
pub(crate) mod one_winner_per_task;
pub(crate) mod same_commands_same_effects;
pub(crate) mod same_log_same_state;
pub(crate) mod slots_are_never_exceeded;
pub(crate) mod told_is_kept;

use gristmill::scheduler::{Command, Effect, Rejection, Scheduler};

/// A command, with the answers of the first master that applied it and of a second scheduler.
pub(crate) struct Step<'s> {
    pub(crate) command: &'s Command,
    pub(crate) answer: &'s Result<Vec<Effect>, Rejection>,
    pub(crate) ours: &'s Result<Vec<Effect>, Rejection>,
    /// The second scheduler, after the command.
    pub(crate) scheduler: &'s Scheduler,
}

/// The invariants that are checked after each command.
#[derive(Default)]
pub(crate) struct EachStep {
    pub(crate) attempts_begin_once: attempts_begin_once::Begun,
    counters_are_the_winners: counters_are_the_winners::Counted,
    ended_stays_ended: ended_stays_ended::Ended,
    pub(crate) one_job_per_submission: one_job_per_submission::Submitted,
    one_winner_per_task: one_winner_per_task::Winners,
}

impl EachStep {
    pub(crate) fn check(&mut self, step: &Step) -> Result<(), String> {
        same_commands_same_effects::check(step)?;
        self.attempts_begin_once.check(step)?;
        self.one_job_per_submission.check(step)?;
        self.one_winner_per_task.check(step)?;
        self.counters_are_the_winners.check(step)?;
        self.ended_stays_ended.check(step)?;
        slots_are_never_exceeded::check(step)
    }
}
