//! A sorted run of records that stays in memory: copied once in order, so that a merge reads it front to back.
//!
//! Reading a sort buffer through its sorted entries instead was measured: with many runs to merge, every record is then
//! a cache miss, and a third of the time goes there.

use super::buffer::{Buffer, HEADER_BYTES};
use super::chunk::Chunk;
use super::sort;
use super::{CollectStats, Cursor, Error, SpillPlace, SpillWriter, Spilled};
use crate::record::key;
use crate::record::short::prefetch;

/// Records ahead of the copied one whose memory is asked for.
const PREFETCH_RECORDS: usize = 12;

/// Records in the order of partition and key, in the layout of [`Buffer`], without its places.
#[derive(Debug)]
pub struct SortedRun {
    chunks: Vec<Chunk>,
    starts: Vec<Start>,
}

/// Where a partition begins.
#[derive(Clone, Copy, Debug)]
struct Start {
    chunk: usize,
    offset: usize,
    records: usize,
}

impl SortedRun {
    /// Copies the records of a buffer in the order of its sorted entries.
    pub fn copy(buffer: &Buffer, entries: &[u128], partitions: u32) -> Self {
        let bounds = sort::partition_starts(entries, partitions);
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut starts = Vec::with_capacity(partitions as usize);
        for bound in bounds.windows(2) {
            let (chunk, offset) = match chunks.last() {
                Some(chunk) => (chunks.len() - 1, chunk.len()),
                None => (0, 0),
            };
            starts.push(Start { chunk, offset, records: bound[1] - bound[0] });
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
        SortedRun { chunks, starts }
    }

    /// Memory that the run takes.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(Chunk::capacity).sum()
    }

    /// Reads one partition.
    pub fn cursor(&self, partition: u32) -> SortedCursor<'_> {
        let start = self.starts[partition as usize];
        let chunks = self.chunks.get(start.chunk..).unwrap_or_default();
        let (rest, later) = match chunks.split_first() {
            Some((first, later)) => (&first.bytes()[start.offset..], later),
            None => (&[][..], &[][..]),
        };
        SortedCursor { rest, later, left: start.records, key: &[], value: &[] }
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
        let records: usize = self.starts.iter().map(|start| start.records).sum();
        if records == 0 {
            return Ok(None);
        }
        let path = place.next_path();
        let mut writer = SpillWriter::create(&path, place.header)?;
        for partition in 0..self.starts.len() as u32 {
            let mut cursor = self.cursor(partition);
            while cursor.advance()? {
                writer.push(partition, cursor.key, cursor.value)?;
            }
        }
        let file_bytes = writer.finish()?.file_bytes;
        stats.spilled(records as u64, file_bytes);
        Ok(Some(Spilled { path, file_bytes }))
    }
}

/// Reads one partition of a [`SortedRun`].
#[derive(Debug)]
pub struct SortedCursor<'r> {
    /// What of the current chunk was not read yet.
    rest: &'r [u8],
    later: &'r [Chunk],
    /// Records that were not read yet.
    left: usize,
    key: &'r [u8],
    value: &'r [u8],
}

impl SortedCursor<'_> {
    #[cold]
    fn next_chunk(&mut self) {
        if let Some((first, later)) = self.later.split_first() {
            (self.rest, self.later) = (first.bytes(), later);
        }
    }
}

impl Cursor for SortedCursor<'_> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        /// Two records of a hundred bytes ahead; the processor's own prefetching loses track of many runs.
        const PREFETCH_BYTES: usize = 256;
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        if self.rest.is_empty() {
            self.next_chunk();
        }
        if let Some(ahead) = self.rest.get(PREFETCH_BYTES..) {
            prefetch(ahead);
        }
        let Some((header, rest)) = self.rest.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(false);
        };
        let lengths = u64::from_le_bytes(*header);
        let (key, rest) = rest.split_at(lengths as u32 as usize);
        let (value, rest) = rest.split_at((lengths >> 32) as usize);
        (self.key, self.value, self.rest) = (key, value, rest);
        Ok(true)
    }

    #[inline]
    fn prefix(&self) -> u64 {
        key::prefix(self.key)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.key
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.value
    }
}

#[cfg(test)]
mod tests {
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
            for partition in 0..5 {
                let mut expected: Vec<_> = records
                    .iter()
                    .filter(|record| record.0 == partition)
                    .map(|record| (record.1.clone(), vec![7; usize::from(record.2)]))
                    .collect();
                expected.sort_by(|a, b| a.0.cmp(&b.0));
                let mut found = Vec::new();
                let mut cursor = run.cursor(partition);
                while cursor.advance().expect("memory can be read") {
                    prop_assert_eq!(cursor.prefix(), key::prefix(cursor.key()));
                    found.push((cursor.key().to_vec(), cursor.value().to_vec()));
                }
                prop_assert_eq!(found, expected);
            }
        }
    }
}
