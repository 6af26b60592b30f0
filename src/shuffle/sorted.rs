//! A sorted run of records that stays in memory: copied once in sorted order, so that a merge reads it sequentially.
//!
//! We chose this over merging directly from a sort buffer through its sorted entries. With many runs to merge, that
//! would make every record a cache miss. In our measurements, these misses took a third of the time.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::buffer::{Buffer, HEADER_BYTES};
use super::chunk::Chunk;
use super::sort;
use super::{CollectStats, Counter, Cursor, Error, SpillPlace, SpillWriter, Spilled, progress};
use crate::record::key;
use crate::record::short::prefetch;

/// How many records ahead of the one being copied are prefetched.
const PREFETCH_RECORDS: usize = 12;

/// Records in the order of partition and key, in the layout of [`Buffer`], without places.
///
/// Each partition is read once, and its memory is returned to the system as it is read. The pages of the output, which
/// is written at the same time, take its place. So a run that fits into memory needs memory for its input only once.
#[derive(Debug)]
pub struct SortedRun {
    partitions: Vec<Mutex<Option<Partition>>>,
    memory_bytes: usize,
    raw_bytes: u64,
}

/// The records of one partition. It may share its first and last chunk with the adjacent partitions.
#[derive(Debug)]
struct Partition {
    chunks: VecDeque<Arc<Chunk>>,
    /// Where it begins in the first chunk.
    offset: usize,
    records: usize,
}

impl SortedRun {
    /// Copies the records of a buffer in the order of its sorted entries.
    pub fn copy(buffer: &Buffer, entries: &[u128], partitions: u32) -> Self {
        let bounds = sort::partition_starts(entries, partitions);
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut starts = Vec::with_capacity(partitions as usize + 1);
        for bound in bounds.windows(2) {
            starts.push(end_of(&chunks));
            for i in bound[0]..bound[1] {
                if let Some(&ahead) = entries.get(i + PREFETCH_RECORDS) {
                    buffer.prefetch_place(sort::place(ahead));
                }
                let record = buffer.record_bytes(sort::place(entries[i]));
                match chunks.last_mut() {
                    Some(chunk) if chunk.room() >= record.len() => chunk.push(record),
                    _ => {
                        let mut chunk = Chunk::new(record.len());
                        chunk.push(record);
                        chunks.push(chunk);
                    }
                }
            }
        }
        starts.push(end_of(&chunks));
        let memory_bytes = chunks.iter().map(Chunk::capacity).sum();
        let raw_bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let chunks: Vec<_> = chunks.into_iter().map(Arc::new).collect();
        let counts = bounds.windows(2).map(|bound| bound[1] - bound[0]);
        let partitions = starts.windows(2).zip(counts).map(|(ends, records)| {
            let [(first, offset), (last, _)] = [ends[0], ends[1]];
            let some = if records > 0 { first..last + 1 } else { 0..0 };
            let chunks = chunks[some].iter().cloned().collect();
            Mutex::new(Some(Partition { chunks, offset, records }))
        });
        SortedRun { partitions: partitions.collect(), memory_bytes, raw_bytes }
    }

    /// Memory that the run takes before any of it is read.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Bytes of all records, including their lengths.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Reads one partition; `None` if it was already read. Bytes that are read are added to `counter`.
    pub fn take(&self, partition: u32, counter: Counter) -> Option<SortedCursor> {
        let partition = self.partitions.get(partition as usize)?;
        let taken = partition.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.map(|Partition { mut chunks, offset, records }| {
            let chunk = chunks.pop_front();
            let (left, later) = (records, chunks);
            let (key, value) = (0..0, 0..0);
            SortedCursor { chunk, at: offset, counted: offset, later, left, key, value, counter }
        })
    }

    /// Writes the run to a spill file, unless it is empty.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn spill(
        &self,
        place: &mut SpillPlace,
        stats: &mut CollectStats,
    ) -> Result<Option<Spilled>, Error> {
        if self.memory_bytes == 0 {
            return Ok(None);
        }
        let path = place.next_path();
        let mut writer = SpillWriter::create(&path, place.header)?;
        let mut records = 0;
        for partition in 0..self.partitions.len() as u32 {
            let mut cursor = self.take(partition, None).ok_or(Error::ReadTwice { partition })?;
            while cursor.advance()? {
                writer.push(partition, cursor.key(), cursor.value())?;
                records += 1;
            }
        }
        let index = writer.finish()?;
        stats.spilled(records, index.file_bytes);
        Ok(Some(Spilled { path, raw_bytes: index.raw_bytes() }))
    }
}

/// The number of the last chunk, and where it ends.
fn end_of(chunks: &[Chunk]) -> (usize, usize) {
    chunks.last().map_or((0, 0), |chunk| (chunks.len() - 1, chunk.len()))
}

/// Reads one partition of a [`SortedRun`], and returns its memory to the system.
#[derive(Debug)]
pub struct SortedCursor {
    /// The chunk that is being read.
    chunk: Option<Arc<Chunk>>,
    /// Where the next record begins in it.
    at: usize,
    /// The position up to which bytes were counted as read.
    counted: usize,
    later: VecDeque<Arc<Chunk>>,
    /// Number of records that were not read yet.
    left: usize,
    key: Range<usize>,
    value: Range<usize>,
    counter: Counter,
}

impl SortedCursor {
    #[cold]
    fn next_chunk(&mut self) {
        self.count();
        (self.chunk, self.at, self.counted) = (self.later.pop_front(), 0, 0);
    }

    #[cold]
    fn count(&mut self) {
        progress::count(&self.counter, (self.at - self.counted) as u64);
        self.counted = self.at;
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&[], |chunk| chunk.bytes())
    }
}

impl Cursor for SortedCursor {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        /// Two records of a hundred bytes ahead. The processor's own prefetching loses track of many runs.
        const PREFETCH_BYTES: usize = 256;
        if self.left == 0 {
            self.count();
            return Ok(false);
        }
        self.left -= 1;
        if self.at >= self.bytes().len() {
            self.next_chunk();
        }
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        if let Some(ahead) = rest.get(PREFETCH_BYTES..) {
            prefetch(ahead);
        }
        let Some(header) = rest.first_chunk::<HEADER_BYTES>() else {
            return Ok(false);
        };
        let lengths = u64::from_le_bytes(*header);
        let key = self.at + HEADER_BYTES;
        let value = key + lengths as u32 as usize;
        self.at = value + (lengths >> 32) as usize;
        (self.key, self.value) = (key..value, value..self.at);
        Ok(true)
    }

    #[inline]
    fn prefix(&self) -> u64 {
        key::prefix(self.key())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        &self.bytes()[self.key.clone()]
    }

    #[inline]
    fn value(&self) -> &[u8] {
        &self.bytes()[self.value.clone()]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::shuffle::buffer::Filling;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_partition_reads_back_in_order(
            records in proptest::collection::vec(
                (0u32..5, proptest::collection::vec(any::<u8>(), 0..12), any::<u16>()), 0..100)
        ) {
            let mut filling = Filling::new(1 << 30);
            for (partition, key, length) in &records {
                filling.push(*partition, key, &vec![7; usize::from(*length)]);
            }
            filling.sort();
            let run = SortedRun::copy(filling.buffer(), filling.entries(), 5);
            let read = Arc::new(AtomicU64::new(0));
            for partition in 0..5 {
                let mut expected: Vec<_> = records
                    .iter()
                    .filter(|record| record.0 == partition)
                    .map(|record| (record.1.clone(), vec![7; usize::from(record.2)]))
                    .collect();
                expected.sort_by(|a, b| a.0.cmp(&b.0));
                let mut found = Vec::new();
                let mut cursor = run
                    .take(partition, Some(read.clone()))
                    .expect("it is read for the first time");
                while cursor.advance().expect("memory can be read") {
                    prop_assert_eq!(cursor.prefix(), key::prefix(cursor.key()));
                    found.push((cursor.key().to_vec(), cursor.value().to_vec()));
                }
                prop_assert_eq!(found, expected);
                prop_assert!(run.take(partition, None).is_none());
            }
            prop_assert_eq!(read.load(Ordering::Relaxed), run.raw_bytes());
        }
    }
}
