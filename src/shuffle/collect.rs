//! Collects a map's output in a given amount of memory, and spills a sorted run whenever this
//! memory is full.

use super::batch::{BATCH_PAIRS, Batch, Pair};
use super::buffer::Filling;
use super::error::{blame, unplaced};
use super::run::Run;
use super::sort::{self, Keys};
use super::sorted::SortedRun;
use super::spill::write_spill;
use super::table::{Probe, Table, hash_of};
use super::{CollectStats, Error, Fold, FoldError, KeepApart, NoFold, SpillPlace, Spilled};
use crate::record::{hash, key};

/// Takes batches of emitted pairs.
pub trait Collect {
    /// Takes all pairs of the batch and leaves it empty.
    ///
    /// # Errors
    ///
    /// When a spill cannot be written, or combining or partitioning fails.
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error>;
}

/// Decides which partition a key belongs to.
pub trait Partitioner {
    /// The partition of a key with this hash.
    ///
    /// # Errors
    ///
    /// The author's own error, or a partition that does not exist.
    fn partition(&self, key: &[u8], hash: u64) -> Result<u32, FoldError>;
}

/// The output of a collector: files, then what stayed in memory. All of it is sorted, and later runs hold later
/// records.
pub struct Collected<R> {
    /// The spills, in order.
    pub files: Vec<Spilled>,
    /// What stayed in memory.
    pub run: R,
    /// The statistics.
    pub stats: CollectStats,
    /// Where further spills are written.
    pub place: SpillPlace,
}

/// Collects for a job with a combiner: equal keys are folded as they arrive.
pub struct TableCollector<'f, F: Fold, P> {
    table: Table<F::Acc>,
    fold: &'f F,
    partitioner: P,
    place: SpillPlace,
    memory_bytes: usize,
    /// Heap memory of the accumulators, in bytes.
    heap_bytes: usize,
    /// Pairs whose values could not be folded; see [`KeepApart`].
    apart: Option<Filling>,
    files: Vec<Spilled>,
    stats: CollectStats,
}

/// Slots of a new table, as a power of two. [`BATCH_PAIRS`] keys always fit.
const FIRST_BITS: u32 = 12;
/// How many pairs ahead of the current look-up are hashed and prefetched.
const AHEAD_PAIRS: usize = 32;
/// Memory for pairs that are kept apart, allocated when the first one occurs. They are rare.
const APART_BYTES: usize = 4 << 20;
/// Bytes that sorting needs for each key.
const ENTRY_BYTES: usize = size_of::<u128>();

impl<'f, F: Fold, P: Partitioner> TableCollector<'f, F, P> {
    /// Creates a collector that holds at most `memory_bytes`, or the size of one batch if that is more.
    pub fn new(fold: &'f F, partitioner: P, place: SpillPlace, memory_bytes: usize) -> Self {
        TableCollector {
            table: Table::new(FIRST_BITS),
            fold,
            partitioner,
            place,
            memory_bytes,
            heap_bytes: 0,
            apart: None,
            files: Vec::new(),
            stats: CollectStats::default(),
        }
    }

    fn make_room(&mut self, more: usize) -> bool {
        let beside = self.heap_bytes + (self.table.len() + more) * ENTRY_BYTES;
        self.table.make_room(more, self.memory_bytes.saturating_sub(beside))
    }

    /// Whether nothing was spilled, and nothing would be spilled if as many keys arrived again.
    pub fn may_double(&self) -> bool {
        let keys = 2 * self.table.len();
        let beside = 2 * self.heap_bytes + keys * ENTRY_BYTES;
        self.stats.spills == 0
            && self.table.may_hold(keys, self.memory_bytes.saturating_sub(beside))
    }

    /// The table's places, ordered by partition and key.
    fn sorted_entries(&self) -> Result<Vec<u128>, Error> {
        let mut entries = Vec::with_capacity(self.table.len());
        for (place, upper) in self.table.places() {
            let key = self.table.key(place);
            let partition = self
                .partitioner
                .partition(key, u64::from(upper) << 32)
                .map_err(|e| unplaced(key, e))?;
            entries.push(sort::entry(partition, key::prefix(key), place));
        }
        sort::sort(&mut entries, &self.table);
        Ok(entries)
    }

    #[cold]
    fn spill(&mut self) -> Result<(), Error> {
        let entries = self.sorted_entries()?;
        let spilled =
            write_spill(&self.table, &entries, self.fold, &mut self.place, &mut self.stats)?;
        self.files.push(spilled);
        self.table.clear();
        self.heap_bytes = 0;
        Ok(())
    }

    /// Takes these pairs of the batch: at most as many as a new table has room for.
    fn take(&mut self, batch: &Batch, pairs: &[Pair]) -> Result<(), Error> {
        if !self.make_room(pairs.len()) && !self.table.is_empty() {
            self.spill()?;
            self.make_room(pairs.len());
        }
        let (fold, owns) = (self.fold, std::mem::needs_drop::<F::Acc>());
        let (mut grown, mut bytes) = (0isize, 0);
        let mut ahead = [(0u64, 0u128); AHEAD_PAIRS];
        for (i, pair) in pairs.iter().take(AHEAD_PAIRS).enumerate() {
            ahead[i] = hash_of(batch.key(pair), &pair.short);
            self.table.prefetch(ahead[i].0);
        }
        for (i, pair) in pairs.iter().enumerate() {
            let (hash, padded) = ahead[i % AHEAD_PAIRS];
            if let Some(later) = pairs.get(i + AHEAD_PAIRS) {
                ahead[i % AHEAD_PAIRS] = hash_of(batch.key(later), &later.short);
                self.table.prefetch(ahead[i % AHEAD_PAIRS].0);
            }
            let (key, value) = (batch.key(pair), batch.value(pair));
            bytes += u64::from(pair.key_len) + u64::from(pair.value_len);
            let mut heap = 0;
            let start = || {
                fold.init(value)
                    .inspect(|acc| heap = if owns { fold.heap_bytes(acc) as isize } else { 0 })
            };
            let folded = self.table.upsert(Probe::new(key, padded, hash), start, |acc| {
                let before = if owns { fold.heap_bytes(acc) as isize } else { 0 };
                fold.fold(acc, value)?;
                grown += if owns { fold.heap_bytes(acc) as isize - before } else { 0 };
                Ok(())
            });
            if let Err(error) = folded {
                self.keep_apart(key, value, hash, error)?;
            }
            grown += heap;
        }
        self.heap_bytes = self.heap_bytes.saturating_add_signed(grown);
        self.stats.records += pairs.len() as u64;
        self.stats.bytes += bytes;
        Ok(())
    }

    /// Keeps a pair apart if the combiner's error says that it could not be folded.
    #[cold]
    fn keep_apart(
        &mut self,
        key: &[u8],
        value: &[u8],
        hash: u64,
        error: FoldError,
    ) -> Result<(), Error> {
        if !error.is::<KeepApart>() {
            return Err(blame(key, error));
        }
        let partition = self.partitioner.partition(key, hash).map_err(|e| unplaced(key, e))?;
        let apart = self.apart.get_or_insert_with(|| Filling::new(APART_BYTES));
        if !apart.has_room(key.len(), value.len()) {
            self.spill_apart()?;
        }
        if let Some(apart) = &mut self.apart {
            apart.push(partition, key, value);
        }
        Ok(())
    }

    /// Spills the pairs that are kept apart. The order of equal keys has no effect, so these may come anywhere among
    /// them.
    fn spill_apart(&mut self) -> Result<(), Error> {
        let Some(apart) = self.apart.as_mut().filter(|apart| !apart.is_empty()) else {
            return Ok(());
        };
        apart.sort();
        let (buffer, entries) = (apart.buffer(), apart.entries());
        let spilled = write_spill(buffer, entries, &NoFold, &mut self.place, &mut self.stats)?;
        apart.clear();
        self.files.push(spilled);
        Ok(())
    }

    /// Sorts what is in memory.
    ///
    /// # Errors
    ///
    /// When partitioning fails, or pairs that are kept apart cannot be spilled.
    pub fn finish(mut self) -> Result<Collected<Run<Table<F::Acc>>>, Error> {
        self.spill_apart()?;
        let entries = self.sorted_entries()?;
        let run = Run::new(self.table, entries, self.place.header.partitions);
        Ok(Collected { files: self.files, run, stats: self.stats, place: self.place })
    }
}

impl<F: Fold, P: Partitioner> Collect for TableCollector<'_, F, P> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        // A batch that could not be passed on in the middle of a record has more pairs than a new table has room for.
        for pairs in batch.pairs().chunks(BATCH_PAIRS) {
            self.take(batch, pairs)?;
        }
        batch.clear();
        Ok(())
    }
}

/// Collects for a job without a combiner: every pair is kept.
pub struct SortCollector<P> {
    filling: Filling,
    partitioner: P,
    place: SpillPlace,
    files: Vec<Spilled>,
    stats: CollectStats,
}

impl<P: Partitioner> SortCollector<P> {
    /// Creates a collector that fills `filling`, which must be empty, and spills to `place`.
    pub fn new(filling: Filling, partitioner: P, place: SpillPlace) -> Self {
        let (files, stats) = (Vec::new(), CollectStats::default());
        SortCollector { filling, partitioner, place, files, stats }
    }

    /// Takes one pair. The caller counts it.
    #[inline]
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if !self.filling.has_room(key.len(), value.len()) {
            self.spill()?;
        }
        let partition =
            self.partitioner.partition(key, hash::hash(key)).map_err(|e| unplaced(key, e))?;
        self.filling.push(partition, key, value);
        Ok(())
    }

    /// Counts emitted pairs, and the bytes of their keys and values.
    pub(super) fn count(&mut self, records: u64, bytes: u64) {
        self.stats.records += records;
        self.stats.bytes += bytes;
    }

    #[cold]
    fn spill(&mut self) -> Result<(), Error> {
        self.filling.sort();
        let spilled = self.write()?;
        self.files.push(spilled);
        self.filling.clear();
        Ok(())
    }

    fn write(&mut self) -> Result<Spilled, Error> {
        let (buffer, entries) = (self.filling.buffer(), self.filling.entries());
        write_spill(buffer, entries, &NoFold, &mut self.place, &mut self.stats)
    }

    /// Sorts what is in memory. It stays there if `may_keep` accepts its size in bytes, and is spilled otherwise.
    /// Returns the emptied sort buffer, which can be filled again.
    ///
    /// # Errors
    ///
    /// When a spill cannot be written.
    pub fn finish(
        mut self,
        may_keep: impl FnOnce(usize) -> bool,
    ) -> Result<(Collected<Option<SortedRun>>, Filling), Error> {
        self.filling.sort();
        let mut run = None;
        let empty = self.filling.is_empty();
        if !empty && may_keep(self.filling.chunk_bytes()) {
            let (buffer, entries) = (self.filling.buffer(), self.filling.entries());
            run = Some(SortedRun::copy(buffer, entries, self.place.header.partitions));
        } else if !empty {
            let spilled = self.write()?;
            self.files.push(spilled);
        }
        self.filling.clear();
        let SortCollector { filling, place, files, stats, .. } = self;
        Ok((Collected { files, run, stats, place }, filling))
    }
}

impl<P: Partitioner> Collect for SortCollector<P> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut bytes = 0;
        for pair in batch.pairs() {
            let (key, value) = (batch.key(pair), batch.value(pair));
            self.take(key, value)?;
            bytes += (key.len() + value.len()) as u64;
        }
        self.count(batch.pairs().len() as u64, bytes);
        batch.clear();
        Ok(())
    }
}
