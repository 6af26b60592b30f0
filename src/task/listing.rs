//! Lists the input files of a job, and refuses an output that overlaps with them.

use std::collections::BTreeSet;

use crate::format::source::Codec;
use crate::format::{self, Input};
use crate::job::Job;
use crate::model::{FileIdentity, FileRange, InputNotes, JobSpec, Location};
use crate::storage::{self, FileEntry, OPENED_AHEAD_MAX};

/// The input files of a job.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files, in order, each as one range that covers the whole file.
    pub files: Vec<FileRange>,
    /// What was skipped, and what was reached more than once.
    pub notes: InputNotes,
    /// The compression formats of the input files.
    pub codecs: BTreeSet<Codec>,
}

/// Why the input cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It does not exist, or the output lies inside it.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A file has the wrong kind of content.
    #[error(transparent)]
    Content(#[from] format::Error),
    /// Standard input was named along with other inputs, or twice.
    #[error(
        "standard input (`-`) must be the only input, but {inputs} inputs are given\n\
         hint: name files instead"
    )]
    StandardInput {
        /// Number of inputs that were named.
        inputs: usize,
    },
}

/// Number of compressed files that are decompressed ahead to check their first bytes. Problems in further files are
/// found when those are read.
const DECODED_AHEAD_MAX: usize = 10;

/// Lists the inputs that the spec names. Refuses an output that lies inside them, and files with the wrong kind of
/// content: each must be text, or compressed as its name says (checked for the first [`OPENED_AHEAD_MAX`]).
///
/// A file that is reached more than once is listed once, except that several of the job's named inputs may share a
/// file.
///
/// # Errors
///
/// The first problem, in the order of the inputs.
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

/// Refuses files with the wrong kind of content. Returns their compression formats.
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

/// The whole file as one range.
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
