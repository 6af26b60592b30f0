//! Errors of spilling records, merging them and reading them back.

use std::io;
use std::path::{Path, PathBuf};

use crate::record::block;
use crate::storage::Lack;

/// The error of a job's combiner, unchanged.
pub type FoldError = Box<dyn std::error::Error + Send + Sync>;

/// Most bytes of a key in an error: enough to find its record, and few enough to keep.
pub const KEY_SHOWN_BYTES_MAX: usize = 64;

/// Why records could not be spilled, merged or read back. Offsets and lengths are in bytes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A spill file could not be created, or a file with its name already exists.
    #[error("failed to create spill file {}", .path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A spill file could not be written to, usually because no space is left.
    #[error("failed to write to spill file {} after {written} bytes", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Bytes that had been written before.
        written: u64,
        /// The system's error.
        source: io::Error,
    },
    /// A record cannot be spilled, because it exceeds a limit.
    #[error("failed to spill a record to {}", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The limit.
        source: block::Error,
    },
    /// A spill file could not be opened.
    #[error("failed to open spill file {}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A spill file's header, index or footer could not be read.
    #[error("failed to read spill file {} at offset {offset}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The offset.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
    /// A spill file could not be removed after its records had been merged into another.
    #[error("failed to remove merged spill file {}", .path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file does not begin like a spill file, or does not end like a complete one.
    #[error("{} is not a complete spill file: found bytes {found:02x?} at offset {offset}, expected {expected:02x?}", .path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// The offset of the wrong bytes.
        offset: u64,
        /// The expected bytes.
        expected: [u8; 8],
        /// The bytes found there.
        found: [u8; 8],
    },
    /// The spill file was written by another version of this program.
    #[error("spill file {} has format version {found}, expected {expected}", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that this program can read.
        expected: u32,
        /// The file's version.
        found: u32,
    },
    /// The file is longer or shorter than its header and index say.
    #[error("spill file {} has {found} bytes, expected {expected}", .path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The size according to the header and index; if the file is shorter than any spill file, the least size.
        expected: u64,
        /// The actual size.
        found: u64,
    },
    /// The checksum of header, index and footer is wrong.
    #[error("index of spill file {} has checksum {found:08x}, expected {expected:08x}", .path.display())]
    IndexChecksum {
        /// The file.
        path: PathBuf,
        /// The checksum in the footer.
        expected: u32,
        /// The checksum of the actual bytes.
        found: u32,
    },
    /// An entry of the index is impossible, although the checksum is right.
    #[error("{field} of partition {partition} in spill file {} is {found}, expected {expected}", .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// The partition.
        partition: u32,
        /// The field of its entry.
        field: &'static str,
        /// The expected value.
        expected: u64,
        /// The value found.
        found: u64,
    },
    /// The header is impossible, although the checksum is right.
    #[error("spill file {} has an unknown codec number {found}", .path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The codec's number.
        found: u32,
    },
    /// A block of a segment could not be read, or is damaged.
    #[error("failed to read partition {partition} of spill file {}", .path.display())]
    Block {
        /// The file.
        path: PathBuf,
        /// The partition.
        partition: u32,
        /// The place in the file, and what is wrong there.
        source: block::Error,
    },
    /// Each block of a segment is valid, but together they are not what was written.
    #[error("{what} of partition {partition} in spill file {} is {found}, but the index says {expected}", .path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// The partition.
        partition: u32,
        /// What differs: records, bytes or digest.
        what: &'static str,
        /// The value in the index.
        expected: u64,
        /// The value of the segment's blocks.
        found: u64,
    },
    /// Spill files that do not belong together cannot be merged.
    #[error("{what} of spill file {} is {found}, but the merge expects {expected}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs: the nonce or the number of partitions.
        what: &'static str,
        /// The value of this merge.
        expected: u128,
        /// The value in the file.
        found: u128,
    },
    /// The job's combiner failed.
    #[error("failed to combine the values of key {}", .key.escape_ascii())]
    Fold {
        /// The key, cut to [`KEY_SHOWN_BYTES_MAX`] bytes.
        key: Vec<u8>,
        /// The combiner's error, unchanged.
        source: FoldError,
    },
    /// The job's partitioner failed, or chose a partition that does not exist.
    #[error("failed to choose a partition for key {}", .key.escape_ascii())]
    Partition {
        /// The key, cut to [`KEY_SHOWN_BYTES_MAX`] bytes.
        key: Vec<u8>,
        /// The partitioner's error, unchanged.
        source: FoldError,
    },
    /// A partition was requested again after it was consumed.
    #[error("partition {partition} of a run in memory was already read")]
    ReadTwice {
        /// The partition.
        partition: u32,
    },
    /// The attempt failed before this call, and its first failure is the one to report.
    #[error(
        "this attempt has already failed; the first failure will be reported when the attempt ends"
    )]
    Ended,
    /// The work was stopped.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// The error of creating a spill file, which says at once what a full disk lacks.
    pub fn create(path: PathBuf, source: io::Error) -> Self {
        let source = Lack::mark(source, folder_of(&path));
        Self::Create { path, source }
    }

    /// The error of writing to a spill file after `written` bytes, with the same addition.
    pub fn write(path: PathBuf, written: u64, source: io::Error) -> Self {
        let source = Lack::mark(source, folder_of(&path));
        Self::Write { path, written, source }
    }

    /// Whether spilled data could not be written, or could not be read back unchanged.
    pub fn blames_disk(&self) -> bool {
        match self {
            Error::Create { .. }
            | Error::Write { .. }
            | Error::Open { .. }
            | Error::Read { .. }
            | Error::Remove { .. }
            | Error::Magic { .. }
            | Error::Version { .. }
            | Error::Length { .. }
            | Error::IndexChecksum { .. }
            | Error::Index { .. }
            | Error::Codec { .. }
            | Error::Block { .. }
            | Error::Segment { .. }
            | Error::Foreign { .. } => true,
            Error::Record { .. }
            | Error::Fold { .. }
            | Error::Partition { .. }
            | Error::ReadTwice { .. }
            | Error::Ended
            | Error::Stopped => false,
        }
    }
}

/// The error of a combiner for this key.
#[cold]
pub(super) fn blame(key: &[u8], source: FoldError) -> Error {
    Error::Fold { key: shown(key), source }
}

/// The error of a partitioner for this key.
#[cold]
pub(super) fn unplaced(key: &[u8], source: FoldError) -> Error {
    Error::Partition { key: shown(key), source }
}

fn shown(key: &[u8]) -> Vec<u8> {
    key[..key.len().min(KEY_SHOWN_BYTES_MAX)].to_vec()
}

/// The folder that a spill file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
