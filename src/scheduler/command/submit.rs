//! A user wants a job to be run.

use serde::{Deserialize, Serialize};

use crate::scheduler::{Field, Job, Rejection, Scheduler};
use crate::spec::job::REDUCERS;
use crate::spec::{JobId, Nonce};

/// Most attempts that a task may be given; a failure that 100 attempts did not mend stays.
const ATTEMPTS_MAX: u32 = 100;

/// Sent once per job by whoever accepted it; its plan task starts as soon as there is a slot.
///
/// Refused if the id is not higher than all before, so a repeated one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// Its id, higher than all before.
    pub job: JobId,
    /// Random bits that no other job has.
    pub nonce: Nonce,
    /// Number of reduces; without one, the plan decides. None for a map-only job.
    pub reducers: Option<u32>,
    /// Failures of one task of which the job fails, 1 to 100. Lost workers do not count.
    pub max_attempts: u32,
    /// Whether the maps write the output.
    pub map_only: bool,
}

impl Submit {
    pub(in crate::scheduler) fn apply(self, scheduler: &mut Scheduler) -> Result<(), Rejection> {
        if let Some((&last, _)) = scheduler.jobs.last_key_value()
            && self.job <= last
        {
            return Err(Rejection::JobIdNotNew { job: self.job, last });
        }
        Field::MaxAttempts.check(self.max_attempts, 1, ATTEMPTS_MAX)?;
        if let Some(reducers) = self.reducers {
            Self { reducers: None, ..self }.check_reducers(reducers)?;
        }
        scheduler.jobs.insert(self.job, Job::new(self));
        scheduler.refresh(self.job);
        Ok(())
    }

    /// Refuses a number of reduces that is not the one asked for, or none for a job that reduces.
    pub(in crate::scheduler) fn check_reducers(&self, reducers: u32) -> Result<(), Rejection> {
        let limit = |limit: &u64| u32::try_from(*limit).unwrap_or(u32::MAX);
        let (min, max) = match (self.map_only, self.reducers) {
            (true, _) => (0, 0),
            (false, Some(asked_for)) => (asked_for, asked_for),
            (false, None) => (limit(REDUCERS.start()), limit(REDUCERS.end())),
        };
        Field::Reducers.check(reducers, min, max)
    }
}
