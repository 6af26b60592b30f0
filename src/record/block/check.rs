//! Checks the stored bytes of a run of blocks without decoding them.

use std::io::{ErrorKind, Read};

use super::Error;
use super::frame::{BLOCK_RAW_BYTES_MAX, FRAME_CHECKED_BYTES, FRAME_HEADER_BYTES};

/// Bytes per read.
const READ_BYTES: usize = 64 * 1024;

/// Reads a run of blocks whose first byte is at `offset` in its file, verifies every block's checksum, and returns
/// the CRC-32C of the whole run.
///
/// The content of a block is not examined: the decoder compares counts and digest.
///
/// # Errors
///
/// [`Error::Read`], [`Error::Truncated`], [`Error::Oversized`] and [`Error::Checksum`].
pub fn checksum<R: Read>(source: R, offset: u64) -> Result<u32, Error> {
    let mut blocks = Blocks { source, offset, whole: 0, buffer: vec![0; READ_BYTES] };
    while blocks.check_one()? {}
    Ok(blocks.whole)
}

struct Blocks<R> {
    source: R,
    offset: u64,
    /// The checksum of everything read so far.
    whole: u32,
    buffer: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    /// Checks the next block; false if there is none.
    fn check_one(&mut self) -> Result<bool, Error> {
        let begin = self.offset;
        let found = self.fill(FRAME_HEADER_BYTES)?;
        if found == 0 {
            return Ok(false);
        }
        let truncated = |expected: usize, found| Error::Truncated {
            offset: begin,
            expected: expected as u64,
            found,
        };
        if found < FRAME_HEADER_BYTES {
            return Err(truncated(FRAME_HEADER_BYTES, found as u64));
        }
        let field = |at: usize| {
            u32::from_le_bytes(
                *self.buffer[at..].first_chunk().expect("the buffer holds a whole header"),
            )
        };
        let (stored_bytes, expected) = (field(9) as usize, field(FRAME_CHECKED_BYTES));
        if stored_bytes > BLOCK_RAW_BYTES_MAX {
            let (found, limit) = (stored_bytes as u64, BLOCK_RAW_BYTES_MAX as u64);
            return Err(Error::Oversized { offset: begin, found, limit });
        }
        let mut found = crc32c::crc32c(&self.buffer[..FRAME_CHECKED_BYTES]);
        let mut left = stored_bytes;
        while left > 0 {
            let read = self.fill(left.min(READ_BYTES))?;
            if read == 0 {
                return Err(truncated(FRAME_HEADER_BYTES + stored_bytes, self.offset - begin));
            }
            found = crc32c::crc32c_append(found, &self.buffer[..read]);
            left -= read;
        }
        if found != expected {
            return Err(Error::Checksum { offset: begin, expected, found });
        }
        Ok(true)
    }

    /// Reads this number of bytes into the buffer, fewer only at the end of the run.
    fn fill(&mut self, bytes: usize) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < bytes {
            match self.source.read(&mut self.buffer[filled..bytes]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Read { offset: self.offset + filled as u64, source });
                }
            }
        }
        self.whole = crc32c::crc32c_append(self.whole, &self.buffer[..filled]);
        self.offset += filled as u64;
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::block::{BlockWriter, Codec};

    #[test]
    fn every_flipped_byte_and_every_cut_is_found() {
        let mut bytes = Vec::new();
        let mut writer = BlockWriter::new(&mut bytes, Codec::Lz4, 0);
        for number in 0..20_000_u32 {
            writer.push(&number.to_be_bytes(), b"value").unwrap();
        }
        writer.end_run().unwrap();
        drop(writer);
        assert_eq!(checksum(&bytes[..], 0).unwrap(), crc32c::crc32c(&bytes));
        for at in (0..bytes.len()).step_by(97).chain(0..FRAME_HEADER_BYTES) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let found = checksum(&damaged[..], 0);
            assert!(found.is_err(), "byte {at} of {}", bytes.len());
            // A cut between two blocks is detected by the run's length.
            let cut = checksum(&bytes[..at], 0);
            assert!(cut.is_err() || cut.unwrap() != crc32c::crc32c(&bytes), "cut at {at}");
        }
    }
}
