//! Lists the input files of a job, and refuses an output that is among them.

use std::collections::BTreeSet;

use crate::format::source::Codec;
use crate::format::{self, Input};
use crate::job::Job;
use crate::spec::{FileIdentity, FileRange, InputNotes, JobSpec, Location};
use crate::storage::{self, FileEntry, OPENED_AHEAD_MAX};

/// The input files of a job.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files, in order, each as one range of all its bytes.
    pub files: Vec<FileRange>,
    /// What was left out, and what was reached more than once.
    pub notes: InputNotes,
    /// How files of the input are compressed.
    pub codecs: BTreeSet<Codec>,
}

/// Why the input cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It does not exist, or the output lies in it.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A file is not what it must be.
    #[error(transparent)]
    Content(#[from] format::Error),
    /// Standard input was named along with other inputs, or twice.
    #[error(
        "standard input, the input `-`, must be the only input, but {inputs} are given\n\
         hint: name a file instead"
    )]
    StandardInput {
        /// How many inputs were named.
        inputs: usize,
    },
}

/// Compressed files that are decompressed to see what they begin with. Of more, the others are found when they are read.
const DECODED_AHEAD_MAX: usize = 10;

/// Lists what the spec names, and refuses an output that lies in it, and files that are not what they must be: text, or
/// compressed as their names say (of the first [`OPENED_AHEAD_MAX`]).
///
/// Files that are reached more than once are listed once, but a file may serve several of the job's named inputs.
///
/// # Errors
///
/// The first thing that is wrong, in the order of the inputs.
pub fn list<J: Job>(spec: &JobSpec) -> Result<Listing, ListError> {
    if let [input] = &spec.inputs[..]
        && input.location.is_standard_stream()
    {
        let files = vec![stream(input.source)];
        let codecs = check_content::<J>(&files)?;
        return Ok(Listing { files, notes: InputNotes::default(), codecs });
    }
    if spec.inputs.iter().any(|input| input.location.is_standard_stream()) {
        return Err(ListError::StandardInput { inputs: spec.inputs.len() });
    }
    let inputs = spec.inputs.iter().map(|input| (input.source, input.location.path()));
    let listing = storage::list_groups(inputs)?;
    if let Some(output) = &spec.output {
        storage::refuse_overlap(&listing, output.path())?;
    }
    let sources = spec.inputs.iter().zip(&listing.counts);
    let sources = sources.flat_map(|(input, &count)| std::iter::repeat_n(input.source, count));
    let files = listing.files.iter().zip(sources).map(|(file, source)| whole(file, source));
    let files: Vec<FileRange> = files.collect();
    let codecs = check_content::<J>(&files)?;
    Ok(Listing { files, notes: listing.notes, codecs })
}

/// Refuses files that are not what they must be. Returns how they are compressed.
fn check_content<J: Job>(files: &[FileRange]) -> Result<BTreeSet<Codec>, format::Error> {
    let mut decoded = 0;
    let mut codecs = BTreeSet::new();
    for file in files.iter().take(OPENED_AHEAD_MAX) {
        let is_text = J::Input::is_text(usize::try_from(file.source).unwrap_or(usize::MAX));
        let codec = format::source::check(file, is_text, decoded < DECODED_AHEAD_MAX)?;
        decoded += usize::from(codec.is_some());
        codecs.extend(codec);
    }
    Ok(codecs)
}

/// All of a file, as one range.
fn whole(file: &FileEntry, source: u32) -> FileRange {
    FileRange {
        location: Location::from(&file.path),
        source,
        start: 0,
        end: file.bytes,
        size: file.bytes,
        modified_ns: file.modified_ns,
        identity: file.identity,
    }
}

fn stream(source: u32) -> FileRange {
    let (start, end) = (0, u64::MAX);
    FileRange {
        location: Location::standard_stream(),
        source,
        start,
        end,
        size: u64::MAX,
        modified_ns: 0,
        identity: FileIdentity::default(),
    }
}
