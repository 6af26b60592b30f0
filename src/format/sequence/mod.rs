//! Typed sequence files: pairs of serde values in checksummed blocks, which can be read from any byte.
//!
//! ```text
//! header  16 B   magic "GristSeq" · version u32 · crc32c of the 12 bytes before
//! block   48 B   mark F5 "GSeqB\r\n" · offset of this block u64 · offset of the block before u64 (0: none)
//!                records u32 · decoded bytes u32 · stored bytes u32
//!                coding u32 (0 stored as they are, 1 lz4, 2 end of file: nothing follows)
//!                crc32c of the stored bytes · crc32c of the 44 bytes before
//!                stored bytes; decoded: per record its length u32 and its bincode
//! …
//! block   48 B   coding 2, no records: tells a whole file from a truncated one
//! ```
//!
//! Integers are little-endian. A block belongs to the range that holds its first byte. A reader that starts in the
//! middle of a file searches for the mark at the start of a block. It accepts a mark only if the header's checksum is
//! right and the header contains its own offset. Therefore a sequence file that is stored inside a value is not
//! mistaken for blocks. Each block holds the offset of the previous one, so a damaged block header is never skipped
//! silently.

mod block;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::Sequence;
pub use write::Seq;
