//! Submits a job.

use serde::{Deserialize, Serialize};

use crate::model::job::REDUCERS;
use crate::model::limits::{MAX_ATTEMPTS, PRIORITY, SUBMISSION_ID_BYTES, TASK_TIMEOUT_MS};
use crate::model::{JobId, JobOptions, Nonce};
use crate::scheduler::{Effect, Field, Rejection, Scheduler};

/// Sent by the leader when a client submits. The plan task starts as soon as a slot is free.
///
/// If the client repeats it (same `request`), it is refused as already submitted. The refusal names the job, which is
/// then the client's answer, and the rest of the second request is ignored. It is also refused if the id is not higher
/// than all earlier ones; the leader then tries the next id. If it is lost, there is no job, and the client repeats
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// Its id, higher than all earlier ones.
    pub job: JobId,
    /// The client's own id of this request, within [`SUBMISSION_ID_BYTES`]. It is known until the job is forgotten.
    pub request: String,
    /// The job's name, for people.
    pub name: String,
    /// Random bits that no other job has.
    pub nonce: Nonce,
    /// Number of reduces; `None` if the plan decides. Must be `None` for a map-only job.
    pub reducers: Option<u32>,
    /// Whether the maps write the output.
    pub map_only: bool,
    /// Its options.
    pub options: JobOptions,
}

impl Submit {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        _: &mut [Effect],
    ) -> Result<(), Rejection> {
        if let Some(&job) = scheduler.requests.get(&self.request) {
            return Err(Rejection::AlreadySubmitted { job });
        }
        if let Some(last) = scheduler.last_job.filter(|&last| self.job <= last) {
            return Err(Rejection::JobIdNotNew { job: self.job, last });
        }
        Field::RequestBytes.check(self.request.len() as u64, SUBMISSION_ID_BYTES)?;
        Field::MaxAttempts.check(self.options.max_attempts, MAX_ATTEMPTS)?;
        Field::Priority.check(self.options.priority, PRIORITY)?;
        if let Some(timeout_ms) = self.options.task_timeout_ms {
            Field::TaskTimeoutMs.check(timeout_ms, TASK_TIMEOUT_MS)?;
        }
        if let Some(reducers) = self.reducers {
            check_reducers(self.map_only, None, reducers)?;
        }

        let job = self.job;
        scheduler.last_job = Some(job);
        scheduler.requests.insert(self.request.clone(), job);
        scheduler.open(self);
        Ok(())
    }

    /// Refuses a number of reduces that differs from the submitted one, and refuses zero for a job with a reduce.
    pub(in crate::scheduler) fn check_reducers(&self, reducers: u32) -> Result<(), Rejection> {
        check_reducers(self.map_only, self.reducers, reducers)
    }
}

fn check_reducers(map_only: bool, asked_for: Option<u32>, reducers: u32) -> Result<(), Rejection> {
    let range = match asked_for {
        _ if map_only => 0..=0,
        Some(asked_for) => u64::from(asked_for)..=u64::from(asked_for),
        None => REDUCERS,
    };
    Field::Reducers.check(u64::from(reducers), range)
}
