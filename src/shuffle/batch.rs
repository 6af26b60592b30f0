//! Buffers emitted pairs in batches, so that a collector hashes, looks up and folds many pairs in one call.

use crate::record::block::RECORD_BYTES_MAX;
use crate::record::short::{self, SHORT_BYTES};
use crate::record::value::VALUE_BYTES_MAX;

/// Pairs in a full batch: enough that no look-up waits for memory, few enough to stay in the nearest caches.
pub const BATCH_PAIRS: usize = 1024;

/// A batch that holds this many bytes of long keys and values counts as full early.
pub const BATCH_BYTES: usize = 256 << 10;

/// Most bytes that a batch can hold, including its pairs, while it must not be passed on in the middle of a record.
pub const BATCH_BYTES_MAX: usize = 256 << 20;

/// Longest key. Anything longer is data; use a key that identifies it.
pub const KEY_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(
    KEY_BYTES_MAX + VALUE_BYTES_MAX <= RECORD_BYTES_MAX,
    "every record that can be emitted must fit into a spill file"
);

/// One emitted pair. A short key is stored here, a long one in the batch's bytes directly before the value.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The key if it is short, zero padded.
    pub short: [u8; SHORT_BYTES],
    /// Length of the key.
    pub key_len: u32,
    /// Where the value begins in the batch's bytes.
    pub value_at: u32,
    /// Length of the value.
    pub value_len: u32,
}

/// Emitted pairs that wait to be passed on together. Once a batch has grown to its full size, adding a pair allocates
/// nothing.
#[derive(Debug)]
pub struct Batch {
    pairs: Vec<Pair>,
    bytes: Vec<u8>,
    /// Keys up to this length are kept in [`Pair::short`].
    short_max: usize,
}

/// The state of a batch at some moment, so that later additions can be undone.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pairs: usize,
    bytes: usize,
}

impl Batch {
    /// A batch for a collector that looks keys up in a table (`short_keys`), or for one that keeps them all as bytes.
    pub fn new(short_keys: bool) -> Self {
        Batch {
            pairs: Vec::with_capacity(BATCH_PAIRS),
            bytes: Vec::with_capacity(if short_keys { 32 << 10 } else { BATCH_BYTES }),
            short_max: if short_keys { SHORT_BYTES } else { 0 },
        }
    }

    /// Adds a pair. `value` appends the value's bytes; if it fails, the pair is not added.
    #[inline(always)]
    pub fn push<E>(
        &mut self,
        key: &[u8],
        value: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.bytes.len();
        let short = if key.len() <= self.short_max {
            short::load(key).to_le_bytes()
        } else {
            self.bytes.extend_from_slice(key);
            [0; SHORT_BYTES]
        };
        let value_at = self.bytes.len();
        if let Err(error) = value(&mut self.bytes) {
            self.bytes.truncate(before);
            return Err(error);
        }
        self.pairs.push(Pair {
            short,
            key_len: key.len() as u32,
            value_at: value_at as u32,
            value_len: (self.bytes.len() - value_at) as u32,
        });
        Ok(())
    }

    /// Removes the last pair.
    pub fn pop(&mut self) {
        if let Some(pair) = self.pairs.pop() {
            let key_len = if pair.key_len as usize <= self.short_max { 0 } else { pair.key_len };
            self.bytes.truncate((pair.value_at - key_len) as usize);
        }
    }

    /// Whether the batch should be passed on before more is added.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.pairs.len() >= BATCH_PAIRS || self.bytes.len() >= BATCH_BYTES
    }

    /// Whether the batch has no room for anything more.
    #[inline(always)]
    pub fn is_overfull(&self) -> bool {
        self.bytes.len() + self.pairs.len() * size_of::<Pair>() >= BATCH_BYTES_MAX
    }

    /// Whether the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The waiting pairs, in the order in which they were emitted.
    #[inline]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The key of one of this batch's pairs.
    #[inline(always)]
    pub fn key<'a>(&'a self, pair: &'a Pair) -> &'a [u8] {
        let len = pair.key_len as usize;
        if len <= self.short_max {
            &pair.short[..len]
        } else {
            let end = pair.value_at as usize;
            &self.bytes[end - len..end]
        }
    }

    /// The value of one of this batch's pairs.
    #[inline(always)]
    pub fn value(&self, pair: &Pair) -> &[u8] {
        let at = pair.value_at as usize;
        &self.bytes[at..at + pair.value_len as usize]
    }

    /// Bytes of the waiting keys and values, including the memory of the pairs.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.pairs.capacity() * size_of::<Pair>()
    }

    /// Marks the current contents.
    pub fn mark(&self) -> Mark {
        Mark { pairs: self.pairs.len(), bytes: self.bytes.len() }
    }

    /// Removes what was added since the mark.
    pub fn roll_back(&mut self, mark: Mark) {
        self.pairs.truncate(mark.pairs);
        self.bytes.truncate(mark.bytes);
    }

    /// Empties the batch, keeping its memory.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.bytes.clear();
    }
}
