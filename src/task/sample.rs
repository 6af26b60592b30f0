//! Samples the keys of the input, from which parts by range get their cut points.
//!
//! Files that can be cut are sampled at evenly spaced places. A file that is read as one stream (compressed, or of a
//! format that cannot be cut) has to be decoded up to a place to be sampled there: it is read through, and only every
//! so many records are mapped.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Reading;
use super::failure::{Trouble, guard};
use super::fold::group_len;
use super::map::{Mapper, ToCollector, map_split};
use super::quarantine::{BadRecords, Quarantine};
use super::run::{Env, folder_name};
use super::sink::Sink;
use crate::format::{self, Input, Source};
use crate::job::{Context, Job};
use crate::record::Text;
use crate::shuffle::{Batch, Collect, Error};
use crate::spec::{AttemptId, Failure, FileRange, Split};
use crate::storage::AttemptFolder;

/// Places of the input that are sampled.
const PLACES: u64 = 64;
/// Bytes that are read at each.
const PLACE_BYTES: u64 = 64 << 10;
/// Keys that are kept of each. Few are larger than a hundred bytes, so this bounds the memory too.
const PLACE_KEYS: usize = 2048;
/// Bytes of files that cannot be cut that are read, or as many as the largest of them has: its map takes as long.
const STREAM_BYTES: u64 = 256 << 20;
/// Records of a stream between two looks at how far it was read.
const LOOK_RECORDS: u64 = 256;

/// Group keys of records from all over the input, as the job's own map emits them; none of standard input.
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
    let mut sampler = Sampler { env, job, attempt, keys: Vec::new(), done: Vec::new(), number: 0 };
    let mut streams = Vec::new();
    let (mut passed, mut next) = (0, 0);
    for range in readable {
        let mut places = 0;
        let mut is_stream = false;
        while next < passed + range.bytes() {
            if places == 0 {
                is_stream = !format::plan::is_splittable::<J::Input>(range).unwrap_or(true);
            }
            places += 1;
            if !is_stream {
                let start = range.start + next.saturating_sub(passed);
                let end = range.end.min(start + PLACE_BYTES);
                sampler.place(FileRange { start, end, ..range.clone() })?;
                let keys = sampler.take();
                sampler.done.extend(keys);
            }
            next += step;
        }
        if is_stream {
            streams.push((range, places));
        }
        passed += range.bytes();
    }
    let bytes = streams.iter().map(|(range, _)| range.bytes());
    let budget = bytes.clone().max().unwrap_or(0).max(STREAM_BYTES);
    let all = bytes.sum::<u64>().max(1);
    let mut sampled = Vec::new();
    for (range, places) in streams {
        let share = u128::from(budget) * u128::from(range.bytes()) / u128::from(all);
        let stride = sampler.stream(range, places, u64::try_from(share).unwrap_or(u64::MAX))?;
        sampled.push((stride, sampler.take()));
    }
    // A key of each stream stands for as many records.
    let stride_max = sampled.iter().map(|(stride, _)| *stride).max().unwrap_or(1);
    for (stride, keys) in sampled {
        let step = usize::try_from(stride_max / stride).unwrap_or(usize::MAX);
        sampler.done.extend(keys.into_iter().step_by(step));
    }
    Ok(sampler.done)
}

struct Sampler<'s, J> {
    env: &'s Env<'s>,
    job: &'s J,
    attempt: AttemptId,
    /// Those of the place or stream at hand.
    keys: Vec<Vec<u8>>,
    /// Those that are in the sample.
    done: Vec<Vec<u8>>,
    /// How many places and streams were sampled.
    number: u64,
}

impl<J: Job> Sampler<'_, J> {
    fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.keys)
    }

    /// Samples the records at one place.
    fn place(&mut self, range: FileRange) -> Result<(), Failure> {
        let none_allowed = BadRecords::new(0);
        self.with_mapper(PLACE_KEYS, None, |mapper, reading, folder| {
            let mut quarantine = Quarantine::new(&none_allowed, folder.clone(), "sample");
            // A record that fails here fails again in its map task, which says so in full; a full sample just ends.
            let _sampled =
                map_split::<J>(&Split { ranges: vec![range] }, reading, &mut quarantine, mapper);
        })
    }

    /// Samples a stream from its beginning on, as far as `bytes_max` of it, for as many keys as `places` would give.
    /// Returns how many records a key stands for.
    fn stream(&mut self, range: &FileRange, places: usize, bytes_max: u64) -> Result<u64, Failure> {
        let keys_max = PLACE_KEYS.saturating_mul(places);
        let stride = Cell::new(1);
        self.with_mapper(keys_max, Some(&stride), |mapper, reading, _| {
            let read = Arc::new(AtomicU64::new(0));
            reading.options.progress = Some(read.clone());
            let is_enough = || {
                read.load(Ordering::Relaxed) >= bytes_max || reading.stop.load(Ordering::Relaxed)
            };
            // As at a place: what fails here fails again in its map task.
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
        Ok(stride.get())
    }

    /// Lends a mapper whose keys are kept: the first ones, or with a `stride` evenly spaced ones.
    fn with_mapper(
        &mut self,
        keys_max: usize,
        stride: Option<&Cell<u64>>,
        work: impl FnOnce(&mut ToCollector<'_, J>, &mut Reading<'_>, &Arc<AttemptFolder>),
    ) -> Result<(), Failure> {
        let failed = |error| Trouble::from(error).into_failure();
        self.number += 1;
        let name = format!("{}-sample-{}", folder_name(self.attempt), self.number);
        let folder = Arc::new(self.env.attempts.create(&name).map_err(failed)?);
        let group_len = group_len::<J>;
        let mut kept = Kept { keys: &mut self.keys, keys_max, stride, group_len };
        let mut context = Context::new(folder.clone(), "sample".into());
        let batch = Batch::new(false);
        let mark = batch.mark();
        let mut mapper = ToCollector {
            job: self.job,
            batch,
            scratch: Vec::new(),
            sink: Sink::new(&mut kept),
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

/// Keeps keys that are emitted: the first ones, and then the mapper stops. Or evenly spaced ones: whenever there are
/// too many, every other one goes, and half as many of the further records are mapped.
struct Kept<'k> {
    keys: &'k mut Vec<Vec<u8>>,
    keys_max: usize,
    /// One record of this number is mapped.
    stride: Option<&'k Cell<u64>>,
    group_len: fn(&[u8]) -> usize,
}

impl Collect for Kept<'_> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for pair in batch.pairs() {
            let key = batch.key(pair);
            self.keys.push(key[..(self.group_len)(key)].to_vec());
        }
        batch.clear();
        let Some(stride) = self.stride else {
            let is_full = self.keys.len() >= self.keys_max;
            self.keys.truncate(self.keys_max);
            return if is_full { Err(Error::Stopped) } else { Ok(()) };
        };
        while self.keys.len() > self.keys_max {
            let mut is_kept = false;
            self.keys.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            stride.set(stride.get().saturating_mul(2));
        }
        Ok(())
    }
}
