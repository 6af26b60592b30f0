//! Why records could not be spilled, merged or read back.

use std::io;
use std::path::{Path, PathBuf};

use super::FoldError;
use crate::record::block;
use crate::storage::Lack;

/// Why records could not be spilled, merged or read back. Offsets and lengths are in bytes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A spill file could not be created, or one of its name is there already.
    #[error("create spill file {}", .path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A spill file could not be written to: most often, no space is left.
    #[error("write spill file {} after {written} bytes", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// How much had been written before.
        written: u64,
        /// The system's error.
        source: io::Error,
    },
    /// A record can't be spilled, since it is over a limit.
    #[error("spill record to {}", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Which limit.
        source: block::Error,
    },
    /// A spill file could not be opened.
    #[error("open spill file {}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A spill file's header, index or footer could not be read.
    #[error("read spill file {} at offset {offset}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
    /// A spill file could not be removed after its records had been merged into another.
    #[error("remove merged spill file {}", .path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file does not begin as a spill file does, or does not end as a whole one does.
    #[error("{} is not a complete spill file: {found:02x?} at offset {offset}, not {expected:02x?}", .path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// Where the bytes are that should be there.
        offset: u64,
        /// What should be there.
        expected: [u8; 8],
        /// What is there.
        found: [u8; 8],
    },
    /// The spill file was written by another version of this program.
    #[error("spill file {} has version {found}, not {expected}", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that this program reads.
        expected: u32,
        /// The version of the file.
        found: u32,
    },
    /// The file is longer or shorter than its header and index say.
    #[error("spill file {} has {found} bytes, not {expected}", .path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// What header and index say; the least that a spill file has if it is shorter.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// The checksum over header, index and footer does not hold.
    #[error("index of spill file {} has checksum {found:08x}, not {expected:08x}", .path.display())]
    IndexChecksum {
        /// The file.
        path: PathBuf,
        /// The checksum in the footer.
        expected: u32,
        /// The checksum of what there is.
        found: u32,
    },
    /// A part of the index says what can't be, under a right checksum.
    #[error("{field} of partition {partition} in spill file {} is {found}, not {expected}", .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Which partition.
        partition: u32,
        /// Which field of its entry.
        field: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The header says what can't be, under a right checksum.
    #[error("spill file {} has the unknown codec {found}", .path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The codec's number.
        found: u32,
    },
    /// A block of a segment could not be read, or is damaged.
    #[error("read partition {partition} of spill file {}", .path.display())]
    Block {
        /// The file.
        path: PathBuf,
        /// Which partition.
        partition: u32,
        /// Where in the file, and what differed.
        source: block::Error,
    },
    /// Every block of a segment holds, but together they are not what was written.
    #[error("partition {partition} of spill file {} has {what} {found}, but its index says {expected}", .path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// Which partition.
        partition: u32,
        /// What differs: records, bytes or digest.
        what: &'static str,
        /// What the index says.
        expected: u64,
        /// What the segment's blocks hold.
        found: u64,
    },
    /// Spill files that do not belong together were to be merged.
    #[error("spill file {} has {what} {found}, but the merge has {expected}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs: the nonce or the number of partitions.
        what: &'static str,
        /// What the merge is for.
        expected: u128,
        /// What the file says.
        found: u128,
    },
    /// The job's combiner failed.
    #[error("combine values of key {}", .key.escape_ascii())]
    Fold {
        /// The key, or as much of it as [`super::fold::KEY_SHOWN_BYTES_MAX`] allows.
        key: Vec<u8>,
        /// The combiner's error as it was.
        source: FoldError,
    },
    /// The job's partitioner failed, or chose a partition that does not exist.
    #[error("choose the partition of key {}", .key.escape_ascii())]
    Partition {
        /// The key, or as much of it as [`super::fold::KEY_SHOWN_BYTES_MAX`] allows.
        key: Vec<u8>,
        /// The partitioner's error as it was.
        source: FoldError,
    },
    /// A partition was requested again after it was consumed.
    #[error("partition {partition} of a run in memory was already read")]
    ReadTwice {
        /// Which partition.
        partition: u32,
    },
    /// The attempt has failed before, and its first failure is the one to report.
    #[error("this attempt has already failed; its first failure is reported when it ends")]
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

    /// The error of writing to a spill file after `written` bytes, likewise.
    pub fn write(path: PathBuf, written: u64, source: io::Error) -> Self {
        let source = Lack::mark(source, folder_of(&path));
        Self::Write { path, written, source }
    }

    /// Whether what was spilled could not be written, or not be read back as it was.
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

/// The folder that a spill file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
