//! Lists the input of a job: the first thing that is known of it, and often the first that is wrong.

use crate::spec::{FileRange, JobSpec, Location};
use crate::storage::{self, Skipped};

/// The input files of a job.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files, in order, each as one range of all its bytes.
    pub files: Vec<FileRange>,
    /// What was left out of folders.
    pub skipped: Skipped,
}

/// Why the input cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is not there, or the output lies in it.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Standard input was named along with other inputs, or twice.
    #[error(
        "standard input (-) is one of {inputs} inputs; it can only be read alone; name a file instead"
    )]
    StandardInput {
        /// How many inputs were named.
        inputs: usize,
    },
}

/// Lists what the spec names, and refuses an output that lies in it.
///
/// # Errors
///
/// The first thing that is wrong, in the order of the inputs.
pub fn list(spec: &JobSpec) -> Result<Listing, ListError> {
    let mut listed = Listing::default();
    for input in &spec.inputs {
        if input.location.is_standard_stream() {
            if spec.inputs.len() > 1 {
                return Err(ListError::StandardInput { inputs: spec.inputs.len() });
            }
            listed.files.push(stream(input.source));
            continue;
        }
        let listing = storage::list(&[input.location.path().to_path_buf()])?;
        if let Some(output) = &spec.output {
            storage::refuse_overlap(&listing, output.path())?;
        }
        listed.skipped.hidden += listing.skipped.hidden;
        listed.skipped.special += listing.skipped.special;
        listed.files.extend(listing.files.iter().map(|file| FileRange {
            location: Location::from(&file.path),
            source: input.source,
            start: 0,
            end: file.bytes,
            size: file.bytes,
            modified_ns: file.modified_ns,
        }));
    }
    Ok(listed)
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
    }
}
