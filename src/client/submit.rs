//! Submits a job: uploads its executable, side files and spec as artifacts, and then sends the submission.

use std::io;
use std::path::{Path, PathBuf};

use super::{Error, Masters};
use crate::model::{JobId, JobOptions, JobSpec, Location};
use crate::offload::offload;
use crate::record::value;
use crate::rpc::artifacts::Digest;
use crate::rpc::digest_of_file;
use crate::rpc::jobs::Submit;
use crate::rpc::refusal::Refusal;
use crate::storage::draw_nonce;

/// Maximum number of times that artifacts are uploaded, in case the masters lose them.
const SENT_MAX: u32 = 5;

/// A job to submit, with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Id of the submission: submissions with the same id make one job; see [`Submission::fresh_id`].
    pub id: String,
    /// The executable.
    pub executable: PathBuf,
    /// The job spec.
    pub spec: JobSpec,
    /// Whether it has no reduce.
    pub map_only: bool,
    /// How the cluster runs it.
    pub options: JobOptions,
}

impl Submission {
    /// Creates a submission with default options. Its fields may be changed before it is submitted.
    pub fn new(id: String, executable: PathBuf, spec: JobSpec, map_only: bool) -> Self {
        Self { id, executable, spec, map_only, options: JobOptions::default() }
    }

    /// Draws a unique id: 128 bits from the system's random source, as hexadecimal digits.
    pub fn fresh_id() -> String {
        draw_nonce().to_string()
    }
}

/// Submits a job. Repeated submissions with the same id give the same job.
///
/// # Errors
/// If the job cannot run on a cluster, or the cluster refuses it; [`Error::Unknown`] if it may have been accepted.
pub async fn submit<M: Masters>(master: &M, submission: Submission) -> Result<JobId, Error> {
    let spec = for_cluster(submission.spec.clone())?;
    let mut sent = 0;
    loop {
        sent += 1;
        let request = send(master, &submission, spec.clone()).await?;
        let cause = match master.submit(request).await {
            Ok(job) => return Ok(job),
            // The master that received the artifacts has failed, and another one leads.
            Err(Refusal::NotFound { .. }) if sent < SENT_MAX => continue,
            Err(cause) => cause,
        };
        return Err(match cause {
            Refusal::Unavailable { .. } | Refusal::NotYet { .. } => {
                Error::Unknown { id: submission.id, cause }
            }
            cause => Error::Refused { cause },
        });
    }
}

/// Finds the job that was submitted with this id, if the cluster still knows it.
///
/// # Errors
/// If the cluster does not answer.
pub async fn submitted<M: Masters>(master: &M, id: &str) -> Result<Option<JobId>, Error> {
    let jobs = master.list().await?;
    Ok(jobs.into_iter().find(|job| job.request == id).map(|job| job.id))
}

/// Uploads the job's artifacts, unless the masters have them, and returns the request that names them.
async fn send<M: Masters>(
    master: &M,
    submission: &Submission,
    mut spec: JobSpec,
) -> Result<Submit, Error> {
    for file in &mut spec.side_files {
        let unfit = |cause| Error::SideFile { file: file.location.clone(), cause };
        file.digest = Some(put_file(master, file.location.path(), unfit).await?);
    }
    let unfit =
        |cause| Error::Executable { executable: Location::from(&submission.executable), cause };
    let executable = put_file(master, &submission.executable, unfit).await?;
    let mut bytes = Vec::new();
    value::encode_into(&spec, &mut bytes).map_err(|error| Error::Unfit {
        message: format!("cannot encode the job's spec: {error}"),
    })?;
    let spec_digest = Digest::of(&bytes);
    if !master.has(spec_digest).await? {
        master.put_bytes(&bytes).await?;
    }
    Ok(Submit {
        id: submission.id.clone(),
        spec,
        spec_digest,
        executable,
        map_only: submission.map_only,
        options: submission.options,
    })
}

/// Returns the spec as a cluster runs it. Refuses standard input and standard output.
fn for_cluster(mut spec: JobSpec) -> Result<JobSpec, Error> {
    let unfit = |message: &str| Err(Error::Unfit { message: message.into() });
    if spec.output.as_ref().is_none_or(Location::is_standard_stream) {
        return unfit(
            "a job on a cluster cannot write to standard output\nhint: name a folder with --output DIR",
        );
    }
    if spec.inputs.iter().any(|input| input.location.is_standard_stream()) {
        return unfit(
            "a job on a cluster cannot read standard input (`-`)\nhint: write it to a \
             file, and name that file",
        );
    }
    spec.validate().map_err(|error| Error::Unfit { message: error.to_string() })?;
    // On a cluster, machines fail independently: a published output must survive the failure of any of them.
    spec.sync = true;
    Ok(spec)
}

/// Stores a file as an artifact, unless the masters have it.
async fn put_file<M: Masters>(
    master: &M,
    path: &Path,
    unfit: impl Fn(io::Error) -> Error,
) -> Result<Digest, Error> {
    let owned = path.to_path_buf();
    let digested = offload(move || digest_of_file(&owned)).await;
    let digest = digested.map_err(io::Error::other).and_then(|digest| digest).map_err(&unfit)?;
    if !master.has(digest).await? {
        master.put(digest, path).await.map_err(|refusal| match refusal {
            // The file was changed or removed in the meantime.
            Refusal::Invalid { message } => unfit(io::Error::other(message)),
            refusal => refusal.into(),
        })?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InputSpec;

    fn spec(input: &str, output: Option<&str>) -> JobSpec {
        JobSpec {
            inputs: vec![InputSpec { source: 0, location: Location::from(input) }],
            output: output.map(Location::from),
            ..JobSpec::example()
        }
    }

    #[test]
    fn standard_streams_are_refused_and_output_is_synced() {
        assert!(for_cluster(spec("/in", Some("/out"))).unwrap().sync);
        for (spec, said) in [
            (spec("/in", None), "cannot write to standard output"),
            (spec("/in", Some("-")), "cannot write to standard output"),
            (spec("-", Some("/out")), "cannot read standard input"),
            (spec("", Some("/out")), "empty path"),
        ] {
            let error = for_cluster(spec).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn fresh_ids_differ() {
        assert_ne!(Submission::fresh_id(), Submission::fresh_id());
        assert_eq!(Submission::fresh_id().len(), 32);
    }
}
