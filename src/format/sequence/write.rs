//! Writes sequence files.

use serde::Serialize;

use super::block::{
    BLOCK_BYTES, Coding, FILE_HEADER_BYTES, HEADER_BYTES, Header, LENGTH_BYTES, file_header,
};
use crate::format::source::RECORD_BYTES_MAX;
use crate::format::{Error, Output, Writes};
use crate::record::value;

/// Writes typed sequence files, which [`Sequence<K, V>`](super::Sequence) reads. They are the fastest way to pass
/// records from one job to the next.
///
/// Records are encoded with bincode, in checksummed blocks. A block is compressed with lz4 if that makes it smaller. A
/// record may have up to 64 MiB.
#[derive(Default)]
pub struct Seq {
    /// The current record, encoded.
    record: Vec<u8>,
    /// The block that is being filled, and its number of records.
    block: Vec<u8>,
    records: u32,
    compressed: Vec<u8>,
    /// Where in the file the next block begins.
    offset: u64,
    /// Where the previous block begins.
    before: u64,
}

impl Output for Seq {
    const EXTENSION: &'static str = "seq";
    const TAKES_BACK: bool = false;

    fn begin(&mut self, into: &mut Vec<u8>) {
        into.extend_from_slice(&file_header());
        self.offset = FILE_HEADER_BYTES as u64;
    }

    fn end(&mut self, into: &mut Vec<u8>) -> Result<(), Error> {
        self.close_block(into);
        self.append_block(Coding::End, into);
        Ok(())
    }
}

impl<T: Serialize + ?Sized> Writes<T> for Seq {
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error> {
        let refuse = |problem| Error::Encode { format: "a sequence file", problem };
        self.record.clear();
        value::encode_into(record, &mut self.record).map_err(|error| refuse(error.to_string()))?;
        let length = self.record.len();
        if length + LENGTH_BYTES > RECORD_BYTES_MAX {
            let most = RECORD_BYTES_MAX - LENGTH_BYTES;
            let problem = format!("the record has {length} bytes, but the limit is {most}");
            return Err(refuse(problem));
        }
        if self.block.len() + LENGTH_BYTES + length > BLOCK_BYTES {
            self.close_block(into);
        }
        self.block.extend_from_slice(&u32_of(length).to_le_bytes());
        self.block.extend_from_slice(&self.record);
        self.records += 1;
        Ok(())
    }
}

impl Seq {
    fn close_block(&mut self, into: &mut Vec<u8>) {
        if self.records == 0 {
            return;
        }
        self.compressed.resize(lz4_flex::block::get_maximum_output_size(self.block.len()), 0);
        match lz4_flex::block::compress_into(&self.block, &mut self.compressed) {
            Ok(length) if length < self.block.len() => {
                self.compressed.truncate(length);
                self.append_block(Coding::Lz4, into);
            }
            _ => self.append_block(Coding::Stored, into),
        }
        self.block.clear();
        self.records = 0;
    }

    fn append_block(&mut self, coding: Coding, into: &mut Vec<u8>) {
        let stored = match coding {
            Coding::Stored => self.block.as_slice(),
            Coding::Lz4 => self.compressed.as_slice(),
            Coding::End => &[],
        };
        let header = Header {
            offset: self.offset,
            before: self.before,
            records: self.records,
            decoded_bytes: u32_of(self.block.len()),
            stored_bytes: u32_of(stored.len()),
            coding,
            stored_crc32c: crc32c::crc32c(stored),
        };
        into.extend_from_slice(&header.to_bytes());
        into.extend_from_slice(stored);
        self.before = self.offset;
        self.offset += (HEADER_BYTES + stored.len()) as u64;
    }
}

fn u32_of(length: usize) -> u32 {
    u32::try_from(length).expect("blocks are bounded by the longest record, far below 4 GiB")
}
