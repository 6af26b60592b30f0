//! Checks that answers stay true for every later client and under every later leader: an accepted job still exists,
//! and a job that has ended keeps its final state.

use std::collections::BTreeMap;

use gristmill::model::{JobId, JobState};
use gristmill::rpc::jobs::JobLine;

/// Everything that clients were told so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acknowledged {
    /// The accepted jobs, each with its final state once a client was told of it.
    jobs: BTreeMap<JobId, Option<JobState>>,
}

impl Acknowledged {
    pub(crate) fn accept(&mut self, job: JobId) {
        self.jobs.entry(job).or_default();
    }

    pub(crate) fn end(&mut self, job: JobId, state: JobState) {
        if matches!(state, JobState::Succeeded | JobState::Failed | JobState::Cancelled) {
            self.jobs.insert(job, Some(state));
        }
    }

    /// Compares an answer with what was told before the request.
    pub(crate) fn check(&self, lines: &[JobLine]) -> Result<(), String> {
        for (&job, &end) in &self.jobs {
            let now = lines.iter().find(|line| line.id == job).map(|line| line.state);
            if now.is_none() || end.is_some() && end != now {
                return Err(format!(
                    "told_is_kept: {job} was accepted, its end {end:?}, and is now {now:?}"
                ));
            }
        }
        Ok(())
    }
}
