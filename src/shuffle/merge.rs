//! Merges many spill files, in several passes if necessary, until few enough remain to be read at
//! once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::merge_plan::next_group;
use super::progress::Passes;
use super::{
    Counter, Cursor, Error, Fold, Folded, LoserTree, ReadProgress, Segment, SpillFile, SpillHeader,
    SpillIndex, SpillWriter, Spilled,
};
use super::{segment, spill_index, spill_writer};

/// Most files that are merged at once. Each further level of the tree is one more comparison for every record, and
/// each source reads from a different place of the disk.
pub const FAN_IN_MAX: usize = 64;

/// Least number of bytes that a source of a merge reads at once. With less, a disk would spend more time on seeks than
/// on reading.
pub const BUFFER_BYTES_LEAST: usize = 128 * 1024;

/// Most bytes that a source of a merge reads at once. More gains nothing.
pub const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Records between two checks of whether the merge must stop: a few tenths of a millisecond.
const STOP_CHECK_RECORDS: u64 = 4096;

/// How many files are merged at once, and how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeLimits {
    /// Files merged at once; at least 2.
    pub fan_in: usize,
    /// Bytes that each source reads at once.
    pub buffer_bytes: usize,
}

impl MergeLimits {
    /// Returns the limits for merging files with this number of partitions in `memory_bytes`, including the file that
    /// is written.
    ///
    /// There are always at least two sources, which together with their output take 1 MiB and 160 bytes for each
    /// partition.
    pub fn within(memory_bytes: usize, partitions: u32) -> Self {
        let index_bytes = partitions as usize * spill_index::ENTRY_BYTES;
        let for_sources = memory_bytes.saturating_sub(spill_writer::MEMORY_BYTES + 2 * index_bytes);
        let fixed_bytes =
            index_bytes + segment::memory_bytes(BUFFER_BYTES_LEAST) - BUFFER_BYTES_LEAST;
        let fan_in = (for_sources / (fixed_bytes + BUFFER_BYTES_LEAST)).clamp(2, FAN_IN_MAX);
        let buffer_bytes = (for_sources / fan_in).saturating_sub(fixed_bytes);
        MergeLimits {
            fan_in,
            buffer_bytes: buffer_bytes.clamp(BUFFER_BYTES_LEAST, BUFFER_BYTES_MAX),
        }
    }
}

/// The result of [`Merger::merge_to_fan_in`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The remaining files, in order.
    pub files: Vec<Spilled>,
    /// Number of merges.
    pub merges: u64,
    /// Number of files that were merged. A file that results from a merge and is merged again counts too.
    pub files_merged: u64,
    /// Bytes that the merges wrote.
    pub bytes_written: u64,
}

/// Merges whole spill files. If there is a combiner, equal keys are folded; otherwise they stay in the order of their
/// files.
pub struct Merger<'m, F> {
    /// The header of merged files. All files must have its nonce and its number of partitions.
    pub header: SpillHeader,
    /// How many files are read at once, and how.
    pub limits: MergeLimits,
    /// The combiner.
    pub fold: &'m F,
    /// Set by another thread to end the merge with [`Error::Stopped`].
    pub stop: &'m AtomicBool,
    /// Its progress.
    pub progress: &'m ReadProgress,
}

impl<F: Fold> Merger<'_, F> {
    /// Merges adjacent `files` (later ones hold later records) until a single merge can read all that remain. Merged
    /// files are written to paths from `new_path`, and the files that went into them are removed.
    ///
    /// # Errors
    ///
    /// If a file is damaged, foreign, or cannot be read, written or removed; if the combiner fails; or if the merge is
    /// stopped. Then no incomplete file is left, but complete ones are, merged or not.
    pub fn merge_to_fan_in(
        &self,
        files: Vec<Spilled>,
        mut new_path: impl FnMut() -> PathBuf,
    ) -> Result<Merged, Error> {
        let mut merged = Merged { files, merges: 0, files_merged: 0, bytes_written: 0 };
        let mut sizes: Vec<u64> = merged.files.iter().map(|file| file.raw_bytes).collect();
        let mut passes = Passes::expect(self.progress, &sizes, self.limits.fan_in);
        while let Some(group) = next_group(&sizes, self.limits.fan_in) {
            let path = new_path();
            let index = self.merge_into(&path, &merged.files[group.clone()])?;
            let raw_bytes = index.raw_bytes();
            merged.merges += 1;
            merged.files_merged += group.len() as u64;
            merged.bytes_written += index.file_bytes;
            let from = merged.files[group.clone()].iter().map(|file| file.raw_bytes).sum();
            passes.merged(from, raw_bytes);
            // Counted as if nothing were combined, like the announced total, so that progress stays within the total.
            let uncombined = sizes[group.clone()].iter().sum();
            sizes.splice(group.clone(), [uncombined]);
            for Spilled { path, .. } in merged.files.splice(group, [Spilled { path, raw_bytes }]) {
                std::fs::remove_file(&path).map_err(|source| Error::Remove { path, source })?;
            }
        }
        let left: Vec<u64> = merged.files.iter().map(|file| file.raw_bytes).collect();
        passes.end(&left);
        Ok(merged)
    }

    /// Merges these files at once into a new one at `path`. The files themselves stay.
    ///
    /// # Errors
    ///
    /// As for [`Merger::merge_to_fan_in`]. Then there is no file at `path`.
    pub fn merge_into(&self, path: &Path, files: &[Spilled]) -> Result<SpillIndex, Error> {
        let files =
            files.iter().map(|file| self.open(&file.path)).collect::<Result<Vec<_>, _>>()?;
        let mut writer = SpillWriter::create(path, self.header)?;
        for partition in 0..self.header.partitions {
            self.check_stop()?;
            let counter = self.progress.counter();
            let mut records =
                Folded::new(merged_segments(&files, partition, self.limits, counter), self.fold);
            let mut count = 0_u64;
            while records.advance()? {
                writer.push(partition, records.key(), records.value())?;
                count += 1;
                if count.is_multiple_of(STOP_CHECK_RECORDS) {
                    self.check_stop()?;
                }
            }
        }
        writer.finish()
    }

    /// Opens a file and checks that it belongs to this merge.
    fn open(&self, path: &Path) -> Result<SpillFile, Error> {
        let file = SpillFile::open(path)?;
        let (ours, its) = (&self.header, file.header());
        let compared = [
            ("nonce", ours.nonce, its.nonce),
            ("number of partitions", ours.partitions.into(), its.partitions.into()),
        ];
        match compared.into_iter().find(|(_, expected, found)| expected != found) {
            None => Ok(file),
            Some((what, expected, found)) => {
                Err(Error::Foreign { path: path.into(), what, expected, found })
            }
        }
    }

    fn check_stop(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }
}

/// Returns the records of one partition of all these files, in order. Bytes that are read are added to `counter`.
pub fn merged_segments(
    files: &[SpillFile],
    partition: u32,
    limits: MergeLimits,
    counter: Counter,
) -> LoserTree<Segment> {
    let segments =
        files.iter().map(|file| file.segment(partition, limits.buffer_bytes, counter.clone()));
    LoserTree::new(segments.filter(|segment| segment.info().records > 0).collect())
}
