//! The index of a spill file: where each partition begins, its size, its number of records and its
//! digest.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::SegmentInfo;

/// What one entry takes in a spill file:
///
/// ```text
/// 0        8              16        24          32       40
/// ┌────────┬──────────────┬─────────┬───────────┬────────┐
/// │ offset │ stored bytes │ records │ raw bytes │ digest │     all u64, little endian
/// └────────┴──────────────┴─────────┴───────────┴────────┘
/// ```
pub(super) const ENTRY_BYTES: usize = 40;

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

pub(super) fn encode_entry(segment: &SegmentInfo) -> [u8; ENTRY_BYTES] {
    let SegmentInfo { offset, stored_bytes, records, raw_bytes, digest } = *segment;
    let mut entry = [0; ENTRY_BYTES];
    let fields = [offset, stored_bytes, records, raw_bytes, digest];
    for (place, field) in entry.chunks_exact_mut(8).zip(fields) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    entry
}

pub(super) fn decode_entry(entry: &[u8; ENTRY_BYTES]) -> SegmentInfo {
    let mut fields = [0; ENTRY_BYTES / 8];
    for (field, place) in fields.iter_mut().zip(entry.as_chunks().0) {
        *field = u64::from_le_bytes(*place);
    }
    let [offset, stored_bytes, records, raw_bytes, digest] = fields;
    SegmentInfo { offset, stored_bytes, records, raw_bytes, digest }
}
