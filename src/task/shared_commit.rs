//! The sealed parts of attempts in other processes: each attempt lists its own, and one commit publishes them.

use std::path::Path;

use super::commit::{in_order, manifest_of};
use super::failure::Trouble;
use super::run::{BAD_RECORDS, GROUP, PartDone, folder_name};
use crate::record::value;
use crate::spec::{
    About, AttemptId, Cause, Counters, Failure, JobId, JobSpec, Manifest, Nonce, TaskKind,
};
use crate::storage::{SealedPart, SharedStaging, StagingOptions};

/// Lists the attempt's sealed parts in its folder. After this the attempt may win.
///
/// # Errors
///
/// The staging folder does not exist, or the system's error.
pub fn seal(
    staging: &SharedStaging,
    attempt: AttemptId,
    parts: &[PartDone],
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    value::encode_into(parts, &mut bytes).map_err(damaged)?;
    staging.seal(&folder_name(attempt), &bytes).map_err(|error| Trouble::from(error).into_failure())
}

/// The attempts whose parts are the output.
#[derive(Debug, Clone, Copy)]
pub struct Winners<'w> {
    /// The job.
    pub job: JobId,
    /// The number of the winning attempt of each map; 0 if it left nothing in staging.
    pub maps: &'w [u32],
    /// The number of the winning attempt of each reduce.
    pub reduces: &'w [u32],
}

impl Winners<'_> {
    fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        let of = |kind, numbers: &[u32]| {
            let numbered = (0..).zip(numbers.to_vec());
            let job = self.job;
            let staged = numbered.filter(|&(_, number)| number > 0);
            staged.map(move |(index, number)| job.task(kind, index).attempt(number))
        };
        of(TaskKind::Map, self.maps).chain(of(TaskKind::Reduce, self.reduces))
    }
}

/// Publishes the winners' parts completely, or not at all. Succeeds if another attempt has already published them.
///
/// # Errors
///
/// There are more bad records than allowed, or the error of [`SharedStaging::publish`].
pub fn commit_shared(
    spec: &JobSpec,
    out: &Path,
    nonce: Nonce,
    winners: Winners<'_>,
    counters: Counters,
    created: String,
) -> Result<Manifest, Failure> {
    // Each attempt alone was allowed as many as the whole job.
    let bad_records = counters.get(GROUP, BAD_RECORDS);
    if bad_records > spec.max_bad_records {
        let message = format!(
            "{bad_records} bad records were set aside, but only {} are allowed\nhint: fix them, or \
             raise --max-bad-records",
            spec.max_bad_records
        );
        // A retry would count the same number.
        return Err(Failure::new(Cause::UserError, message).about(About::BadInput));
    }
    let done = publish(spec, out, nonce, winners, counters, created);
    // Even if this attempt failed: another one may have published before it.
    done.or_else(|failure| {
        let manifest = SharedStaging::published(out, nonce).ok_or(failure)?;
        // The other attempt may have died while it removed the staging folder.
        let _removed_or_left = SharedStaging::sweep(out, nonce);
        Ok(manifest)
    })
}

fn publish(
    spec: &JobSpec,
    out: &Path,
    nonce: Nonce,
    winners: Winners<'_>,
    counters: Counters,
    created: String,
) -> Result<Manifest, Failure> {
    let failed = |error| Trouble::from(error).into_failure();
    let options = StagingOptions { overwrite: spec.overwrite, sync: spec.sync };
    let staging = SharedStaging::open(out, nonce, options).map_err(failed)?;
    let (mut all, mut sealed) = (Vec::new(), Vec::new());
    for attempt in winners.attempts() {
        let name = folder_name(attempt);
        let bytes = staging.sealed(&name).map_err(failed)?;
        let parts: Vec<PartDone> = value::decode(&bytes).map_err(damaged)?;
        let of_it: Vec<SealedPart> = parts.iter().map(|part| part.sealed.clone()).collect();
        sealed.push((name, of_it));
        all.extend(parts);
    }
    let mut manifest = manifest_of(&spec.name, created, &in_order(all), counters);
    manifest.nonce = Some(nonce);
    staging.publish(&sealed, &super::commit::json(&manifest)?).map_err(failed)?;
    Ok(manifest)
}

fn damaged(error: value::Error) -> Failure {
    Failure::new(Cause::None, format!("an attempt's list of parts is damaged: {error}"))
}
