//! Checks that an ended job keeps its final state, and that none of its attempts runs afterwards.

use gristmill::model::{JobId, JobState};
use std::collections::BTreeMap;

use super::Step;

#[derive(Default)]
pub(crate) struct Ended {
    by_job: BTreeMap<JobId, JobState>,
}

impl Ended {
    pub(crate) fn check(&mut self, step: &Step) -> Result<(), String> {
        for job in step.scheduler.jobs() {
            let (id, now) = (job.id(), job.state());
            match self.by_job.get(&id) {
                Some(before) if *before != now => {
                    return Err(format!("ended_stays_ended: {id} was {before} and is {now}"));
                }
                None if now.is_terminal() => {
                    self.by_job.insert(id, now);
                }
                _ => {}
            }
        }
        let mut running = step.scheduler.running();
        match running.find(|(attempt, _)| self.by_job.contains_key(&attempt.task.job)) {
            Some((attempt, worker)) => {
                Err(format!("ended_stays_ended: {attempt} runs on {worker}, and its job has ended"))
            }
            None => Ok(()),
        }
    }
}
