//! Reads sequence files, starting at any byte.

use std::marker::PhantomData;
use std::ops::Range;

use serde::de::DeserializeOwned;

use super::block::{
    BLOCK_BYTES, Coding, FILE_HEADER_BYTES, HEADER_BYTES, Header, LENGTH_BYTES, MARK, file_header,
};
use crate::format::{Error, Input, Last, Source};
use crate::record::value;

/// Reads typed sequence files, as [`Seq`](super::Seq) writes them: pairs of `K` and `V`.
///
/// The types must be those that were written, or have the same form in bincode (such as `String` and `TextBuf`): files
/// do not name their types. If a file is damaged or truncated, the error gives the offset of the block.
pub struct Sequence<K, V> {
    source: Source,
    end: u64,
    /// The decoded records of the current block, where in it the next one begins, and how many are still to come.
    block: Vec<u8>,
    next: usize,
    records: u32,
    /// Where the current block begins or, before the first one, the last block before the range; 0 if there is none.
    offset: u64,
    /// The record that was returned last, as a range of the block.
    last: Range<usize>,
    ended: bool,
    record: PhantomData<fn() -> (K, V)>,
}

impl<K: DeserializeOwned + 'static, V: DeserializeOwned + 'static> Input for Sequence<K, V> {
    type Record<'a> = (K, V);
    const TEXT: bool = false;

    fn open(source: Source) -> Result<Self, Error> {
        let range = source.range();
        // The range with the last byte reads on to the end mark, and fails if that is missing.
        let last = source.size().is_some_and(|size| range.end >= size);
        let mut input = Self {
            end: if last { u64::MAX } else { range.end },
            source,
            block: Vec::new(),
            next: 0,
            records: 0,
            offset: 0,
            last: 0..0,
            ended: range.is_empty(),
            record: PhantomData,
        };
        if range.start != 0 && !range.is_empty() {
            input.find_block(range.start)?;
        } else if !range.is_empty() {
            input.read_file_header()?;
        }
        Ok(input)
    }

    fn next(&mut self) -> Result<Option<(K, V)>, Error> {
        while self.records == 0 {
            if self.next < self.block.len() {
                return Err(self.damaged("it has bytes after its last record"));
            }
            if !self.read_block()? {
                return Ok(None);
            }
        }
        let record = self.block[self.next..].split_first_chunk::<LENGTH_BYTES>();
        let record =
            record.and_then(|(length, rest)| rest.get(..u32::from_le_bytes(*length) as usize));
        let Some(record) = record else { return Err(self.damaged("it ends within a record")) };
        self.last = self.next + LENGTH_BYTES..self.next + LENGTH_BYTES + record.len();
        self.next = self.last.end;
        self.records -= 1;
        match value::decode(record) {
            Ok(pair) => Ok(Some(pair)),
            Err(error) => {
                let problem = format!("record is not of the expected type: {error}");
                Err(self.source.error(self.offset, true, problem))
            }
        }
    }

    /// Returns the record with the offset of its block, because the records in a block are compressed.
    fn last(&self) -> Last<'_> {
        Last { offset: self.offset, bytes: &self.block[self.last.clone()] }
    }
}

impl<K, V> Sequence<K, V> {
    fn read_file_header(&mut self) -> Result<(), Error> {
        while self.source.window().len() < FILE_HEADER_BYTES && self.source.fill()? {}
        if self.source.window().is_empty() {
            // An empty file is an empty sequence.
            self.ended = true;
        } else if self.source.window().starts_with(&file_header()) {
            self.source.consume(FILE_HEADER_BYTES);
        } else {
            return Err(self.source.error(0, false, "file is not a sequence file of version 1"));
        }
        Ok(())
    }

    /// Skips everything before the first block that begins at `start` or later.
    fn find_block(&mut self, start: u64) -> Result<(), Error> {
        // A range that is shorter than the end mark must still check for it, because no other range might.
        let size = self.source.size().unwrap_or(u64::MAX);
        self.source.rewind(start.saturating_sub(size.saturating_sub(HEADER_BYTES as u64)));
        while self.source.skip_to(MARK)? {
            if let Some(header) = self.peek_header()? {
                if header.before >= start {
                    self.offset = header.before;
                    return Err(self.damaged("its header cannot be read"));
                }
                self.offset = header.before;
                self.ended = header.offset < start;
                return Ok(());
            }
            self.source.consume(1);
        }
        Err(self.source.error(
            start,
            false,
            "sequence file is truncated or damaged after this position",
        ))
    }

    fn peek_header(&mut self) -> Result<Option<Header>, Error> {
        while self.source.window().len() < HEADER_BYTES && self.source.fill()? {}
        let bytes = self.source.window().first_chunk();
        Ok(bytes.and_then(|bytes| Header::from_bytes(bytes, self.source.offset())))
    }

    /// Reads the next block of the range; false if there is none.
    fn read_block(&mut self) -> Result<bool, Error> {
        let offset = self.source.offset();
        if self.ended || offset >= self.end {
            return Ok(false);
        }
        let Some(header) = self.peek_header()? else {
            let whole = self.source.window().len() >= HEADER_BYTES;
            let problem =
                if whole { "block has a damaged header" } else { "sequence file is truncated" };
            return Err(self.source.error(offset, false, problem));
        };
        let before = std::mem::replace(&mut self.offset, offset);
        if header.before != before {
            return Err(self.damaged("its header has the wrong offset for the previous block"));
        }
        self.source.consume(HEADER_BYTES);
        if header.coding == Coding::End {
            self.ended = true;
            if !self.source.window().is_empty() || self.source.fill()? {
                return Err(self.source.error(
                    offset,
                    false,
                    "sequence file continues after its end mark",
                ));
            }
            return Ok(false);
        }
        let stored_bytes = header.stored_bytes as usize;
        while self.source.window().len() < stored_bytes {
            if !self.source.fill()? {
                return Err(self.source.error(
                    offset,
                    false,
                    "sequence file is truncated in this block",
                ));
            }
        }
        self.decode(&header)?;
        self.source.consume(stored_bytes);
        Ok(true)
    }

    fn decode(&mut self, header: &Header) -> Result<(), Error> {
        let stored = &self.source.window()[..header.stored_bytes as usize];
        if crc32c::crc32c(stored) != header.stored_crc32c {
            return Err(self.damaged("its checksum is wrong"));
        }
        let decoded_bytes = header.decoded_bytes as usize;
        if decoded_bytes > self.source.record_bytes_max().max(BLOCK_BYTES) {
            return Err(self.damaged("its length exceeds the limit for a record"));
        }
        self.block.clear();
        let length = if header.coding == Coding::Lz4 {
            self.block.resize(decoded_bytes, 0);
            lz4_flex::block::decompress_into(stored, &mut self.block).unwrap_or(usize::MAX)
        } else {
            self.block.extend_from_slice(stored);
            stored.len()
        };
        if length != decoded_bytes {
            return Err(self.damaged("it cannot be decoded"));
        }
        (self.next, self.records, self.last) = (0, header.records, 0..0);
        Ok(())
    }

    /// Returns the error for damage in the current block.
    #[cold]
    fn damaged(&self, how: &str) -> Error {
        self.source.error(self.offset, false, format!("block of a sequence file is damaged: {how}"))
    }
}
