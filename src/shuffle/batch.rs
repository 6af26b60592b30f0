//! Buffers emitted pairs until there are enough to hash, look up and fold together.

use crate::record::block::RECORD_BYTES_MAX;
use crate::record::short::{self, SHORT_BYTES};
use crate::record::value::VALUE_BYTES_MAX;

/// Pairs handed on at once: enough that no look-up waits for memory, few enough to stay in the nearest caches.
pub const BATCH_PAIRS: usize = 1024;

/// Bytes of long keys and of values at which a batch is handed on early.
pub const BATCH_BYTES: usize = 256 << 10;

/// Bytes that a batch can hold, pairs included, when it cannot be handed on in the middle of a record.
pub const BATCH_BYTES_MAX: usize = 256 << 20;

/// Longest key; a longer one is data, and a key names it.
pub const KEY_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(
    KEY_BYTES_MAX + VALUE_BYTES_MAX <= RECORD_BYTES_MAX,
    "what can be emitted can be spilled"
);

/// One emitted pair. A short key lives here, a long one in the batch's bytes right before the value.
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

/// Emitted pairs that wait to be handed on together. Nothing is allocated per pair once it has grown to its size.
#[derive(Debug)]
pub struct Batch {
    pairs: Vec<Pair>,
    bytes: Vec<u8>,
    /// Keys up to this length are kept in [`Pair::short`].
    short_max: usize,
}

/// A batch as it was at some moment, so that what came after can be taken back.
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

    /// Adds a pair; `value` appends the value's bytes, and if it fails the pair was never added.
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

    /// Takes the last pair back.
    pub fn pop(&mut self) {
        if let Some(pair) = self.pairs.pop() {
            let key_len = if pair.key_len as usize <= self.short_max { 0 } else { pair.key_len };
            self.bytes.truncate((pair.value_at - key_len) as usize);
        }
    }

    /// Whether the batch should be handed on before more is added.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.pairs.len() >= BATCH_PAIRS || self.bytes.len() >= BATCH_BYTES
    }

    /// Whether the batch can take no more at all.
    #[inline(always)]
    pub fn is_overfull(&self) -> bool {
        self.bytes.len() + self.pairs.len() * size_of::<Pair>() >= BATCH_BYTES_MAX
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs that wait, in the order in which they were emitted.
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

    /// Bytes of key and value that wait here, memory of the pairs included.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.pairs.capacity() * size_of::<Pair>()
    }

    /// Notes how much is here now.
    pub fn mark(&self) -> Mark {
        Mark { pairs: self.pairs.len(), bytes: self.bytes.len() }
    }

    /// Takes back what was added since the mark.
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
