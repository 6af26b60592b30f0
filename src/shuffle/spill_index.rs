//! The index of a spill file: where each partition begins, its size, its number of records and its
//! digest.

use xxhash_rust::xxh3::xxh3_64;

/// What one entry takes in a spill file:
///
/// ```text
/// 0        8              16        24          32       40
/// ┌────────┬──────────────┬─────────┬───────────┬────────┐
/// │ offset │ stored bytes │ records │ raw bytes │ digest │     all u64, little endian
/// └────────┴──────────────┴─────────┴───────────┴────────┘
/// ```
pub(super) const ENTRY_BYTES: usize = 40;

/// The place and contents of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// The segments of one spill file: one for each partition, in order, even if it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillIndex {
    /// The segments.
    pub segments: Vec<SegmentInfo>,
    /// The digest of all segments' digests, by which whole map outputs are compared.
    pub digest: u64,
    /// Bytes of the whole file.
    pub file_bytes: u64,
}

impl SpillIndex {
    pub(super) fn new(segments: Vec<SegmentInfo>, file_bytes: u64) -> Self {
        let digests: Vec<u8> =
            segments.iter().flat_map(|segment| segment.digest.to_le_bytes()).collect();
        SpillIndex { segments, digest: xxh3_64(&digests), file_bytes }
    }

    /// Number of records in all segments together.
    pub fn records(&self) -> u64 {
        self.segments.iter().map(|segment| segment.records).sum()
    }

    /// Bytes of all records before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.raw_bytes).sum()
    }
}

impl SegmentInfo {
    pub(super) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let fields = [self.offset, self.stored_bytes, self.records, self.raw_bytes, self.digest];
        let mut entry = [0; ENTRY_BYTES];
        for (place, field) in entry.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        entry
    }

    pub(super) fn decode(entry: &[u8; ENTRY_BYTES]) -> Self {
        let mut fields = [0; ENTRY_BYTES / 8];
        for (field, place) in fields.iter_mut().zip(entry.as_chunks().0) {
            *field = u64::from_le_bytes(*place);
        }
        let [offset, stored_bytes, records, raw_bytes, digest] = fields;
        SegmentInfo { offset, stored_bytes, records, raw_bytes, digest }
    }
}
