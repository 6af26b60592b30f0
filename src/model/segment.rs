//! A segment: one partition of one map's output, in a file.

use serde::{Deserialize, Serialize};

use super::LocalPath;

/// The place of a segment in its file, and its contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentInfo {
    /// Offset of its first block from the start of the file, in bytes.
    pub offset: u64,
    /// Bytes of its blocks, including their frames.
    pub stored_bytes: u64,
    /// Number of its records.
    pub records: u64,
    /// Bytes of its records before compression, including their lengths.
    pub raw_bytes: u64,
    /// XXH3 (64 bits) of its records in order. It does not depend on how the records are stored.
    pub digest: u64,
}

/// A segment in a file on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPlace {
    /// The file, which may hold other data too.
    pub path: LocalPath,
    /// The segment's place in the file, and its contents.
    pub info: SegmentInfo,
}

/// A segment that a reduce reads: a map's own spill file holds it, or the file to which the worker has fetched it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// The map task's index.
    pub map: u32,
    /// The segment.
    pub place: SegmentPlace,
}
