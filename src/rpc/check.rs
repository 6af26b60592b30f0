//! The only place where requests are checked against limits: after they are read and before they take effect.
//!
//! Servers check every request from the network, and clients check large requests before they send them. The simulated
//! network of the tests (`tests/simulation/wire.rs`) checks requests too. The services rely on these checks, and check
//! only what depends on their state: whether a job or an artifact exists.
//!
//! A refusal from here is permanent: the same request will never be accepted.

use super::CONTROL_BYTES_MAX;
use super::address;
use super::artifacts::{ARTIFACT_BYTES_MAX, Digest};
use super::jobs::{Submit, TasksRequest};
use super::masters::Join;
use super::refusal::Refusal;
use super::shuffle::{FetchRequest, MACHINE_BYTES_MAX, SEGMENTS_MAX};
use super::workers::{HeldState, Poll, Register};
use crate::model::job::REDUCERS;
use crate::model::limits::{
    MASTER_NUMBER, MAX_ATTEMPTS, PRIORITY, SLOTS, SUBMISSION_ID_BYTES, TASK_TIMEOUT_MS,
};
use crate::model::{JobOptions, JobSpec, TEXT_CHARS_MAX, escape};
use crate::record::value;

/// Bytes of a spec, which is sent in one message together with a few short fields.
const SPEC_BYTES_MAX: usize = CONTROL_BYTES_MAX - (1 << 20);
/// Tasks in one answer.
const TASKS_MAX: u32 = 10_000;
/// Attempts that a worker may report at once: running ones, and ended ones that are not acknowledged yet.
const HELD_MAX: u64 = 100_000;
/// Jobs whose files a worker may have, and map outputs that it may have or may report as missing.
const JOBS_MAX: u64 = 100_000;
const OUTPUTS_MAX: u64 = 1_000_000;
/// Bytes of the names of a worker's version, and of how it limits memory.
const NAME_BYTES_MAX: usize = 64;

/// Checks the limits of a submission, and those of its spec.
///
/// # Errors
/// The error names the first wrong field, its value and what is accepted, as in all functions here.
pub fn submit(request: &Submit) -> Result<(), Refusal> {
    submission_id(&request.id)?;
    spec(&request.spec)?;
    spec_digest(&request.spec, request.spec_digest)?;
    let JobOptions { max_attempts, priority: wanted, task_timeout_ms, .. } = request.options;
    let (least, most) = (*MAX_ATTEMPTS.start(), *MAX_ATTEMPTS.end());
    within("max_attempts", max_attempts.into(), least.into(), most.into())?;
    if let Some(timeout_ms) = task_timeout_ms {
        let (least, most) = (*TASK_TIMEOUT_MS.start(), *TASK_TIMEOUT_MS.end());
        within("task_timeout_ms", timeout_ms, least, most)?;
    }
    priority(wanted.into()).map(drop)
}

/// Checks a priority.
pub(super) fn priority(priority: u32) -> Result<u8, Refusal> {
    let (least, most) = (*PRIORITY.start(), *PRIORITY.end());
    within("priority", priority.into(), least.into(), most.into())?;
    Ok(u8::try_from(priority).unwrap_or(most))
}

fn submission_id(id: &str) -> Result<(), Refusal> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if !SUBMISSION_ID_BYTES.contains(&(id.len() as u64)) || !id.bytes().all(good) {
        return Err(invalid(format!(
            "submission id `{}` must be {} to {} characters from a-z A-Z 0-9 . _ : -",
            escape(id.as_bytes(), TEXT_CHARS_MAX),
            SUBMISSION_ID_BYTES.start(),
            SUBMISSION_ID_BYTES.end()
        )));
    }
    Ok(())
}

fn spec(spec: &JobSpec) -> Result<(), Refusal> {
    spec.validate().map_err(|error| invalid(error.to_string()))?;
    if spec.output.is_none() {
        return Err(invalid(
            "a job on a cluster cannot write to standard output\nhint: name a folder with -o DIR"
                .into(),
        ));
    }
    if let Some(file) = spec.side_files.iter().find(|file| file.digest.is_none()) {
        return Err(invalid(format!(
            "side file `{}` has no digest\nhint: send the file first, then submit with its digest",
            file.name
        )));
    }
    let inputs = spec.inputs.iter().map(|input| ("input", &input.location));
    for (what, location) in inputs.chain(spec.output.iter().map(|output| ("output", output))) {
        if !location.path().is_absolute() {
            return Err(invalid(format!(
                "{what} `{location}` is not an absolute path: workers do not share the client's \
                 current folder or standard input\nhint: give an absolute path"
            )));
        }
    }
    Ok(())
}

/// Workers use the artifact, and the master uses the spec in the request: they must be the same.
fn spec_digest(spec: &JobSpec, given: Digest) -> Result<(), Refusal> {
    let mut bytes = Vec::new();
    value::encode_into(spec, &mut bytes).map_err(|error| invalid(format!("spec: {error}")))?;
    if bytes.len() > SPEC_BYTES_MAX {
        return Err(invalid(format!(
            "the spec has {} bytes; at most {SPEC_BYTES_MAX} are accepted\nhint: name folders \
             or globs instead of many files",
            bytes.len()
        )));
    }
    let digest = Digest::of(&bytes);
    if digest == given {
        return Ok(());
    }
    Err(invalid(format!(
        "spec_digest is {given}, but the spec has digest {digest}\nhint: submit with the \
         gristmill version of the cluster"
    )))
}

/// Checks the size of a requested page of tasks.
///
/// # Errors
/// As [`submit`].
pub fn tasks(request: &TasksRequest) -> Result<(), Refusal> {
    within("limit", u64::from(request.limit), 1, u64::from(TASKS_MAX))
}

/// Checks the limits of a registration.
///
/// # Errors
/// As [`submit`].
pub fn register(request: &Register) -> Result<(), Refusal> {
    let facts = &request.facts;
    within("slots", u64::from(facts.slots), (*SLOTS.start()).into(), (*SLOTS.end()).into())?;
    at_most("outputs", request.outputs.len() as u64, OUTPUTS_MAX)?;
    let address = address::parse(&facts.address).map_err(invalid)?;
    within("the port of the worker's address", u64::from(address.port()), 1, u64::from(u16::MAX))?;
    text("limiter", &facts.limiter, NAME_BYTES_MAX)?;
    text("version", &facts.version, NAME_BYTES_MAX)
}

/// Checks the limits of a poll. Cuts texts of user code to a length that is fit for the log, and corrects progress that
/// is not 0 to 1.
///
/// # Errors
/// As [`submit`].
pub fn poll(request: &mut Poll) -> Result<(), Refusal> {
    at_most("held attempts", request.held.len() as u64, HELD_MAX)?;
    at_most("jobs", request.jobs.len() as u64, JOBS_MAX)?;
    let lost = request.held.iter().map(|held| match &held.state {
        HeldState::Failed { lost, .. } => lost.len() as u64,
        _ => 0,
    });
    at_most("lost outputs", lost.sum(), OUTPUTS_MAX)?;
    for held in &mut request.held {
        held.state.cut();
        if let HeldState::Running { progress, .. } = &mut held.state {
            // Sums and comparisons must not contain NaN.
            *progress = if progress.is_finite() { progress.clamp(0.0, 1.0) } else { 0.0 };
        }
    }
    Ok(())
}

/// Checks the limits of a fetch.
///
/// # Errors
/// As [`submit`].
pub fn fetch(request: &FetchRequest) -> Result<(), Refusal> {
    within("maps", request.maps.len() as u64, 1, SEGMENTS_MAX as u64)?;
    at_most(
        "length of the machine's name in bytes",
        request.machine.len() as u64,
        MACHINE_BYTES_MAX as u64,
    )?;
    at_most("partition", u64::from(request.partition), *REDUCERS.end() - 1)
}

/// Checks the limits of a request to join.
pub(super) fn join(request: &Join) -> Result<(), Refusal> {
    within("id", request.id.0, *MASTER_NUMBER.start(), *MASTER_NUMBER.end())?;
    address::parse(&request.address).map(drop).map_err(invalid)
}

/// Checks the size of an artifact.
///
/// # Errors
/// As [`submit`].
pub fn artifact(digest: Digest, bytes: u64) -> Result<(), Refusal> {
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

/// Refuses an invalid request.
pub(super) fn invalid(message: String) -> Refusal {
    Refusal::Invalid { message }
}
