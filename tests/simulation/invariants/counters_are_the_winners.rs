//! Checks that a job's counters are exactly the sums of the counters of each task's first successful attempt.

use std::collections::{BTreeMap, BTreeSet};

use gristmill::model::{AttemptId, Counters, JobId, TaskId};
use gristmill::scheduler::{Command, Complete, PlanDone};

use super::Step;

#[derive(Default)]
pub(crate) struct Counted {
    won: BTreeSet<TaskId>,
    by_job: BTreeMap<JobId, Counters>,
}

impl Counted {
    pub(crate) fn check(&mut self, step: &Step) -> Result<(), String> {
        match step.command {
            Command::Complete(Complete { attempt, counters, .. })
            | Command::PlanDone(PlanDone { attempt, counters, .. })
                if step.answer.is_ok() =>
            {
                self.win(*attempt, counters);
            }
            _ => {}
        }
        for job in step.scheduler.jobs() {
            let ours = self.by_job.entry(job.id()).or_default();
            if ours != job.counters() {
                let said = job.counters();
                return Err(format!(
                    "counters_are_the_winners: {} has {said:?}, its winners {ours:?}",
                    job.id()
                ));
            }
        }
        Ok(())
    }

    fn win(&mut self, attempt: AttemptId, counters: &Counters) {
        if self.won.insert(attempt.task) {
            self.by_job.entry(attempt.task.job).or_default().merge(counters);
        }
    }
}
