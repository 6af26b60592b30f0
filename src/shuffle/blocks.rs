//! Collects pairs for a combiner that is not exact, such as a sum of floats. Values are folded only
//! within blocks, and the ends of the blocks depend only on the emitted pairs.
//!
//! A sum of floats depends on how its terms are grouped, and the grouping must not depend on
//! memory, threads or merges. So the pairs of one map task are divided into blocks, and each block
//! ends at a fixed number of keys or bytes. Within a block, the values of a key are folded in the
//! order in which they were emitted. The folded pairs are then treated like emitted pairs. Values
//! are not folded anywhere else: not in spills or merges, and not across map tasks.

use super::batch::Batch;
use super::buffer::Filling;
use super::collect::{Collect, Collected, SortCollector};
use super::error::blame;
use super::sort::Keys as _;
use super::sorted::SortedRun;
use super::table::{Probe, Table, hash_of};
use super::{Error, Fold, FoldError, KeepApart, Partitioner};
use crate::record::short::SHORT_BYTES;

/// Slots of a block's table, as a power of two. They stay in the nearer caches.
const SLOT_BITS: u32 = 14;
/// Limit on the bytes of a block's slots: if accumulators are large, a block has fewer slots.
const SLOT_BYTES_MAX: usize = 1 << 20;
/// A block ends when its long keys and the heap memory of its accumulators reach this many bytes.
const BESIDE_BYTES_MAX: usize = 256 << 10;

/// Collects for a job with a combiner that is not exact.
pub struct BlockCollector<'f, F: Fold, P> {
    block: Table<F::Acc>,
    fold: &'f F,
    sort: SortCollector<P>,
    /// Bytes of the block's long keys, and of the heap memory of its accumulators.
    beside_bytes: usize,
    /// An accumulator's value, encoded.
    value: Vec<u8>,
}

/// Slots of a block's table, as a power of two.
const fn slot_bits<A>() -> u32 {
    let mut bits = SLOT_BITS;
    while bits > 3 && Table::<A>::bytes_of(bits) > SLOT_BYTES_MAX {
        bits -= 1;
    }
    bits
}

/// Bytes that a block of such accumulators takes, not counting what is being sorted.
pub const fn block_bytes<A>() -> usize {
    Table::<A>::bytes_of(slot_bits::<A>()) + BESIDE_BYTES_MAX
}

impl<'f, F: Fold, P: Partitioner> BlockCollector<'f, F, P> {
    /// Number of keys in a full block.
    const KEYS: usize = Table::<F::Acc>::capacity(slot_bits::<F::Acc>());

    /// Creates a collector that passes its blocks to `sort`.
    pub fn new(fold: &'f F, sort: SortCollector<P>) -> Self {
        let block = Table::new(slot_bits::<F::Acc>());
        BlockCollector { block, fold, sort, beside_bytes: 0, value: Vec::new() }
    }

    /// Folds one pair into the block. Returns true if the block is then full.
    #[inline]
    fn fold(&mut self, short: &[u8; SHORT_BYTES], key: &[u8], value: &[u8]) -> Result<bool, Error> {
        let (fold, owns) = (self.fold, std::mem::needs_drop::<F::Acc>());
        let owned = |acc: &F::Acc| if owns { fold.heap_bytes(acc) as isize } else { 0 };
        let (hash, padded) = hash_of(key, short);
        let (mut added, mut grown) = (0, 0);
        let start = || {
            let acc = fold.init(value)?;
            let long = if key.len() > SHORT_BYTES { key.len() } else { 0 };
            added = long as isize + owned(&acc);
            Ok(acc)
        };
        let folded: Result<(), FoldError> =
            self.block.upsert(Probe::new(key, padded, hash), start, |acc| {
                let before = owned(acc);
                fold.fold(acc, value)?;
                grown = owned(acc) - before;
                Ok(())
            });
        match folded {
            Ok(()) => {}
            Err(error) if error.is::<KeepApart>() && !self.block.is_empty() => {
                self.end_block()?;
                return self.fold(short, key, value);
            }
            Err(error) => return Err(blame(key, error)),
        }
        self.beside_bytes = self.beside_bytes.saturating_add_signed(added + grown);
        Ok(self.block.len() == Self::KEYS || self.beside_bytes >= BESIDE_BYTES_MAX)
    }

    /// Ends the block. Each key occurs in it once, so the order of its pairs has no effect.
    fn end_block(&mut self) -> Result<(), Error> {
        for (place, _) in self.block.places() {
            let key = self.block.key(place);
            let Some(acc) = self.block.acc(place) else { continue };
            self.value.clear();
            self.fold.encode(acc, &mut self.value).map_err(|error| blame(key, error))?;
            self.sort.take(key, &self.value)?;
        }
        self.block.clear();
        self.beside_bytes = 0;
        Ok(())
    }

    /// Sorts what is in memory; see [`SortCollector::finish`].
    ///
    /// # Errors
    ///
    /// When combining or partitioning fails, or a spill cannot be written.
    pub fn finish(
        mut self,
        may_keep: impl FnOnce(usize) -> bool,
    ) -> Result<(Collected<Option<SortedRun>>, Filling), Error> {
        self.end_block()?;
        self.sort.finish(may_keep)
    }
}

impl<F: Fold, P: Partitioner> Collect for BlockCollector<'_, F, P> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut bytes = 0;
        for pair in batch.pairs() {
            let (key, value) = (batch.key(pair), batch.value(pair));
            bytes += (key.len() + value.len()) as u64;
            if self.fold(&pair.short, key, value)? {
                self.end_block()?;
            }
        }
        self.sort.count(batch.pairs().len() as u64, bytes);
        batch.clear();
        Ok(())
    }
}
