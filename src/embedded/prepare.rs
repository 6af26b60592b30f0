//! Checks everything that can be checked before any work: input, output and scratch space.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::format::source::Codec;
use crate::job::Job;
use crate::spec::{FileRange, InputNotes, JobSpec, Location, Nonce};
use crate::storage::{self, Scratch, ScratchPlaces, Staging, StagingOptions};
use crate::task;

/// How to run a job in this process, beside what its spec says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Attempts at once.
    pub threads: usize,
    /// Where to spill, if the user named a place.
    pub scratch: Option<PathBuf>,
    /// The system's folder for temporary files.
    pub temporary: PathBuf,
    /// Random, and never used before.
    pub nonce: Nonce,
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec asks for something that cannot be.
    #[error(transparent)]
    Spec(#[from] crate::spec::Error),
    /// Input, or an output that lies in it.
    #[error(transparent)]
    Input(#[from] task::ListError),
    /// Output or scratch space.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A relative path was given, and the folder that it is relative to cannot be determined.
    #[error(
        "cannot determine the working folder: {cause}; name absolute paths, or change to a folder that exists"
    )]
    WorkingFolder {
        /// What the system said.
        cause: std::io::Error,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {cause}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system said.
        cause: String,
    },
}

/// A run that can begin.
#[derive(Debug)]
pub struct Prepared {
    /// Input files, in order.
    pub files: Vec<FileRange>,
    /// What was left out of the input, and what it reaches more than once.
    pub notes: InputNotes,
    /// How files of the input are compressed.
    pub codecs: BTreeSet<Codec>,
    /// Where the output is made.
    pub staging: Staging,
    /// Where spills go.
    pub scratch: Scratch,
}

/// Checks everything that can be checked before any work, and makes the run's own folders.
///
/// # Errors
///
/// The first thing that is wrong, in the order: spec, input, overlap, output, scratch.
pub fn prepare<J: Job>(spec: &JobSpec, options: &Options) -> Result<Prepared, Error> {
    spec.validate()?;
    let task::Listing { mut files, notes, codecs } = task::list::<J>(spec)?;
    for file in files.iter_mut().filter(|file| !file.location.is_standard_stream()) {
        file.location = Location::from(&absolute(file.location.path())?);
    }
    let (staging, scratch) = folders(spec, options)?;
    Ok(Prepared { files, notes, codecs, staging, scratch })
}

/// The path from the root on, so that it stays the same if the author's code changes the working folder, and is the one
/// that a cluster would use. Links in it, and `..`, are kept.
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
    // Without an output folder the parts are made in scratch space, and copied to standard output when all are whole.
    let places = ScratchPlaces { dir: dir.as_deref(), staging: None, temporary: &temporary };
    let scratch = Scratch::create(places, nonce)?;
    let staging = Staging::create(&scratch.join("stdout"), nonce, staging_options)?;
    Ok((staging, scratch))
}
