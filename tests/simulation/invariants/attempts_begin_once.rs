//! Checks that each attempt id is assigned once and begun at most once, so that two attempts never write to the same
//! place.
//!
//! Attempts that only sweep a staging folder are an exception, because they write nothing. A new leader numbers them
//! from the start, so it may assign the same attempt id again, on any worker.

use std::collections::BTreeSet;

use gristmill::model::{AttemptId, TaskKind};
use gristmill::scheduler::Effect;

use super::Step;

#[derive(Default)]
pub(crate) struct Begun {
    given: BTreeSet<AttemptId>,
    begun: BTreeSet<AttemptId>,
}

impl Begun {
    pub(crate) fn check(&mut self, step: &Step) -> Result<(), String> {
        for effect in step.answer.iter().flatten() {
            if let Effect::Start { attempt, .. } = effect
                && !self.given.insert(*attempt)
            {
                return Err(format!("attempts_begin_once: {attempt} is given a second time"));
            }
        }
        Ok(())
    }

    pub(crate) fn begins(&mut self, place: &str, attempt: AttemptId) -> Result<(), String> {
        if attempt.task.kind == TaskKind::Commit && attempt.task.index > 0 {
            return Ok(());
        }
        if !self.given.contains(&attempt) {
            return Err(format!(
                "attempts_begin_once: {attempt} begins on {place}, and nobody gave it"
            ));
        }
        if !self.begun.insert(attempt) {
            return Err(format!("attempts_begin_once: {attempt} begins again, on {place}"));
        }
        Ok(())
    }
}
