//! Checks that submissions with the same id create only one job, however often they are sent and whichever master
//! leads, and that the client receives that job.

use std::collections::BTreeMap;

use gristmill::model::JobId;
use gristmill::scheduler::{Command, Submit};

use super::Step;

#[derive(Default)]
pub(crate) struct Submitted {
    by_request: BTreeMap<String, JobId>,
}

impl Submitted {
    pub(crate) fn check(&mut self, step: &Step) -> Result<(), String> {
        let Command::Submit(Submit { job, request, .. }) = step.command else { return Ok(()) };
        if step.answer.is_err() {
            return Ok(());
        }
        match self.by_request.insert(request.clone(), *job) {
            None => Ok(()),
            Some(other) => {
                Err(format!("one_job_per_submission: {request} is {other}, and {job} as well"))
            }
        }
    }

    /// Records that a client was told that its submission is this job.
    pub(crate) fn acknowledge(&self, request: &str, job: JobId) -> Result<(), String> {
        let ours = self.by_request.get(request);
        if ours == Some(&job) {
            return Ok(());
        }
        Err(format!("one_job_per_submission: {request} was told {job}, and is {ours:?}"))
    }
}
