//! The headers of sequence files and of their blocks, as bytes.

/// First bytes of a sequence file: magic and version.
const MAGIC: &[u8; 12] = b"GristSeq\x01\0\0\0";

/// Length of the file's header.
pub(super) const FILE_HEADER_BYTES: usize = 16;

/// First bytes of a block. The first byte never occurs in UTF-8 text, and the line end shows if a transfer has
/// converted line ends.
pub(super) const MARK: &[u8; 8] = b"\xf5GSeqB\r\n";

/// Length of a block's header.
pub(super) const HEADER_BYTES: usize = 48;

/// Maximum number of decoded bytes in a block: large enough to compress well, small compared with a split. Only a block
/// of one long record is larger.
pub(super) const BLOCK_BYTES: usize = 128 << 10;

/// Bytes of the length before each record in a block.
pub(super) const LENGTH_BYTES: usize = 4;

/// How the records of a block are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Stored,
    Lz4,
    /// Not a block, but the end of the file.
    End,
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Its offset in the file.
    pub(super) offset: u64,
    /// The offset of the previous block; 0 for the first block.
    pub(super) before: u64,
    pub(super) records: u32,
    pub(super) decoded_bytes: u32,
    pub(super) stored_bytes: u32,
    pub(super) coding: Coding,
    /// Checksum of the stored bytes.
    pub(super) stored_crc32c: u32,
}

/// Returns the header of a file.
pub(super) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..12].copy_from_slice(MAGIC);
    header[12..].copy_from_slice(&crc32c::crc32c(MAGIC).to_le_bytes());
    header
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let coding: u32 = match self.coding {
            Coding::Stored => 0,
            Coding::Lz4 => 1,
            Coding::End => 2,
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MARK);
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.before.to_le_bytes());
        let words =
            [self.records, self.decoded_bytes, self.stored_bytes, coding, self.stored_crc32c];
        for (place, word) in bytes[24..44].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let crc32c = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc32c.to_le_bytes());
        bytes
    }

    /// Parses a header that was found at `offset`. Returns `None` if it is damaged or belongs to another offset.
    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES], offset: u64) -> Option<Self> {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let header = Self {
            offset: long(8),
            before: long(16),
            records: word(24),
            decoded_bytes: word(28),
            stored_bytes: word(32),
            coding: match word(36) {
                0 => Coding::Stored,
                1 => Coding::Lz4,
                2 => Coding::End,
                _ => return None,
            },
            stored_crc32c: word(40),
        };
        let intact = bytes.starts_with(MARK) && crc32c::crc32c(&bytes[..44]) == word(44);
        (intact && header.offset == offset).then_some(header)
    }
}
