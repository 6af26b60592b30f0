//! The sort buffer: keeps every emitted pair as bytes, for jobs without a combiner.
//!
//! Records lie back to back, `[key length u32][value length u32][key][value]`, little-endian; a record's place is its
//! offset. The order is in entries of sixteen bytes beside them, see [`super::sort`].

use super::slots::advise_huge_pages;
use super::sort::{self, Keys, PLACES_MAX};
use crate::record::key;
use crate::record::short::prefetch;

const HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = size_of::<u128>();

/// Emitted pairs and the order in which they will be read.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
}

/// A sort buffer that is being filled.
#[derive(Debug)]
pub struct Filling {
    buffer: Buffer,
    entries: Vec<u128>,
    memory_bytes: usize,
}

impl Filling {
    /// A buffer for as many records as fit, with their entries, into this much memory. None of it is touched yet.
    pub fn new(memory_bytes: usize) -> Self {
        Filling {
            buffer: Buffer::default(),
            entries: Vec::new(),
            memory_bytes: memory_bytes.min(PLACES_MAX as usize),
        }
    }

    /// Whether a record of this size still fits. Anything fits into an empty buffer, so that a large record
    /// gets a spill of its own.
    #[inline]
    pub fn has_room(&self, key_bytes: usize, value_bytes: usize) -> bool {
        let more = HEADER_BYTES + key_bytes + value_bytes + ENTRY_BYTES;
        self.entries.is_empty() || self.used_bytes() + more <= self.memory_bytes
    }

    /// Adds a record that has room.
    #[inline]
    pub fn push(&mut self, partition: u32, key: &[u8], value: &[u8]) {
        let bytes = &mut self.buffer.bytes;
        if bytes.capacity() - bytes.len() < HEADER_BYTES + key.len() + value.len() {
            self.make_room(HEADER_BYTES + key.len() + value.len());
        }
        let bytes = &mut self.buffer.bytes;
        let place = bytes.len() as u64;
        bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        self.entries.push(sort::entry(partition, key::prefix(key), place));
    }

    #[cold]
    fn make_room(&mut self, more: usize) {
        const FIRST_BYTES: usize = 1 << 20;
        let bytes = &mut self.buffer.bytes;
        // Doubling moves pages, not bytes: large blocks are remapped. Never beyond what the memory can come to hold.
        let wanted =
            (bytes.capacity() * 2).max(FIRST_BYTES).min(self.memory_bytes).max(bytes.len() + more);
        bytes.reserve_exact(wanted - bytes.len());
        advise_huge_pages(bytes);
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory that records and entries fill.
    #[inline]
    pub fn used_bytes(&self) -> usize {
        self.buffer.bytes.len() + self.entries.len() * ENTRY_BYTES
    }

    /// Takes over the memory of a buffer that has been written out. Only an empty one does.
    pub(super) fn reuse(&mut self, buffer: Buffer, entries: Vec<u128>) {
        self.buffer = buffer;
        self.buffer.bytes.clear();
        self.entries = entries;
        self.entries.clear();
    }

    /// Sorts what was added.
    pub fn seal(mut self) -> (Buffer, Vec<u128>) {
        sort::sort(&mut self.entries, &self.buffer);
        (self.buffer, self.entries)
    }
}

impl Buffer {
    /// The record at this place.
    #[inline(always)]
    pub fn record(&self, place: u64) -> (&[u8], &[u8]) {
        let from = &self.bytes[place as usize..];
        let Some((header, rest)) = from.split_first_chunk::<HEADER_BYTES>() else {
            return (&[], &[]);
        };
        let lengths = u64::from_le_bytes(*header);
        let (key, rest) = rest.split_at(lengths as u32 as usize);
        (key, &rest[..(lengths >> 32) as usize])
    }

    /// Memory that the records take.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Has the record at this place ready soon: its first two cache lines.
    #[inline]
    pub fn prefetch_place(&self, place: u64) {
        const CACHE_LINE_BYTES: usize = 64;
        if let Some(from) = self.bytes.get(place as usize..) {
            prefetch(from);
            prefetch(from.get(CACHE_LINE_BYTES..).unwrap_or(from));
        }
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
            let (buffer, entries) = filling.seal();
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
    fn a_full_buffer_says_so_but_an_empty_one_takes_anything() {
        let mut filling = Filling::new(100);
        assert!(filling.has_room(1000, 1000));
        filling.push(0, b"key", b"value");
        assert_eq!(filling.used_bytes(), 32);
        assert!(filling.has_room(20, 20));
        assert!(!filling.has_room(20, 30));
    }
}
