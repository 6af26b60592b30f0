//! Sorted runs that stay in memory and are read from there.

use super::sort::{self, Keys};
use super::spill::{PREFETCH_RECORDS, Records, write_spill};
use super::{CollectStats, Counter, Cursor, Error, Fold, SpillPlace, Spilled, progress};

/// Number of records whose bytes are added to the counter together.
const COUNTED_RECORDS: usize = 4096;
/// Assumed bytes of one record, since its length is only known when it is encoded: lengths, a short key and a count.
const COUNTED_BYTES: u64 = 16;

/// A sorted run in memory: what a collector still held when its map ended.
#[derive(Debug)]
pub struct Run<R> {
    records: R,
    entries: Vec<u128>,
    /// Where the entries of each partition begin, and where those of the last one end.
    starts: Vec<usize>,
}

impl<R: Keys> Run<R> {
    /// Creates a run of these records in the order of their sorted entries.
    pub fn new(records: R, entries: Vec<u128>, partitions: u32) -> Self {
        let starts = sort::partition_starts(&entries, partitions);
        Run { records, entries, starts }
    }

    /// Number of records in the run.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the run has no records.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that are counted when all records are read.
    pub fn counted_bytes(&self) -> u64 {
        self.len() as u64 * COUNTED_BYTES
    }

    /// Reads one partition. Bytes that are read are added to `counter`.
    pub fn cursor<'r, F: Fold>(
        &'r self,
        partition: u32,
        fold: &'r F,
        counter: Counter,
    ) -> RunCursor<'r, R, F> {
        let (from, to) = (self.starts[partition as usize], self.starts[partition as usize + 1]);
        RunCursor {
            records: &self.records,
            fold,
            entries: &self.entries[from..to],
            next: 0,
            counted: 0,
            scratch: Vec::new(),
            counter,
        }
    }

    /// Memory of the entries, and of the records as computed by `of`.
    pub fn memory_bytes(&self, of: impl FnOnce(&R) -> usize) -> usize {
        self.entries.capacity() * size_of::<u128>() + of(&self.records)
    }

    /// Writes the run to a spill file, unless it is empty.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn spill<F: Fold>(
        &self,
        fold: &F,
        place: &mut SpillPlace,
        stats: &mut CollectStats,
    ) -> Result<Option<Spilled>, Error>
    where
        R: Records<F>,
    {
        let entries = &self.entries;
        (!entries.is_empty())
            .then(|| write_spill(&self.records, entries, fold, place, stats))
            .transpose()
    }
}

/// Reads one partition of a [`Run`].
#[derive(Debug)]
pub struct RunCursor<'r, R, F> {
    records: &'r R,
    fold: &'r F,
    entries: &'r [u128],
    /// Index of the current record's entry, plus one.
    next: usize,
    /// Number of records that were counted as read.
    counted: usize,
    scratch: Vec<u8>,
    counter: Counter,
}

impl<R: Records<F>, F: Fold> RunCursor<'_, R, F> {
    #[inline(always)]
    fn entry(&self) -> u128 {
        self.entries[self.next - 1]
    }

    #[cold]
    fn count(&mut self) {
        progress::count(&self.counter, (self.next - self.counted) as u64 * COUNTED_BYTES);
        self.counted = self.next;
    }
}

impl<R: Records<F>, F: Fold> Cursor for RunCursor<'_, R, F> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        let Some(&entry) = self.entries.get(self.next) else {
            self.count();
            return Ok(false);
        };
        if self.next - self.counted == COUNTED_RECORDS {
            self.count();
        }
        if let Some(&ahead) = self.entries.get(self.next + PREFETCH_RECORDS) {
            self.records.prefetch(sort::place(ahead));
        }
        self.next += 1;
        self.records.load(sort::place(entry), self.fold, &mut self.scratch)?;
        Ok(true)
    }

    #[inline]
    fn prefix(&self) -> u64 {
        sort::prefix(self.entry())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.records.key(sort::place(self.entry()))
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.records.value(sort::place(self.entry()), &self.scratch)
    }
}
