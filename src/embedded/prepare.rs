//! Checks input, output and scratch space before any work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::format::source::Codec;
use crate::job::Job;
use crate::model::{FileRange, InputNotes, JobSpec, Location, Nonce};
use crate::storage::{self, Scratch, ScratchPlaces, Staging, StagingOptions};
use crate::task;

/// Options of a run in this process, in addition to the job's spec.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of attempts that run at once.
    pub threads: usize,
    /// The folder for spills that the user named, if any.
    pub scratch: Option<PathBuf>,
    /// The system's folder for temporary files.
    pub temporary: PathBuf,
    /// A random number that no other run has.
    pub nonce: Nonce,
}

/// Error that keeps a run from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec is invalid.
    #[error(transparent)]
    Spec(#[from] crate::model::Error),
    /// The input cannot be used, or the output is inside it.
    #[error(transparent)]
    Input(#[from] task::ListError),
    /// The output or scratch folder cannot be used.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A relative path was given, and the working folder cannot be determined.
    #[error(
        "cannot determine the working folder: {cause}\nhint: name absolute paths, or change to a folder that exists"
    )]
    WorkingFolder {
        /// The system's error.
        cause: std::io::Error,
    },
    /// The threads could not be started.
    #[error(
        "cannot start {threads} threads: {cause}\nhint: use fewer --threads, or raise the limits on \
         processes (ulimit -u) and memory (ulimit -v)"
    )]
    Threads {
        /// The number of threads.
        threads: usize,
        /// The system's error.
        cause: String,
    },
}

/// A run that is ready to start.
#[derive(Debug)]
pub struct Prepared {
    /// Input files, in order.
    pub files: Vec<FileRange>,
    /// Input that was skipped, and input that was reached more than once.
    pub notes: InputNotes,
    /// Compression of the input files.
    pub codecs: BTreeSet<Codec>,
    /// Staging folder of the output.
    pub staging: Staging,
    /// Scratch folder for spills.
    pub scratch: Scratch,
}

/// Checks everything that can be checked before any work, and creates the run's folders.
///
/// # Errors
///
/// The first problem, in this order: spec, input, overlap, output, scratch.
pub fn prepare<J: Job>(spec: &JobSpec, options: &Options) -> Result<Prepared, Error> {
    spec.validate()?;
    let task::Listing { mut files, notes, codecs } = task::list::<J>(spec)?;
    for file in files.iter_mut().filter(|file| !file.location.is_standard_stream()) {
        file.location = Location::from(&absolute(file.location.path())?);
    }
    let (staging, scratch) = folders(spec, options)?;
    Ok(Prepared { files, notes, codecs, staging, scratch })
}

/// Makes a path absolute, as a cluster does, so that it stays valid if the job's code changes the working folder. Keeps
/// links and `..`.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|cause| Error::WorkingFolder { cause })
}

fn folders(spec: &JobSpec, options: &Options) -> Result<(Staging, Scratch), Error> {
    let nonce = options.nonce;
    let dir = options.scratch.as_deref().map(absolute).transpose()?;
    let temporary = absolute(&options.temporary)?;
    let staging_options = StagingOptions { overwrite: spec.overwrite, sync: spec.sync };
    if let Some(output) = &spec.output {
        let staging = Staging::create(output.path(), nonce, staging_options)?;
        let dir = dir.as_deref();
        let places = ScratchPlaces { dir, staging: Some(&staging), temporary: &temporary };
        let scratch = Scratch::create(places, nonce)?;
        return Ok((staging, scratch));
    }
    // Without an output folder, the parts are written to scratch space, and copied to standard output when all are
    // complete.
    let places = ScratchPlaces { dir: dir.as_deref(), staging: None, temporary: &temporary };
    let scratch = Scratch::create(places, nonce)?;
    let staging = Staging::create(&scratch.join("stdout"), nonce, staging_options)?;
    Ok((staging, scratch))
}
