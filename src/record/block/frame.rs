//! The limits, codecs and totals of blocks.

/// Maximum number of raw bytes in a block, unless it holds one larger record: large enough for lz4 to find matches (its
/// window is as large), small enough for the second-level cache.
pub const BLOCK_RAW_BYTES: usize = 64 * 1024;

/// The largest record, key and value together, in bytes. A record larger than [`BLOCK_RAW_BYTES`] has a block of its
/// own, which must fit in memory; this limit bounds it.
pub const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Size of a block's frame header.
pub const FRAME_HEADER_BYTES: usize = 17;

/// Length of the part of the frame header that the checksum covers: everything before the checksum.
pub(super) const FRAME_CHECKED_BYTES: usize = 13;

/// Length of the longest LEB128 form of a length below 2³².
pub(super) const LENGTH_BYTES_MAX: usize = 5;

/// The raw length of the largest block: one record at its limit.
pub(super) const BLOCK_RAW_BYTES_MAX: usize = RECORD_BYTES_MAX + 2 * LENGTH_BYTES_MAX;

/// How blocks are stored. A writer with [`Codec::Lz4`] stores blocks that would not shrink uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Uncompressed.
    Stored,
    /// In the lz4 block format.
    Lz4,
}

impl Codec {
    /// Returns the byte that represents the codec in files.
    pub const fn code(self) -> u8 {
        match self {
            Codec::Stored => 0,
            Codec::Lz4 => 1,
        }
    }

    /// Returns the codec that a byte in a file represents, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Codec::Stored),
            1 => Some(Codec::Lz4),
            _ => None,
        }
    }
}

/// Contents of a run of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Number of records.
    pub records: u64,
    /// Number of raw bytes: keys, values and their lengths, before compression.
    pub raw_bytes: u64,
    /// XXH3 (64 bits, no seed) over the raw bytes.
    pub digest: u64,
}
