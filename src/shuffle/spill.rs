//! Writes sorted records from memory to a new spill file.

use std::path::PathBuf;

use super::buffer::Buffer;
use super::error::blame;
use super::sort::{self, Keys};
use super::table::Table;
use super::{Error, Fold, SpillHeader, SpillWriter};
use crate::crash::crash_point;

/// How many records ahead of the current one are prefetched.
pub(super) const PREFETCH_RECORDS: usize = 8;

/// Where a collector's spills go: `{name}.0.spill`, `{name}.1.spill` and so on.
#[derive(Clone, Debug)]
pub struct SpillPlace {
    /// The folder. It must exist.
    pub folder: PathBuf,
    /// Prefix of the files' names, different for every collector.
    pub name: String,
    /// The header of the files.
    pub header: SpillHeader,
    /// Number of paths that were handed out.
    pub given: u32,
}

impl SpillPlace {
    /// Returns a path that was not handed out before.
    pub fn next_path(&mut self) -> PathBuf {
        let path = self.folder.join(format!("{}.{}.spill", self.name, self.given));
        self.given += 1;
        path
    }
}

/// Statistics of a collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectStats {
    /// Emitted pairs.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Runs that were written to files.
    pub spills: u64,
    /// Records in those files.
    pub spilled_records: u64,
    /// Bytes of those files, as stored.
    pub spilled_bytes: u64,
}

impl CollectStats {
    /// Counts a spill, with its records and its bytes as stored.
    pub(super) fn spilled(&mut self, records: u64, file_bytes: u64) {
        self.spills += 1;
        self.spilled_records += records;
        self.spilled_bytes += file_bytes;
    }

    /// Adds the statistics of another collector.
    pub fn add(&mut self, other: CollectStats) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.spills += other.spills;
        self.spilled_records += other.spilled_records;
        self.spilled_bytes += other.spilled_bytes;
    }
}

/// A finished spill file that is not open: there may be more of them than a process can have open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spilled {
    /// Its path.
    pub path: PathBuf,
    /// Bytes of its records before compression.
    pub raw_bytes: u64,
}

/// The memory that a run's records are read from.
pub trait Records<F: Fold>: Keys {
    /// Encodes the value of the record at this place into `scratch`, unless it is stored as bytes.
    ///
    /// # Errors
    ///
    /// The encoder's error.
    fn load(&self, place: u64, fold: &F, scratch: &mut Vec<u8>) -> Result<(), Error>;

    /// The value, which was encoded into `scratch` if necessary.
    fn value<'a>(&'a self, place: u64, scratch: &'a [u8]) -> &'a [u8];

    /// Prefetches the record at this place.
    fn prefetch(&self, place: u64);
}

impl<F: Fold> Records<F> for Buffer {
    #[inline(always)]
    fn load(&self, _: u64, _: &F, _: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    #[inline(always)]
    fn value<'a>(&'a self, place: u64, _: &'a [u8]) -> &'a [u8] {
        self.record(place).1
    }

    #[inline(always)]
    fn prefetch(&self, place: u64) {
        self.prefetch_place(place);
    }
}

impl<F: Fold> Records<F> for Table<F::Acc> {
    #[inline(always)]
    fn load(&self, place: u64, fold: &F, scratch: &mut Vec<u8>) -> Result<(), Error> {
        scratch.clear();
        match self.acc(place) {
            Some(acc) => fold.encode(acc, scratch).map_err(|source| blame(self.key(place), source)),
            None => Ok(()),
        }
    }

    #[inline(always)]
    fn value<'a>(&'a self, _: u64, scratch: &'a [u8]) -> &'a [u8] {
        scratch
    }

    #[inline(always)]
    fn prefetch(&self, place: u64) {
        self.prefetch_place(place);
    }
}

/// Writes sorted records to a new spill file.
pub(super) fn write_spill<F: Fold, R: Records<F>>(
    records: &R,
    entries: &[u128],
    fold: &F,
    place: &mut SpillPlace,
    stats: &mut CollectStats,
) -> Result<Spilled, Error> {
    let path = place.next_path();
    let mut writer = SpillWriter::create(&path, place.header)?;
    let mut scratch = Vec::new();
    for (i, &entry) in entries.iter().enumerate() {
        if let Some(&ahead) = entries.get(i + PREFETCH_RECORDS) {
            records.prefetch(sort::place(ahead));
        }
        crash_point!("w03", i == entries.len() / 2);
        let at = sort::place(entry);
        records.load(at, fold, &mut scratch)?;
        writer.push(sort::partition(entry), records.key(at), records.value(at, &scratch))?;
    }
    let index = writer.finish()?;
    stats.spilled(entries.len() as u64, index.file_bytes);
    Ok(Spilled { path, raw_bytes: index.raw_bytes() })
}
