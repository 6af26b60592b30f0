//! Writes records as a run of blocks.

use std::io::Write;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use xxhash_rust::xxh3::Xxh3;

use super::Error;
use super::frame::{
    BLOCK_RAW_BYTES, Codec, FRAME_CHECKED_BYTES, FRAME_HEADER_BYTES, LENGTH_BYTES_MAX,
    RECORD_BYTES_MAX, Totals,
};

/// A block is stored compressed only if that saves at least one part in this many. A smaller saving is not worth the
/// time of decompressing the block at every read.
const SAVING_PART_LEAST: usize = 8;

/// After blocks that did not shrink, at most this many blocks are stored without trying to compress them. So
/// incompressible data costs almost nothing, and a change in the data is noticed after at most 1 MiB.
const UNTRIED_BLOCKS_MAX: u32 = 15;

/// Writes records as runs of blocks into a sink.
///
/// Uses about 160 KiB of memory: the open block, its compressed form and lz4's table. A record larger than a block
/// needs up to twice its size while it is written.
pub struct BlockWriter<W> {
    sink: W,
    /// Where in the sink the open block will begin.
    offset: u64,
    /// Room for the frame's header, then the raw bytes of the open block.
    open: Vec<u8>,
    /// How many records the open block holds.
    open_records: u32,
    /// Totals of the run so far, without the open block.
    records: u64,
    raw_bytes: u64,
    digest: Xxh3,
    /// The frame of a compressed block.
    packed: Vec<u8>,
    codec: Codec,
    // Always the large table. A small one would be replaced at the first long record, and the same block could then be
    // stored differently afterwards.
    table: CompressTable,
    untried_blocks: u32,
    untried_blocks_next: u32,
}

impl<W: Write> BlockWriter<W> {
    /// Writes into `sink`, whose next byte is at `offset` in its file.
    ///
    /// The sink should be buffered if blocks may be small, because each block is written as one slice.
    pub fn new(sink: W, codec: Codec, offset: u64) -> Self {
        let mut open = Vec::with_capacity(FRAME_HEADER_BYTES + BLOCK_RAW_BYTES);
        open.resize(FRAME_HEADER_BYTES, 0);
        BlockWriter {
            sink,
            offset,
            open,
            open_records: 0,
            records: 0,
            raw_bytes: 0,
            digest: Xxh3::new(),
            packed: Vec::new(),
            codec,
            table: CompressTable::large(),
            untried_blocks: 0,
            untried_blocks_next: 1,
        }
    }

    /// Appends a record to the run.
    ///
    /// # Errors
    ///
    /// [`Error::RecordTooLarge`], which has no effect on the run, or [`Error::Write`], after which the sink must not be
    /// used.
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let bytes = key.len() + value.len();
        if self.open.len() + bytes + 2 * LENGTH_BYTES_MAX > FRAME_HEADER_BYTES + BLOCK_RAW_BYTES {
            self.make_room(bytes)?;
        }
        if (key.len() | value.len()) < 0x80 {
            self.open.extend_from_slice(&[key.len() as u8, value.len() as u8]);
        } else {
            put_length(key.len(), &mut self.open);
            put_length(value.len(), &mut self.open);
        }
        self.open.extend_from_slice(key);
        self.open.extend_from_slice(value);
        self.open_records += 1;
        Ok(())
    }

    /// Ends the run: closes its last block and returns the run's contents. The next record begins a new run.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], after which the sink must not be used.
    pub fn end_run(&mut self) -> Result<Totals, Error> {
        self.close_block()?;
        let totals = Totals {
            records: self.records,
            raw_bytes: self.raw_bytes,
            digest: self.digest.digest(),
        };
        self.records = 0;
        self.raw_bytes = 0;
        self.digest.reset();
        Ok(totals)
    }

    /// Returns the offset of the sink's next byte in its file. Records of the open block are not counted.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the sink. Bytes written to it between two runs are not counted in [`BlockWriter::offset`].
    pub fn sink_mut(&mut self) -> &mut W {
        &mut self.sink
    }

    /// Returns the sink; records after the last [`BlockWriter::end_run`] are dropped.
    pub fn into_sink(self) -> W {
        self.sink
    }

    #[cold]
    fn make_room(&mut self, record_bytes: usize) -> Result<(), Error> {
        if record_bytes > RECORD_BYTES_MAX {
            return Err(Error::RecordTooLarge {
                bytes: record_bytes as u64,
                limit: RECORD_BYTES_MAX as u64,
            });
        }
        self.close_block()
    }

    fn close_block(&mut self) -> Result<(), Error> {
        let raw_bytes = self.open.len() - FRAME_HEADER_BYTES;
        if raw_bytes == 0 {
            return Ok(());
        }
        self.digest.update(&self.open[FRAME_HEADER_BYTES..]);
        self.records += u64::from(self.open_records);
        self.raw_bytes += raw_bytes as u64;

        let (codec, frame) = match self.pack() {
            Some(packed_bytes) => {
                (Codec::Lz4, &mut self.packed[..FRAME_HEADER_BYTES + packed_bytes])
            }
            None => (Codec::Stored, &mut self.open[..]),
        };
        seal(frame, codec, self.open_records, raw_bytes as u32);
        self.sink
            .write_all(frame)
            .map_err(|source| Error::Write { offset: self.offset, source })?;
        self.offset += frame.len() as u64;

        self.open.truncate(FRAME_HEADER_BYTES);
        self.open_records = 0;
        // The memory of one huge record must not be kept for the rest of the run.
        self.open.shrink_to(FRAME_HEADER_BYTES + BLOCK_RAW_BYTES);
        self.packed.truncate(FRAME_HEADER_BYTES + get_maximum_output_size(BLOCK_RAW_BYTES));
        self.packed.shrink_to(0);
        Ok(())
    }

    /// Compresses the open block into `packed`, after the space for the header, if that is worthwhile.
    fn pack(&mut self) -> Option<usize> {
        if self.codec == Codec::Stored {
            return None;
        }
        if self.untried_blocks > 0 {
            self.untried_blocks -= 1;
            return None;
        }
        let raw = &self.open[FRAME_HEADER_BYTES..];
        let room = FRAME_HEADER_BYTES + get_maximum_output_size(raw.len().max(BLOCK_RAW_BYTES));
        if self.packed.len() < room {
            self.packed.resize(room, 0);
        }
        // Compression cannot fail with this much space; if it did, the block would be stored uncompressed.
        let packed_bytes =
            compress_into_with_table(raw, &mut self.packed[FRAME_HEADER_BYTES..], &mut self.table)
                .ok()?;
        if packed_bytes <= raw.len() - raw.len() / SAVING_PART_LEAST && packed_bytes < raw.len() {
            self.untried_blocks_next = 1;
            return Some(packed_bytes);
        }
        self.untried_blocks = self.untried_blocks_next;
        self.untried_blocks_next = (2 * self.untried_blocks_next + 1).min(UNTRIED_BLOCKS_MAX);
        None
    }
}

/// Fills in the header of a frame whose stored bytes are in place.
fn seal(frame: &mut [u8], codec: Codec, records: u32, raw_bytes: u32) {
    let (header, stored) = frame.split_at_mut(FRAME_HEADER_BYTES);
    header[0] = codec.code();
    header[1..5].copy_from_slice(&records.to_le_bytes());
    header[5..9].copy_from_slice(&raw_bytes.to_le_bytes());
    header[9..13].copy_from_slice(&(stored.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..FRAME_CHECKED_BYTES]), stored);
    header[13..].copy_from_slice(&checksum.to_le_bytes());
}

fn put_length(mut length: usize, into: &mut Vec<u8>) {
    while length >= 0x80 {
        into.push(length as u8 | 0x80);
        length >>= 7;
    }
    into.push(length as u8);
}
