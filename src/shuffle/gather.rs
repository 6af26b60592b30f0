//! Merges one partition of many map outputs, one segment per map.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::merge_plan::next_group;
use super::progress::Passes;
use super::{
    Cursor, Error, Fold, Folded, LoserTree, MergeLimits, ReadProgress, Segment, SpillHeader,
    SpillWriter,
};
use crate::crash::crash_point;
use crate::model::{SegmentInfo, SegmentPlace};

/// Records between two checks of whether the merge must stop.
const STOP_CHECK_RECORDS: u64 = 4096;

/// Merges the segments of one partition, a few at a time, until they can be read at once.
pub struct Gatherer<'g, F> {
    /// The header of files with merged segments, which have one partition.
    pub header: SpillHeader,
    /// The partition, for errors.
    pub partition: u32,
    /// How many segments are read at once, and how.
    pub limits: MergeLimits,
    /// The combiner.
    pub fold: &'g F,
    /// Set by another thread to end the merge with [`Error::Stopped`].
    pub stop: &'g AtomicBool,
    /// Its progress.
    pub progress: &'g ReadProgress,
}

impl<F: Fold> Gatherer<'_, F> {
    /// Opens the segments that are not empty, in order: equal keys come in the order of `places`. If there are more
    /// than may be open at once, adjacent segments are first merged into new files at paths from `new_path`. Merged
    /// files are removed once they are merged again; the caller removes the others.
    ///
    /// # Errors
    ///
    /// If a file is damaged, or cannot be read, written or removed; if the combiner fails; or if the merge is stopped.
    pub fn open(
        &self,
        places: Vec<SegmentPlace>,
        mut new_path: impl FnMut() -> PathBuf,
    ) -> Result<Vec<Segment>, Error> {
        let mut places: Vec<SegmentPlace> =
            places.into_iter().filter(|place| place.info.records > 0).collect();
        let mut sizes: Vec<u64> = places.iter().map(|place| place.info.raw_bytes).collect();
        let mut passes = Passes::expect(self.progress, &sizes, self.limits.fan_in);
        let mut merged: Vec<PathBuf> = Vec::new();
        while let Some(group) = next_group(&sizes, self.limits.fan_in) {
            let path = new_path();
            let info = self.merge(&path, &places[group.clone()])?;
            passes.merged(sizes[group.clone()].iter().sum(), info.raw_bytes);
            sizes.splice(group.clone(), [info.raw_bytes]);
            let place = SegmentPlace { path: path.clone().into(), info };
            let gone: Vec<SegmentPlace> = places.splice(group, [place]).collect();
            for path in gone.into_iter().map(|place| PathBuf::from(place.path)) {
                if let Some(at) = merged.iter().position(|merged| *merged == path) {
                    merged.swap_remove(at);
                    std::fs::remove_file(&path).map_err(|source| Error::Remove { path, source })?;
                }
            }
            merged.push(path);
        }
        passes.end(&sizes);
        places.iter().map(|place| self.segment(place)).collect()
    }

    fn segment(&self, place: &SegmentPlace) -> Result<Segment, Error> {
        let counter = self.progress.counter();
        let buffer_bytes = self.limits.buffer_bytes;
        Segment::open(&*place.path, self.partition, place.info, buffer_bytes, counter)
    }

    fn merge(&self, path: &PathBuf, places: &[SegmentPlace]) -> Result<SegmentInfo, Error> {
        let segments = places.iter().map(|place| self.segment(place));
        let segments: Vec<Segment> = segments.collect::<Result<_, _>>()?;
        let mut writer = SpillWriter::create(path, self.header)?;
        let mut records = Folded::new(LoserTree::new(segments), self.fold);
        let mut count = 0_u64;
        while records.advance()? {
            writer.push(0, records.key(), records.value())?;
            count += 1;
            crash_point!("w09", count == 2);
            if count.is_multiple_of(STOP_CHECK_RECORDS) && self.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
        }
        let index = writer.finish()?;
        Ok(index.segments[0])
    }
}
