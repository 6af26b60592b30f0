//! Reads the records of a run of blocks.

use std::io::{ErrorKind, Read};

use xxhash_rust::xxh3::Xxh3;

use super::Error;
use super::frame::{
    BLOCK_RAW_BYTES, BLOCK_RAW_BYTES_MAX, Codec, FRAME_CHECKED_BYTES, FRAME_HEADER_BYTES,
    LENGTH_BYTES_MAX, Totals,
};

/// Number of padding bytes after every block in the buffer, so that eight bytes can be read wherever a key begins.
const SLACK_BYTES: usize = 8;

/// When a frame is larger than the buffer, the buffer grows in steps: to twice its size, or to twice this number of
/// bytes if that is more. A claimed length is thus trusted only as its bytes arrive.
const GROWTH_BYTES_LEAST: usize = 64 * 1024;

/// Reads a run of blocks, lending its records one at a time.
///
/// Holds `buffer_bytes` of stored bytes and, if blocks are compressed, one block of raw bytes. A larger block is held
/// as a whole, both stored and raw, while it is the current one.
pub struct BlockReader<R> {
    source: R,
    /// The first `read_capacity` bytes hold the stored bytes that were read; the rest holds a block's decompressed
    /// bytes. Both share one vector, so that a record is found in the same way whether its block was compressed or not.
    buffer: Vec<u8>,
    read_capacity: usize,
    read_capacity_least: usize,
    /// Bytes that were read but belong to no block yet.
    unread_start: usize,
    unread_end: usize,
    /// Where in the file `unread_start` is.
    offset: u64,
    block: Block,
    next: usize,
    key_at: usize,
    value_at: usize,
    value_end: usize,
    records: u64,
    raw_bytes: u64,
    digest: Xxh3,
}

/// The block whose records are lent.
#[derive(Clone, Copy, Default)]
struct Block {
    offset: u64,
    records: u32,
    records_lent: u32,
    end: usize,
}

impl<R: Read> BlockReader<R> {
    /// Reads from `source`, whose first byte is at `offset` in its file, through a buffer of `buffer_bytes` (or more,
    /// if that cannot hold a frame header). The run ends where the source ends.
    pub fn new(source: R, offset: u64, buffer_bytes: usize) -> Self {
        let read_capacity = buffer_bytes.max(FRAME_HEADER_BYTES);
        BlockReader {
            source,
            buffer: vec![0; read_capacity + SLACK_BYTES],
            read_capacity,
            read_capacity_least: read_capacity,
            unread_start: 0,
            unread_end: 0,
            offset,
            block: Block { offset, ..Block::default() },
            next: 0,
            key_at: 0,
            value_at: 0,
            value_end: 0,
            records: 0,
            raw_bytes: 0,
            digest: Xxh3::new(),
        }
    }

    /// Moves to the next record; false at the end of the run.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], or another error if the bytes were not written by a [`super::BlockWriter`]. Repeated calls
    /// return the same error.
    #[inline]
    pub fn advance(&mut self) -> Result<bool, Error> {
        if self.next == self.block.end && !self.load_block()? {
            return Ok(false);
        }
        let (key_at, key_bytes, value_bytes) = match self.buffer[self.next..self.block.end] {
            [key, value, ..] if (key | value) < 0x80 => {
                (self.next + 2, usize::from(key), usize::from(value))
            }
            _ => self.long_lengths()?,
        };
        let value_at = key_at + key_bytes;
        let value_end = value_at + value_bytes;
        if value_end > self.block.end {
            return Err(self.out_of_bounds());
        }
        self.key_at = key_at;
        self.value_at = value_at;
        self.value_end = value_end;
        self.next = value_end;
        self.block.records_lent += 1;
        Ok(true)
    }

    /// Returns the current record's key; empty before the first record.
    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.buffer[self.key_at..self.value_at]
    }

    /// Returns the current record's value; empty before the first record.
    #[inline]
    pub fn value(&self) -> &[u8] {
        &self.buffer[self.value_at..self.value_end]
    }

    /// Returns the first eight bytes of the current key as a big-endian number, padded with zeros.
    #[inline]
    pub fn key_prefix(&self) -> u64 {
        let window = self.buffer[self.key_at..]
            .first_chunk()
            .expect("the buffer has padding after every block");
        let word = u64::from_be_bytes(*window);
        let key_bytes = self.value_at - self.key_at;
        if key_bytes >= 8 { word } else { word & !(u64::MAX >> (8 * key_bytes)) }
    }

    /// Returns the totals of the blocks read so far, including all of the current one. At the end, these are the totals
    /// of the run.
    pub fn totals(&self) -> Totals {
        Totals { records: self.records, raw_bytes: self.raw_bytes, digest: self.digest.digest() }
    }

    /// Returns the number of bytes of memory that the buffer uses now.
    pub fn memory_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    #[cold]
    fn out_of_bounds(&self) -> Error {
        Error::RecordBounds {
            offset: self.block.offset,
            record: u64::from(self.block.records_lent),
        }
    }

    /// Returns where the next record's key begins, and the lengths of the key and the value. Also handles lengths of
    /// 128 or more.
    fn long_lengths(&self) -> Result<(usize, usize, usize), Error> {
        let mut at = self.next;
        let mut length = || {
            let mut length = 0;
            for place in 0..LENGTH_BYTES_MAX {
                let byte = *self.buffer[at..self.block.end].first()?;
                at += 1;
                length |= usize::from(byte & 0x7f) << (7 * place);
                if byte < 0x80 {
                    return Some(length);
                }
            }
            None
        };
        let lengths = length().zip(length());
        lengths.map(|(key, value)| (at, key, value)).ok_or_else(|| self.out_of_bounds())
    }

    /// Makes the next block the current one; false if there is none.
    #[cold]
    fn load_block(&mut self) -> Result<bool, Error> {
        let Block { offset, records, records_lent, .. } = self.block;
        if records_lent != records {
            return Err(Error::RecordCount {
                offset,
                expected: records.into(),
                found: records_lent.into(),
            });
        }
        self.forget_large_block();
        if !self.fill(FRAME_HEADER_BYTES)? {
            return Ok(false);
        }
        let header: [u8; FRAME_HEADER_BYTES] = *self.buffer[self.unread_start..]
            .first_chunk()
            .expect("the buffer holds a whole header");
        let field = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (records, raw_bytes, stored_bytes, expected) =
            (field(1), field(5), field(9), field(13));
        let claimed = raw_bytes.max(stored_bytes);
        if claimed as usize > BLOCK_RAW_BYTES_MAX {
            let limit = BLOCK_RAW_BYTES_MAX as u64;
            return Err(Error::Oversized { offset: self.offset, found: claimed.into(), limit });
        }
        let frame_bytes = FRAME_HEADER_BYTES + stored_bytes as usize;
        self.fill(frame_bytes)?;

        let stored_at = self.unread_start + FRAME_HEADER_BYTES;
        let stored_end = stored_at + stored_bytes as usize;
        let header_checksum = crc32c::crc32c(&header[..FRAME_CHECKED_BYTES]);
        let found = crc32c::crc32c_append(header_checksum, &self.buffer[stored_at..stored_end]);
        if found != expected {
            return Err(Error::Checksum { offset: self.offset, expected, found });
        }
        if raw_bytes == 0 {
            // Writers never write an empty block, and crafted input could make a loop that skips empty blocks run
            // forever.
            return Err(Error::Empty { offset: self.offset });
        }
        let block_at = self.unpack(header[0], stored_at, stored_end, raw_bytes as usize)?;

        self.next = block_at;
        self.block = Block {
            offset: self.offset,
            records,
            records_lent: 0,
            end: block_at + raw_bytes as usize,
        };
        self.digest.update(&self.buffer[block_at..self.block.end]);
        self.records += u64::from(records);
        self.raw_bytes += u64::from(raw_bytes);
        self.unread_start = stored_end;
        self.offset += frame_bytes as u64;
        Ok(true)
    }

    /// Decompresses the stored bytes if necessary, and returns where in the buffer the raw bytes begin.
    fn unpack(
        &mut self,
        codec: u8,
        at: usize,
        end: usize,
        raw_bytes: usize,
    ) -> Result<usize, Error> {
        let offset = self.offset;
        let codec = Codec::from_code(codec).ok_or(Error::UnknownCodec { offset, found: codec })?;
        let (raw_at, found) = match codec {
            Codec::Stored => (at, end - at),
            Codec::Lz4 => {
                let room = self.read_capacity + raw_bytes + SLACK_BYTES;
                if self.buffer.len() < room {
                    self.buffer.reserve_exact(room - self.buffer.len());
                    self.buffer.resize(room, 0);
                }
                let (read, raw) = self.buffer.split_at_mut(self.read_capacity);
                let found = lz4_flex::block::decompress_into(&read[at..end], &mut raw[..raw_bytes])
                    .map_err(|source| Error::Compression { offset, source })?;
                (self.read_capacity, found)
            }
        };
        if found != raw_bytes {
            return Err(Error::RawLength {
                offset,
                expected: raw_bytes as u64,
                found: found as u64,
            });
        }
        Ok(raw_at)
    }

    /// Reads until at least `bytes` bytes are unread; false if the source has ended and nothing is unread.
    fn fill(&mut self, bytes: usize) -> Result<bool, Error> {
        if self.unread_end - self.unread_start >= bytes {
            return Ok(true);
        }
        if self.unread_start + bytes > self.read_capacity {
            self.buffer.copy_within(self.unread_start..self.unread_end, 0);
            self.unread_end -= self.unread_start;
            self.unread_start = 0;
        }
        while self.unread_end - self.unread_start < bytes {
            if self.unread_end == self.read_capacity {
                // Never reads past the frame, so that nothing is unread after a large block.
                self.read_capacity = bytes.min(2 * self.read_capacity.max(GROWTH_BYTES_LEAST));
                let room = self.read_capacity + SLACK_BYTES;
                self.buffer.reserve_exact(room.saturating_sub(self.buffer.len()));
                self.buffer.resize(room, 0);
            }
            match self.source.read(&mut self.buffer[self.unread_end..self.read_capacity]) {
                Ok(0) => break,
                Ok(read) => self.unread_end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let unread = (self.unread_end - self.unread_start) as u64;
                    return Err(Error::Read { offset: self.offset + unread, source });
                }
            }
        }
        match self.unread_end - self.unread_start {
            0 => Ok(false),
            found if found < bytes => Err(Error::Truncated {
                offset: self.offset,
                expected: bytes as u64,
                found: found as u64,
            }),
            _ => Ok(true),
        }
    }

    /// Frees the memory of an unusually large block, after its last record.
    fn forget_large_block(&mut self) {
        if self.unread_start == self.unread_end {
            self.unread_start = 0;
            self.unread_end = 0;
            self.read_capacity = self.read_capacity_least;
        }
        let read_bytes = self.read_capacity.max(FRAME_HEADER_BYTES + BLOCK_RAW_BYTES);
        let usual = read_bytes + BLOCK_RAW_BYTES + SLACK_BYTES;
        if self.buffer.len() > usual {
            self.buffer.truncate(usual);
            self.buffer.shrink_to_fit();
        }
        self.next = 0;
        self.block.end = 0;
        self.key_at = 0;
        self.value_at = 0;
        self.value_end = 0;
    }
}
