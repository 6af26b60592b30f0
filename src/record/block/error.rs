//! Errors of blocks.

/// Error of writing or reading blocks. Offsets are in bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing failed.
    #[error("cannot write the block at offset {offset}")]
    Write {
        /// Where the block would have begun.
        offset: u64,
        /// The system's error.
        source: std::io::Error,
    },
    /// Reading failed.
    #[error("cannot read blocks at offset {offset}")]
    Read {
        /// Where the bytes that could not be read begin.
        offset: u64,
        /// The system's error.
        source: std::io::Error,
    },
    /// A record to write is larger than [`super::RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes exceeds the limit of {limit} bytes")]
    RecordTooLarge {
        /// Key and value together.
        bytes: u64,
        /// [`super::RECORD_BYTES_MAX`].
        limit: u64,
    },
    /// The bytes end in the middle of a block.
    #[error("block at offset {offset} is truncated: expected {expected} bytes, found {found}")]
    Truncated {
        /// Where the block begins.
        offset: u64,
        /// The number of bytes that it should have, as far as known.
        expected: u64,
        /// The number of bytes that are there.
        found: u64,
    },
    /// The frame claims a length that no writer would write.
    #[error("block at offset {offset} claims to have {found} bytes; the limit is {limit}")]
    Oversized {
        /// Where the block begins.
        offset: u64,
        /// The claimed length, raw or stored.
        found: u64,
        /// The largest allowed length.
        limit: u64,
    },
    /// The block was changed after it was written.
    #[error("the checksum of the block at offset {offset} is {found:08x}, not {expected:08x}")]
    Checksum {
        /// Where the block begins.
        offset: u64,
        /// The checksum in its frame.
        expected: u32,
        /// The checksum of its bytes.
        found: u32,
    },
    /// The block is empty.
    #[error("block at offset {offset} is empty")]
    Empty {
        /// Where the block begins.
        offset: u64,
    },
    /// The block is stored in a way that this version does not know.
    #[error("block at offset {offset} has the unknown codec {found}")]
    UnknownCodec {
        /// Where the block begins.
        offset: u64,
        /// The codec's byte.
        found: u8,
    },
    /// The checksum is right, but the stored bytes are not lz4.
    #[error("block at offset {offset} cannot be decompressed")]
    Compression {
        /// Where the block begins.
        offset: u64,
        /// What the decompressor found.
        source: lz4_flex::block::DecompressError,
    },
    /// The stored bytes decode to more or fewer than the frame says.
    #[error("block at offset {offset} has a raw length of {found} bytes, not {expected}")]
    RawLength {
        /// Where the block begins.
        offset: u64,
        /// The raw length in the frame.
        expected: u64,
        /// The raw length that was found.
        found: u64,
    },
    /// The block holds more or fewer records than its frame says.
    #[error("number of records in the block at offset {offset} is {found}, not {expected}")]
    RecordCount {
        /// Where the block begins.
        offset: u64,
        /// The count in the frame.
        expected: u64,
        /// The count that was found.
        found: u64,
    },
    /// A record's lengths are invalid or extend past the end of its block.
    #[error("record {record} (the first is 0) of the block at offset {offset} has invalid lengths")]
    RecordBounds {
        /// Where the block begins.
        offset: u64,
        /// The number of the record in the block, from 0.
        record: u64,
    },
}
