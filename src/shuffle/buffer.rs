//! The sort buffer: keeps every emitted pair as bytes, for jobs without a combiner.
//!
//! Records are stored in chunks as `[key length u32][value length u32][key][value]`, little-endian.
//! A record's place is (chunk << 21 | offset in the chunk), so places increase in the order of
//! arrival. A record larger than a chunk gets a chunk of its own. The sort order is kept
//! separately, in an entry of 16 bytes for each record; see [`super::sort`].

use super::chunk::{CHUNK_BYTES, Chunk};
use super::sort::{self, Keys};
use crate::record::key;
use crate::record::short::prefetch;

/// Bytes that hold the lengths of a record's key and value.
pub(super) const HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = size_of::<u128>();
const OFFSET_BITS: u32 = CHUNK_BYTES.trailing_zeros();

/// Emitted pairs, in the order in which they were emitted.
#[derive(Debug, Default)]
pub struct Buffer {
    chunks: Vec<Chunk>,
}

/// A sort buffer that is being filled.
#[derive(Debug)]
pub struct Filling {
    buffer: Buffer,
    entries: Vec<u128>,
    /// Spare chunks, from a buffer that was written out.
    spare: Vec<Chunk>,
    /// Memory of the chunks in use.
    chunk_bytes: usize,
    memory_bytes: usize,
}

impl Filling {
    /// Creates a buffer for as many records, with their entries, as fit into this much memory. No memory is touched
    /// yet.
    pub fn new(memory_bytes: usize) -> Self {
        let (buffer, entries) = (Buffer::default(), Vec::new());
        Filling { buffer, entries, spare: Vec::new(), chunk_bytes: 0, memory_bytes }
    }

    /// Whether a record of this size still fits. Anything fits into an empty buffer, so a large record gets a spill of
    /// its own.
    #[inline]
    pub fn has_room(&self, key_bytes: usize, value_bytes: usize) -> bool {
        let bytes = HEADER_BYTES + key_bytes + value_bytes;
        let in_chunk = self.buffer.chunks.last().is_some_and(|chunk| chunk.room() >= bytes);
        let more = if in_chunk { 0 } else { bytes.max(CHUNK_BYTES) };
        self.entries.is_empty() || self.used_bytes() + more + ENTRY_BYTES <= self.memory_bytes
    }

    /// Adds a record. There must be room for it.
    #[inline]
    pub fn push(&mut self, partition: u32, key: &[u8], value: &[u8]) {
        let bytes = HEADER_BYTES + key.len() + value.len();
        if self.buffer.chunks.last().is_none_or(|chunk| chunk.room() < bytes) {
            self.add_chunk(bytes);
        }
        let number = self.buffer.chunks.len() as u64 - 1;
        let Some(chunk) = self.buffer.chunks.last_mut() else { return };
        let place = number << OFFSET_BITS | chunk.len() as u64;
        let lengths = key.len() as u64 | (value.len() as u64) << 32;
        chunk.push(&lengths.to_le_bytes());
        chunk.push(key);
        chunk.push(value);
        self.entries.push(sort::entry(partition, key::prefix(key), place));
    }

    #[cold]
    fn add_chunk(&mut self, least: usize) {
        let spare = self.spare.pop().filter(|spare| spare.room() >= least);
        let chunk = spare.unwrap_or_else(|| Chunk::new(least));
        self.chunk_bytes += chunk.capacity();
        self.buffer.chunks.push(chunk);
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory of the records.
    pub fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Memory of records and entries.
    #[inline]
    pub fn used_bytes(&self) -> usize {
        self.chunk_bytes + self.entries.len() * ENTRY_BYTES
    }

    /// Sorts the records.
    pub fn sort(&mut self) {
        sort::sort(&mut self.entries, &self.buffer);
    }

    /// The records, as they were added.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// The entries, which are in order once the buffer is sorted.
    pub fn entries(&self) -> &[u128] {
        &self.entries
    }

    /// Removes all records, and keeps the memory.
    pub fn clear(&mut self) {
        // A larger chunk was made for a single record. If others were added to it, their places would not fit into an
        // entry.
        self.spare.extend(self.buffer.chunks.drain(..).filter(|c| c.capacity() == CHUNK_BYTES));
        self.spare.iter_mut().for_each(Chunk::clear);
        self.entries.clear();
        self.chunk_bytes = 0;
    }
}

impl Buffer {
    #[inline(always)]
    fn from(&self, place: u64) -> &[u8] {
        let chunk = &self.chunks[(place >> OFFSET_BITS) as usize];
        &chunk.bytes()[place as usize % CHUNK_BYTES..]
    }

    /// The record at this place.
    #[inline(always)]
    pub fn record(&self, place: u64) -> (&[u8], &[u8]) {
        let Some((header, rest)) = self.from(place).split_first_chunk::<HEADER_BYTES>() else {
            return (&[], &[]);
        };
        let lengths = u64::from_le_bytes(*header);
        let (key, rest) = rest.split_at(lengths as u32 as usize);
        (key, &rest[..(lengths >> 32) as usize])
    }

    /// The record at this place as it is stored, including its lengths.
    #[inline(always)]
    pub(super) fn record_bytes(&self, place: u64) -> &[u8] {
        let from = self.from(place);
        let lengths = from.first_chunk().map_or(0, |header| u64::from_le_bytes(*header));
        &from[..HEADER_BYTES + lengths as u32 as usize + (lengths >> 32) as usize]
    }

    /// Memory that the records take.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(Chunk::capacity).sum()
    }

    /// Prefetches the record at this place: its first two cache lines.
    #[inline]
    pub fn prefetch_place(&self, place: u64) {
        const CACHE_LINE_BYTES: usize = 64;
        let from = self.from(place);
        prefetch(from);
        prefetch(from.get(CACHE_LINE_BYTES..).unwrap_or(from));
    }
}

impl Keys for Buffer {
    #[inline]
    fn key(&self, place: u64) -> &[u8] {
        self.record(place).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_out_sorted_and_whole(
            records in proptest::collection::vec(
                (0u32..3, proptest::collection::vec(0u8..3, 0..12), proptest::collection::vec(any::<u8>(), 0..9)), 0..200)
        ) {
            let mut filling = Filling::new(1 << 30);
            for (partition, key, value) in &records {
                filling.push(*partition, key, value);
            }
            filling.sort();
            let (buffer, entries) = (filling.buffer(), filling.entries());
            let mut expected = records.clone();
            expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            let found: Vec<_> = entries
                .iter()
                .map(|&e| {
                    let (key, value) = buffer.record(sort::place(e));
                    (sort::partition(e), key.to_vec(), value.to_vec())
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn small_records_after_a_large_one_are_found_again() {
        let mut filling = Filling::new(1 << 30);
        let large = vec![7; CHUNK_BYTES + 1000];
        for round in 0..2 {
            filling.push(0, b"a", &large);
            for i in 0..40_000u32 {
                filling.push(0, b"b", &[[round; 60].as_slice(), &i.to_le_bytes()].concat());
            }
            filling.sort();
            let (buffer, entries) = (filling.buffer(), filling.entries());
            assert_eq!(buffer.record(sort::place(entries[0])), (&b"a"[..], large.as_slice()));
            for (i, &e) in entries[1..].iter().enumerate() {
                let (key, value) = buffer.record(sort::place(e));
                assert_eq!((key, &value[60..]), (&b"b"[..], &(i as u32).to_le_bytes()[..]));
            }
            filling.clear();
        }
    }

    #[test]
    fn a_full_buffer_says_so_but_an_empty_one_takes_anything() {
        let mut filling = Filling::new(CHUNK_BYTES + 2 * ENTRY_BYTES);
        assert!(filling.has_room(0, 2 * CHUNK_BYTES));
        filling.push(0, b"key", b"value");
        assert_eq!(filling.used_bytes(), CHUNK_BYTES + ENTRY_BYTES);
        assert!(!filling.has_room(20, CHUNK_BYTES));
        assert!(filling.has_room(20, 20));
        filling.push(0, b"key", b"value");
        assert!(!filling.has_room(0, 0));
    }
}
