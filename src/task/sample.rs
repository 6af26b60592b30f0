//! Samples the keys of the input, to choose the cut points for partitions by range.
//!
//! Files that can be split are sampled at evenly spaced places. Other files (compressed, or of a
//! format that cannot be split) are read as one stream, because everything before a place must be
//! decoded. Of such a stream, only every n-th record is mapped, and n doubles whenever there are too many keys. A key
//! from one sample may therefore represent more keys of the input than a key from another. `even` evens this out: it
//! repeats keys that represent many, and drops some that represent few.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Reading;
use super::failure::{AttemptError, guard};
use super::fold::group_len;
use super::map::{Mapper, ToCollector, map_split};
use super::quarantine::{BadRecords, Quarantine};
use super::run::{Env, folder_name};
use super::sink::Sink;
use crate::format::{self, Input, Source};
use crate::job::{Context, Job};
use crate::model::{AttemptId, Failure, FileRange, Split};
use crate::record::Text;
use crate::shuffle::{Batch, Collect, Error};
use crate::storage::AttemptFolder;

/// Most places that are sampled in files that can be cut.
const PLACES: u64 = 64;
/// Bytes that are read at each place.
const PLACE_BYTES: u64 = 64 << 10;
/// Keys that are kept of each place. Few keys are larger than a hundred bytes, so this bounds the memory too.
const PLACE_KEYS: usize = 2048;
/// Evenly spaced points of the input. A file without a point is left out, so no more streams than this are sampled.
const POINTS: u64 = 1024;
/// Keys that are kept of a stream for each point in it.
const POINT_KEYS: usize = 128;
/// Approximate number of keys in the whole sample.
const KEYS_MAX: u128 = 64 * 2048;
/// Bytes that are read of files that cannot be cut, or the size of the largest one if that is more: its map takes as
/// long.
const STREAM_BYTES: u64 = 256 << 20;
/// Records of a stream between two checks of how far it was read.
const LOOK_RECORDS: u64 = 256;

/// Returns group keys of records from all over the input, as the job's own map emits them. Standard input is not
/// sampled.
pub(super) fn sample<J: Job>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    splits: &[Split],
) -> Result<Vec<Vec<u8>>, Failure> {
    let ranges: Vec<&FileRange> = splits.iter().flat_map(|split| &split.ranges).collect();
    let readable = ranges.into_iter().filter(|range| range.end != u64::MAX);
    let total: u64 = readable.clone().map(FileRange::bytes).sum();
    let step = (total / PLACES).max(PLACE_BYTES);
    let point_step = (total / POINTS).max(1);
    let mut sampler = Sampler { env, job, attempt, keys: Vec::new(), number: 0 };
    let (mut samples, mut streams) = (Vec::new(), Vec::new());
    let mut passed = 0;
    for range in readable {
        let within = passed..passed + range.bytes();
        let first = passed;
        passed = within.end;
        let points = multiples(&within, point_step);
        let places = multiples(&within, step);
        if points.is_empty() && places.is_empty() {
            continue;
        }
        if !format::plan::is_splittable::<J::Input>(range).unwrap_or(true) {
            streams.push((range, (points.end - points.start).max(1)));
            continue;
        }
        for place in places {
            let start = range.start + (place * step - first);
            let end = range.end.min(start + PLACE_BYTES);
            samples.push(sampler.place(FileRange { start, end, ..range.clone() }, step)?);
        }
    }
    let bytes = streams.iter().map(|(range, _)| range.bytes());
    let budget = bytes.clone().max().unwrap_or(0).max(STREAM_BYTES);
    let all = bytes.sum::<u64>().max(1);
    for (range, points) in streams {
        let share = u128::from(budget) * u128::from(range.bytes()) / u128::from(all);
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        samples.push(sampler.stream(range, points, points.saturating_mul(point_step), share)?);
    }
    Ok(even(samples))
}

/// Returns the multiples of `step` in a range, as `n..m` for `n * step` to `(m - 1) * step`.
fn multiples(within: &Range<u64>, step: u64) -> Range<u64> {
    within.start.div_ceil(step)..within.end.div_ceil(step)
}

/// Keys of a place or a stream, and what they represent.
struct Sample {
    keys: Vec<Vec<u8>>,
    /// Approximate number of keys that were emitted in what was read.
    emitted: u64,
    /// Bytes that were read for it.
    read: u64,
    /// Bytes of the input that the sample represents.
    represented: u64,
}

impl Sample {
    /// How many keys of the input each of its keys represents, in 256ths.
    fn weight(&self) -> u128 {
        let keys = u128::from(self.emitted) * u128::from(self.represented) * 256;
        let read = u128::from(self.read.max(1)) * (self.keys.len().max(1) as u128);
        (keys / read).max(1)
    }
}

/// Returns one sample in which each key represents the same number of keys of the input: keys that represent fewer are
/// thinned out, and keys that represent more are repeated.
fn even(samples: Vec<Sample>) -> Vec<Vec<u8>> {
    let samples: Vec<(Vec<Vec<u8>>, u128)> = samples
        .into_iter()
        .filter(|sample| !sample.keys.is_empty())
        .map(|sample| {
            let weight = sample.weight();
            (sample.keys, weight)
        })
        .collect();
    let lightest = samples.iter().map(|(_, weight)| *weight).min().unwrap_or(1);
    let all: u128 = samples.iter().map(|(keys, weight)| keys.len() as u128 * weight).sum();
    let unit = (all / KEYS_MAX).max(lightest);
    let mut even = Vec::new();
    let mut passed = 0;
    for (keys, weight) in samples {
        for key in keys {
            let before = passed / unit;
            passed += weight;
            let copies = usize::try_from(passed / unit - before).unwrap_or(usize::MAX);
            even.extend(std::iter::repeat_n(key, copies));
        }
    }
    even
}

struct Sampler<'s, J> {
    env: &'s Env<'s>,
    job: &'s J,
    attempt: AttemptId,
    /// Keys of the current place or stream.
    keys: Vec<Vec<u8>>,
    /// Number of places and streams sampled so far.
    number: u64,
}

impl<J: Job> Sampler<'_, J> {
    /// Samples the records at one place, which represents this many bytes.
    fn place(&mut self, range: FileRange, represented: u64) -> Result<Sample, Failure> {
        let none_allowed = BadRecords::new(0);
        let (emitted, read) = (Cell::new(0), range.bytes());
        self.with_mapper(PLACE_KEYS, Keep::First(&emitted), |mapper, reading, folder| {
            let mut quarantine = Quarantine::new(&none_allowed, folder.clone(), "sample");
            // A record that fails here fails again in its map task, which reports it in full.
            let _sampled =
                map_split::<J>(&Split { ranges: vec![range] }, reading, &mut quarantine, mapper);
        })?;
        let keys = std::mem::take(&mut self.keys);
        Ok(Sample { keys, emitted: emitted.get(), read, represented })
    }

    /// Samples a stream with this many points from its beginning, but reads at most `bytes_max` of it. It represents
    /// this many bytes.
    fn stream(
        &mut self,
        range: &FileRange,
        points: u64,
        represented: u64,
        bytes_max: u64,
    ) -> Result<Sample, Failure> {
        let keys_max = POINT_KEYS
            .saturating_mul(usize::try_from(points).unwrap_or(usize::MAX))
            .max(PLACE_KEYS);
        let stride = Cell::new(1);
        let read = Arc::new(AtomicU64::new(0));
        self.with_mapper(keys_max, Keep::Spread(&stride), |mapper, reading, _| {
            reading.options.progress = Some(read.clone());
            let is_enough = || {
                read.load(Ordering::Relaxed) >= bytes_max || reading.stop.load(Ordering::Relaxed)
            };
            // As in `place`: a record that fails here fails again in its map task.
            let _sampled = guard(|| {
                let mut input = J::Input::open(Source::open(range, &reading.options)?)?;
                let path = Text::new(range.location.as_bytes());
                let mut records = 0_u64;
                while let Some(record) = input.next()? {
                    if records.is_multiple_of(stride.get()) {
                        mapper.map(record, path)?;
                    }
                    records += 1;
                    if records.is_multiple_of(LOOK_RECORDS) && is_enough() {
                        break;
                    }
                }
                Ok(mapper.sink.accept(&mut mapper.batch)?)
            });
        })?;
        let keys = std::mem::take(&mut self.keys);
        let emitted = stride.get().saturating_mul(keys.len() as u64);
        Ok(Sample { keys, emitted, read: read.load(Ordering::Relaxed), represented })
    }

    /// Runs `work` with a mapper whose keys are kept.
    fn with_mapper(
        &mut self,
        keys_max: usize,
        keep: Keep<'_>,
        work: impl FnOnce(&mut ToCollector<'_, J>, &mut Reading<'_>, &Arc<AttemptFolder>),
    ) -> Result<(), Failure> {
        let failed = |error| AttemptError::from(error).into_failure();
        self.number += 1;
        let name = format!("{}-sample-{}", folder_name(self.attempt), self.number);
        let folder = Arc::new(self.env.attempts.create(&name).map_err(failed)?);
        let group_len = group_len::<J>;
        let mut kept = Kept { keys: &mut self.keys, keys_max, keep, group_len };
        let mut context = Context::new(folder.clone(), "sample".into());
        let batch = Batch::new(false);
        let mark = batch.mark();
        let mut mapper = ToCollector {
            job: self.job,
            batch,
            scratch: Vec::new(),
            sink: Sink::new::<J>(&mut kept),
            context: &mut context,
            hold: false,
            mark,
        };
        let mut reading = self.env.reading();
        reading.options.progress = None;
        work(&mut mapper, &mut reading, &folder);
        drop(context);
        let folder = Arc::into_inner(folder).map(AttemptFolder::discard);
        folder.transpose().map(drop).map_err(failed)
    }
}

/// Which keys are kept when there are too many.
#[derive(Clone, Copy)]
enum Keep<'k> {
    /// The first ones. The cell counts all of them.
    First(&'k Cell<u64>),
    /// Evenly spaced ones: whenever there are too many, every other key is dropped. The cell holds `n`: of further
    /// records, only every `n`-th is mapped.
    Spread(&'k Cell<u64>),
}

/// Keeps emitted keys.
struct Kept<'k> {
    keys: &'k mut Vec<Vec<u8>>,
    keys_max: usize,
    keep: Keep<'k>,
    group_len: fn(&[u8]) -> usize,
}

impl Collect for Kept<'_> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let mut emitted = 0;
        for pair in batch.pairs() {
            emitted += 1;
            if matches!(self.keep, Keep::Spread(_)) || self.keys.len() < self.keys_max {
                let key = batch.key(pair);
                self.keys.push(key[..(self.group_len)(key)].to_vec());
            }
        }
        batch.clear();
        match self.keep {
            Keep::First(all) => all.set(all.get() + emitted),
            Keep::Spread(stride) => {
                while self.keys.len() > self.keys_max {
                    let mut is_kept = false;
                    self.keys.retain(|_| {
                        is_kept = !is_kept;
                        is_kept
                    });
                    stride.set(stride.get().saturating_mul(2));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that all begin with this letter.
    fn sample(letter: u8, keys: usize, emitted: u64, read: u64, represented: u64) -> Sample {
        Sample { keys: vec![vec![letter]; keys], emitted, read, represented }
    }

    fn counts(samples: Vec<Sample>) -> (usize, usize) {
        let keys = even(samples);
        let of = |letter: u8| keys.iter().filter(|key| key[0] == letter).count();
        (of(b'a'), of(b'b'))
    }

    #[test]
    fn keys_of_a_sample_stand_for_equally_many_keys_of_the_input() {
        let table = [
            // Samples of equal weight.
            (sample(b'a', 100, 100, 1, 1), sample(b'b', 50, 50, 1, 1), (100, 50)),
            // A stream (every eighth record was mapped), and a place that was read in full.
            (sample(b'a', 1000, 1000, 10, 10), sample(b'b', 125, 1000, 1, 1), (1000, 1000)),
            // A place that represents a hundred times as many bytes as were read.
            (sample(b'a', 10, 10, 1, 100), sample(b'b', 1000, 1000, 1, 1), (1000, 1000)),
            // Too many keys for one sample.
            (sample(b'a', 1000, 1000, 1, 1000), sample(b'b', 1000, 1000, 1, 1), (130_946, 131)),
            (sample(b'a', 0, 0, 0, 1), sample(b'b', 3, 3, 1, 1), (0, 3)),
        ];
        for (number, (a, b, expected)) in table.into_iter().enumerate() {
            assert_eq!(counts(vec![a, b]), expected, "{number}");
        }
    }

    #[test]
    fn points_of_all_files_are_each_in_one_file() {
        let mut found = Vec::new();
        for within in [0..3, 3..3, 3..10, 10..11, 11..40] {
            found.extend(multiples(&within, 5));
        }
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
