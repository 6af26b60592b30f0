//! The combining table: folds the values of each key into one accumulator, in the map's memory.
//!
//! The table uses open addressing with linear probing. A slot holds the accumulator and a key of at
//! most 16 bytes, so that the usual look-up touches one cache line. Longer keys are kept in chunks
//! beside the table. Slots and partitions are both ordered by the upper bits of the hash, so
//! growing and draining the table access memory sequentially.

use super::slots::{Slot, Slots};
use super::sort::Keys;
use crate::record::hash;
use crate::record::short::{SHORT_BYTES, prefetch};

/// Largest share of filled slots before the table grows: five eighths.
const LOAD: (usize, usize) = (5, 8);
/// Long keys are kept in chunks of this many bytes.
const LONG_CHUNK_BYTES: usize = 1 << 20;

/// A key to look up in the table.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    bytes: &'a [u8],
    /// What a slot holds for this key: the key itself if it is short; for a long key, 64 bits of its hash in the upper
    /// half.
    word: u128,
    hash: u32,
}

impl<'a> Probe<'a> {
    /// Creates a probe. `padded` is the key, zero-padded, if it is short.
    #[inline(always)]
    pub fn new(bytes: &'a [u8], padded: u128, hash: u64) -> Self {
        let word = if bytes.len() <= SHORT_BYTES { padded } else { u128::from(hash) << 64 };
        Probe { bytes, word, hash: (hash >> 32) as u32 }
    }
}

/// A hash table from keys to accumulators, of bounded size.
pub struct Table<A> {
    slots: Slots<A>,
    bits: u32,
    used: usize,
    long: LongKeys,
}

impl<A> Table<A> {
    /// Creates a table of `1 << bits` slots, with at most 32 bits.
    pub fn new(bits: u32) -> Self {
        Table { slots: Slots::new(bits), bits, used: 0, long: LongKeys::default() }
    }

    /// Bytes that a table of `1 << bits` slots takes.
    pub const fn bytes_of(bits: u32) -> usize {
        Slots::<A>::bytes(bits)
    }

    /// Number of keys that `1 << bits` slots can hold.
    pub(super) const fn capacity(bits: u32) -> usize {
        (1 << bits) / LOAD.1 * LOAD.0
    }

    /// Number of distinct keys.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Bytes of slots and long keys. What accumulators own on the heap is not counted.
    pub fn memory_bytes(&self) -> usize {
        Self::bytes_of(self.bits) + self.long.memory_bytes()
    }

    /// Makes room for `more` keys. The table grows if it, together with its old slots, stays within `memory_bytes`.
    /// Returns false if that is not possible.
    pub fn make_room(&mut self, more: usize, memory_bytes: usize) -> bool {
        while self.used + more > Self::capacity(self.bits) {
            let both = Self::bytes_of(self.bits) + Self::bytes_of(self.bits + 1);
            if self.bits >= 32 || both + self.long.memory_bytes() > memory_bytes {
                return false;
            }
            self.grow();
        }
        self.long.memory_bytes() + Self::bytes_of(self.bits) <= memory_bytes
    }

    /// Whether the table could grow to hold `keys` keys in all, of the same average length, within `memory_bytes`.
    pub fn may_hold(&self, keys: usize, memory_bytes: usize) -> bool {
        let long_bytes = self.long.memory_bytes().saturating_mul(keys / self.used.max(1));
        let mut bits = self.bits;
        while bits < 32 && Self::capacity(bits) < keys {
            bits += 1;
        }
        let both = Self::bytes_of(bits - 1) + Self::bytes_of(bits);
        Self::capacity(bits) >= keys && both.saturating_add(long_bytes) <= memory_bytes
    }

    #[cold]
    fn grow(&mut self) {
        let bits = self.bits + 1;
        let mut grown = Slots::new(bits);
        self.slots.take_all(|key, len, hash, acc| {
            let mut i = index(hash, bits);
            while !grown.get(i).is_empty() {
                i += 1;
            }
            grown.get_mut(i).fill(key, len, hash, acc);
        });
        self.slots = grown;
        self.bits = bits;
    }

    /// Prefetches the slot where the search for this hash begins.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        prefetch(self.slots.get(index((hash >> 32) as u32, self.bits)));
    }

    /// Folds into the key's accumulator, or starts a new one. There must be room; see [`Table::make_room`].
    #[inline(always)]
    pub fn upsert<E>(
        &mut self,
        key: Probe<'_>,
        start: impl FnOnce() -> Result<A, E>,
        fold: impl FnOnce(&mut A) -> Result<(), E>,
    ) -> Result<(), E> {
        let len = key.bytes.len() as u32;
        let mut i = index(key.hash, self.bits);
        loop {
            let slot = self.slots.get_mut(i);
            if slot.is_empty() {
                let acc = start()?;
                let word = if key.bytes.len() <= SHORT_BYTES {
                    key.word
                } else {
                    key.word | self.long.keep(key.bytes)
                };
                slot.fill(word, len, key.hash, acc);
                self.used += 1;
                return Ok(());
            }
            let same = if key.bytes.len() <= SHORT_BYTES {
                slot.holds(key.word, len)
            } else {
                holds_long(slot, &self.long, &key)
            };
            if same && let Some(acc) = slot.acc_mut() {
                return fold(acc);
            }
            i += 1;
        }
    }

    /// Places of all keys in the order of their hashes, each with the upper half of its key's hash.
    pub fn places(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        (0..self.slots.len()).filter_map(|i| {
            let slot = self.slots.get(i);
            (!slot.is_empty()).then_some((i as u64, slot.hash))
        })
    }

    /// The accumulator of the key at a place from [`Table::places`].
    #[inline]
    pub fn acc(&self, place: u64) -> Option<&A> {
        self.slots.get(place as usize).acc()
    }

    /// Prefetches the slot at this place.
    #[inline]
    pub fn prefetch_place(&self, place: u64) {
        prefetch(self.slots.get(place as usize));
    }

    /// Removes all keys, and keeps the slots' memory.
    pub fn clear(&mut self) {
        self.slots.take_all(|_, _, _, acc| drop(acc));
        self.used = 0;
        self.long = LongKeys::default();
    }
}

impl<A> Keys for Table<A> {
    #[inline]
    fn key(&self, place: u64) -> &[u8] {
        let slot = self.slots.get(place as usize);
        let len = slot.key_len();
        match slot.key.get(..len) {
            Some(short) => short,
            None => self.long.get(u128::from_ne_bytes(slot.key), len),
        }
    }
}

/// The slot where the search for a hash begins: the upper bits of the hash, so slots have the order of hashes.
#[inline(always)]
fn index(hash: u32, bits: u32) -> usize {
    (u64::from(hash) << bits >> 32) as usize
}

fn holds_long<A>(slot: &Slot<A>, long: &LongKeys, key: &Probe<'_>) -> bool {
    let word = u128::from_ne_bytes(slot.key);
    slot.key_len() == key.bytes.len()
        && word >> 64 == key.word >> 64
        && long.get(word, key.bytes.len()) == key.bytes
}

/// Keys of more than 16 bytes, back to back in chunks; a key's place is (chunk << 32 | offset).
#[derive(Default)]
struct LongKeys {
    chunks: Vec<Vec<u8>>,
    bytes: usize,
}

impl LongKeys {
    fn keep(&mut self, key: &[u8]) -> u128 {
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < key.len()) {
            let chunk = Vec::with_capacity(key.len().max(LONG_CHUNK_BYTES));
            self.bytes += chunk.capacity();
            self.chunks.push(chunk);
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let offset = chunk.len();
        chunk.extend_from_slice(key);
        (number as u128) << 32 | offset as u128
    }

    #[inline]
    fn get(&self, place: u128, len: usize) -> &[u8] {
        let (number, offset) = ((place >> 32) as u32 as usize, place as u32 as usize);
        &self.chunks[number][offset..offset + len]
    }

    fn memory_bytes(&self) -> usize {
        self.bytes
    }
}

/// Returns the key's hash, and the key zero-padded if it is short, as [`Probe::new`] takes them.
#[inline(always)]
pub fn hash_of(bytes: &[u8], short: &[u8; SHORT_BYTES]) -> (u64, u128) {
    let padded = u128::from_ne_bytes(*short);
    let hash = if bytes.len() <= SHORT_BYTES {
        hash::hash_short(u128::from_le(padded), bytes.len())
    } else {
        hash::hash_long(bytes)
    };
    (hash, padded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn add(table: &mut Table<u64>, key: &[u8], n: u64) {
        assert!(table.make_room(1, usize::MAX));
        let padded = u128::from_ne_bytes(crate::record::short::load(key).to_le_bytes());
        let probe = Probe::new(key, padded, hash::hash(key));
        let done: Result<(), ()> = table.upsert(
            probe,
            || Ok(n),
            |acc| {
                *acc += n;
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
    }

    proptest! {
        #[test]
        fn the_table_sums_as_a_map_does(
            pairs in proptest::collection::vec((proptest::collection::vec(0u8..3, 0..24), 0u64..100), 0..500)
        ) {
            let mut table = Table::new(3);
            let mut expected = BTreeMap::new();
            for (key, n) in &pairs {
                add(&mut table, key, *n);
                *expected.entry(key.clone()).or_insert(0) += n;
            }
            prop_assert_eq!(table.len(), expected.len());
            let found: BTreeMap<Vec<u8>, u64> = table
                .places()
                .map(|(place, _)| (table.key(place).to_vec(), *table.acc(place).expect("named by places")))
                .collect();
            prop_assert_eq!(found, expected);
            table.clear();
            prop_assert!(table.is_empty() && table.places().next().is_none());
        }
    }

    #[test]
    fn a_table_does_not_outgrow_its_memory() {
        let limit = Table::<u64>::bytes_of(6) + Table::<u64>::bytes_of(7);
        let mut table = Table::<u64>::new(4);
        let mut keys = 0u32;
        while table.make_room(1, limit) {
            let key = keys.to_le_bytes();
            let probe = Probe::new(&key, crate::record::short::load(&key), hash::hash(&key));
            let done: Result<(), ()> = table.upsert(probe, || Ok(1), |_| Err(()));
            assert_eq!(done, Ok(()));
            keys += 1;
        }
        assert_eq!(keys as usize, Table::<u64>::capacity(7));
    }
}
