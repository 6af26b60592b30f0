//! Follows a job until it ends.

use crate::rpc::jobs::{JobStatus, Jobs, State};
use crate::rpc::refusal::Refusal;
use crate::spec::JobId;

/// Tells `seen` each status of a job that is new, up to its last, which is also returned.
///
/// # Errors
/// If there is no such job, or no master answered for as long as the client has patience; the job goes on.
pub async fn follow<J: Jobs>(
    jobs: &J,
    job: JobId,
    mut seen: impl FnMut(&JobStatus),
) -> Result<JobStatus, Refusal> {
    let mut known = None;
    loop {
        let status = jobs.status(job, known.unwrap_or(0)).await?;
        // A master that has just begun to lead may number anew: whatever differs is new.
        if known != Some(status.version) {
            known = Some(status.version);
            seen(&status);
        }
        if matches!(status.state, State::Succeeded | State::Failed | State::Cancelled) {
            return Ok(status);
        }
    }
}
