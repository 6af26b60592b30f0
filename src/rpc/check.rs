//! The one place where requests are held to their limits, after they were read and before anybody acts on them.
//!
//! What is refused here is refused for good: the same request will never be accepted.

use super::address;
use super::artifacts::{ARTIFACT_BYTES_MAX, Digest};
use super::jobs::{Submit, TasksRequest};
use super::masters::Join;
use super::refusal::Refusal;
use super::shuffle::{FetchRequest, SEGMENTS_MAX};
use super::workers::{Poll, Register};
use crate::spec::failure::TEXT_CHARS_MAX;
use crate::spec::job::REDUCERS;
use crate::spec::options::PRIORITY;
use crate::spec::{JobSpec, escape};

/// Bytes of the id of a submission.
const SUBMISSION_ID_BYTES_MAX: usize = 128;
/// Attempts that a task may have.
const ATTEMPTS_MAX: u64 = 100;
/// Longest task timeout: a week, in milliseconds.
const TASK_TIMEOUT_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Tasks in one answer.
pub(super) const TASKS_MAX: u32 = 10_000;
/// Slots of one worker.
const SLOTS_MAX: u64 = 1_024;
/// Attempts that a worker may report at once: running ones, and ended ones that wait for an acknowledgement.
const HELD_MAX: u64 = 100_000;
/// Jobs of which a worker may have files, and map outputs that it may still have.
const JOBS_MAX: u64 = 100_000;
const OUTPUTS_MAX: u64 = 1_000_000;
/// Largest number of a master.
const MASTER_MAX: u64 = 1_000;
/// Bytes of a worker's description of how it limits memory.
const LIMITER_BYTES_MAX: usize = 64;

/// Holds a submission to its limits, and its spec to its own.
pub(super) fn submit(request: &Submit) -> Result<(), Refusal> {
    submission_id(&request.id)?;
    spec(&request.spec)?;
    at_most("max_attempts", u64::from(request.max_attempts), ATTEMPTS_MAX)?;
    at_most("task_timeout_ms", request.task_timeout_ms, TASK_TIMEOUT_MS_MAX)?;
    priority(request.priority)
}

fn priority(priority: i32) -> Result<(), Refusal> {
    let (least, most) = (i32::from(*PRIORITY.start()), i32::from(*PRIORITY.end()));
    if (least..=most).contains(&priority) {
        return Ok(());
    }
    Err(invalid(format!("priority must be {least} to {most}, got {priority}")))
}

fn submission_id(id: &str) -> Result<(), Refusal> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if id.is_empty() || id.len() > SUBMISSION_ID_BYTES_MAX || !id.bytes().all(good) {
        return Err(invalid(format!(
            "submission id `{}` must be 1 to {SUBMISSION_ID_BYTES_MAX} of a-z A-Z 0-9 . _ : -",
            escape(id.as_bytes(), TEXT_CHARS_MAX)
        )));
    }
    Ok(())
}

fn spec(spec: &JobSpec) -> Result<(), Refusal> {
    spec.validate().map_err(|error| invalid(error.to_string()))?;
    if spec.output.is_none() {
        return Err(invalid("a job on a cluster has no standard output; name a folder".into()));
    }
    let paths = spec.inputs.iter().map(|input| &input.location).chain(&spec.output);
    for location in paths {
        if !location.path().is_absolute() {
            return Err(invalid(format!(
                "`{location}` is not an absolute path; workers have no current folder"
            )));
        }
    }
    Ok(())
}

/// Holds the page of tasks that is wanted to its limit.
pub(super) fn tasks(request: &TasksRequest) -> Result<(), Refusal> {
    within("limit", u64::from(request.limit), 1, u64::from(TASKS_MAX))
}

/// Holds a worker's introduction to its limits.
pub(super) fn register(request: &Register) -> Result<(), Refusal> {
    within("slots", u64::from(request.slots), 1, SLOTS_MAX)?;
    at_most("outputs", request.outputs.len() as u64, OUTPUTS_MAX)?;
    address::parse(&request.address).map_err(invalid)?;
    text("limiter", &request.limiter, LIMITER_BYTES_MAX)
}

/// Holds a poll to its limits.
pub(super) fn poll(request: &Poll) -> Result<(), Refusal> {
    at_most("held attempts", request.held.len() as u64, HELD_MAX)?;
    at_most("jobs", request.jobs.len() as u64, JOBS_MAX)
}

/// Holds a fetch to its limits.
pub(super) fn fetch(request: &FetchRequest) -> Result<(), Refusal> {
    within("maps", request.maps.len() as u64, 1, SEGMENTS_MAX as u64)?;
    at_most("partition", u64::from(request.partition), *REDUCERS.end() - 1)
}

/// Holds what a master that wants in says of itself to its limits.
pub(super) fn join(request: &Join) -> Result<(), Refusal> {
    within("id", request.id.0, 1, MASTER_MAX)?;
    address::parse(&request.address).map(drop).map_err(invalid)
}

/// Holds an artifact to its largest size.
pub(super) fn artifact(digest: Digest, bytes: u64) -> Result<(), Refusal> {
    if bytes <= ARTIFACT_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::Limit {
        message: format!(
            "artifact {digest} has {bytes} bytes; at most {ARTIFACT_BYTES_MAX} are accepted"
        ),
    })
}

fn at_most(field: &str, value: u64, most: u64) -> Result<(), Refusal> {
    within(field, value, 0, most)
}

fn within(field: &str, value: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(invalid(format!("{field} must be {least} to {most}, got {value}")))
}

fn text(field: &str, value: &str, most: usize) -> Result<(), Refusal> {
    if value.len() <= most && !value.chars().any(char::is_control) {
        return Ok(());
    }
    let shown = escape(value.as_bytes(), TEXT_CHARS_MAX);
    Err(invalid(format!("{field} `{shown}` must be at most {most} bytes of plain text")))
}

/// A request that is wrong in itself.
pub(super) fn invalid(message: String) -> Refusal {
    Refusal::Invalid { message }
}
