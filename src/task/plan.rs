//! The plan task: cuts the input into splits, chooses the number of parts, samples cut points for parts by range.

use std::sync::Arc;

use super::failure::Trouble;
use super::fold::{Cut, cut_points, group_len};
use super::map::{ToCollector, map_split};
use super::quarantine::{BadRecords, Quarantine};
use super::run::{Env, folder_name};
use super::sink::Sink;
use crate::format;
use crate::job::{By, Context, Job, Partition};
use crate::shuffle::{Batch, Collect, Error};
use crate::spec::{AttemptId, Failure, FileRange, Split};

/// What the maps and reduces of a job are.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The input of each map task.
    pub splits: Vec<Split>,
    /// How many partitions, and so parts, there are; none for a job without a reduce.
    pub reducers: u32,
    /// The first keys of all partitions but the first, where partitions are ranges of keys.
    pub cuts: Vec<Cut>,
}

/// Places of the input that are sampled.
const SAMPLES: u64 = 64;
/// Bytes that are read at each.
const SAMPLE_BYTES: u64 = 64 << 10;
/// Keys that are kept of each; few are larger than a hundred bytes, so this bounds the memory too.
const SAMPLE_KEYS: usize = 2048;

/// Plans a job over these files: a function of them and of the spec, never of threads, memory or time.
///
/// # Errors
///
/// A file that cannot be opened to see whether it can be cut.
pub fn plan<J: Job, P: Partition<J>>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    files: &[FileRange],
) -> Result<Plan, Failure> {
    let failed = |error: format::Error| Trouble::from(error).into_failure();
    let splits = format::plan::plan::<J::Input>(files, env.spec.split_bytes).map_err(failed)?;
    if J::MAP_ONLY {
        return Ok(Plan { splits, reducers: 0, cuts: Vec::new() });
    }
    let total = files.iter().filter(|file| file.end != u64::MAX).map(FileRange::bytes).sum();
    let reducers = env.spec.reducers.unwrap_or_else(|| format::plan::default_reducers(total));
    let mut cuts = Vec::new();
    if P::BY == By::Range && reducers > 1 {
        cuts = cut_points(sample(env, job, attempt, &splits)?, reducers);
    }
    Ok(Plan { splits, reducers, cuts })
}

/// Group keys of records at evenly spaced places of the input, as the job's own map emits them.
fn sample<J: Job>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    splits: &[Split],
) -> Result<Vec<Vec<u8>>, Failure> {
    let ranges: Vec<&FileRange> = splits.iter().flat_map(|split| &split.ranges).collect();
    let readable = ranges.iter().filter(|range| range.end != u64::MAX);
    let total: u64 = readable.clone().map(|range| range.bytes()).sum();
    let step = (total / SAMPLES).max(SAMPLE_BYTES);
    let mut keys = Vec::new();
    let (mut passed, mut next) = (0, 0);
    for range in readable {
        while next < passed + range.bytes() {
            let start = range.start + next.saturating_sub(passed);
            let piece =
                FileRange { start, end: range.end.min(start + SAMPLE_BYTES), ..(*range).clone() };
            sample_range(env, job, attempt, piece, &mut keys)?;
            next += step;
        }
        passed += range.bytes();
    }
    Ok(keys)
}

fn sample_range<J: Job>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    range: FileRange,
    keys: &mut Vec<Vec<u8>>,
) -> Result<(), Failure> {
    let name = format!("{}-sample-{}", folder_name(attempt), keys.len());
    let folder = env.attempts.create(&name).map_err(|error| Trouble::from(error).into_failure())?;
    let folder = Arc::new(folder);
    let mut sampler = Sampler { keys, left: SAMPLE_KEYS, group_len: group_len::<J> };
    let mut context = Context::new(folder.clone(), "sample".into());
    let batch = Batch::new(false);
    let mark = batch.mark();
    let context_ref = &mut context;
    let mut mapper = ToCollector {
        job,
        batch,
        scratch: Vec::new(),
        sink: Sink::new(&mut sampler),
        context: context_ref,
        hold: false,
        mark,
    };
    let none_allowed = BadRecords::new(0);
    let mut quarantine = Quarantine::new(&none_allowed, folder.clone(), "sample");
    let mut reading = env.reading();
    reading.options.progress = None;
    // A record that fails here fails again in its map task, which says so in full; a full sample just ends.
    let _sampled =
        map_split::<J>(&Split { ranges: vec![range] }, &reading, &mut quarantine, &mut mapper);
    drop((context, quarantine));
    let folder = Arc::into_inner(folder).map(crate::storage::AttemptFolder::discard);
    folder.transpose().map(drop).map_err(|error| Trouble::from(error).into_failure())
}

/// Keeps the first keys that are emitted.
struct Sampler<'k> {
    keys: &'k mut Vec<Vec<u8>>,
    left: usize,
    group_len: fn(&[u8]) -> usize,
}

impl Collect for Sampler<'_> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        for pair in batch.pairs().iter().take(self.left) {
            let key = batch.key(pair);
            self.keys.push(key[..(self.group_len)(key)].to_vec());
        }
        self.left = self.left.saturating_sub(batch.pairs().len());
        batch.clear();
        if self.left == 0 { Err(Error::Stopped) } else { Ok(()) }
    }
}
