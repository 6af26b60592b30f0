//! Runs a map attempt whose output outlives its process: one sealed spill file, however often the
//! map spilled.
//!
//! The file's content depends only on the spec and the splits. Each attempt has its own collector,
//! with the memory that the spec sets, so it always spills at the same records.

use std::path::Path;

use super::collector::JobCollector;
use super::failure::AttemptError;
use super::fold::{JobFold, JobPartitioner};
use super::plan_file::PlanFile;
use super::run::{
    Env, GROUP, MAP_OUTPUT_BYTES, MAP_OUTPUT_RECORDS, MapDone, run_map, shuffle_failure,
};
use crate::job::{Combine, Job, Partition};
use crate::model::{AttemptId, Failure, Nonce, TaskId};
use crate::record::block::Codec;
use crate::shuffle::{
    MergeLimits, Merger, ReadProgress, SpillFile, SpillHeader, SpillIndex, SpillPlace, SpillWriter,
    Spilled,
};

/// Memory for everything but sorting: buffers for reading, batches, spills and parts.
const BESIDE_BYTES: usize = 2 << 20;

/// Where an attempt spills that runs in its own process.
#[derive(Debug, Clone, Copy)]
pub struct SpillTo<'s> {
    /// The job's nonce.
    pub nonce: Nonce,
    /// The attempt's folder. It must exist, without files named `spill…` or `merged…`.
    pub folder: &'s Path,
    /// Compression of the spills.
    pub codec: Codec,
}

impl SpillTo<'_> {
    pub(super) fn header(&self, map: u32, attempt: u32, partitions: u32) -> SpillHeader {
        SpillHeader { codec: self.codec, nonce: self.nonce.0, map, attempt, partitions }
    }
}

/// Supplies further maps for an output.
pub trait More {
    /// Requests more maps. Called before the last known map runs; `done` maps ran before it.
    fn ask(&mut self, done: u32);

    /// Waits for the requested maps and returns them; empty if there are no more.
    fn take(&mut self) -> Vec<u32>;
}

/// The result of an attempt that mapped one or more splits to one file.
#[derive(Debug)]
pub struct MapsDone {
    /// The result of each map, in order.
    pub done: Vec<(AttemptId, MapDone)>,
    /// The file's index.
    pub index: SpillIndex,
    /// Files that were spilled before the output: 0 if everything fitted into memory.
    pub spills: u64,
}

/// Maps splits of the plan to a new sealed spill file at `output`: the split of the attempt's task, those of the maps that
/// have joined it, and those of maps that join later. `first` is the job value of the attempt's own task.
///
/// It requests more maps only if the combiner is exact, so that the order of folding does not matter, and while twice as
/// much output would not spill.
///
/// # Errors
///
/// The failure, with the record on which it occurred.
pub fn run_map_to_file<J: Job, C: Combine<J>, P: Partition<J>>(
    env: &Env<'_>,
    (first, combiner, partitioner): (&J, &C, &P),
    (attempt, joined): (AttemptId, &[u32]),
    more: &mut dyn More,
    plan: &PlanFile,
    to: SpillTo<'_>,
    output: &Path,
) -> Result<MapsDone, Failure> {
    let failed = |error| AttemptError::Framework(Box::new(error)).into_failure();
    let cuts = plan.cuts().map_err(failed)?;
    let memory_bytes = usize::try_from(env.spec.memory_bytes).unwrap_or(usize::MAX) - BESIDE_BYTES;
    let fold = JobFold::<J, C>::new(combiner);
    let partitioner = JobPartitioner::new(partitioner, plan.reducers(), &cuts);
    let header = to.header(attempt.task.index, attempt.number, plan.reducers());
    let place =
        SpillPlace { folder: to.folder.to_path_buf(), name: "spill".into(), header, given: 0 };
    let mut spare = None;
    let mut collector = JobCollector::new(&fold, partitioner, place, memory_bytes, &mut spare);
    let mut maps: Vec<u32> =
        std::iter::once(attempt.task.index).chain(joined.iter().copied()).collect();
    let mut done = Vec::new();
    while let Some(&map) = maps.get(done.len()) {
        let is_last = done.len() + 1 == maps.len();
        let asks = is_last && collector.may_double();
        if asks {
            more.ask(u32::try_from(done.len()).unwrap_or(u32::MAX));
        }
        let attempt = TaskId { index: map, ..attempt.task }.attempt(attempt.number);
        let split = plan.split(map).map_err(failed)?;
        // Each task has a job value of its own.
        let own = if done.is_empty() { None } else { Some(env.job(attempt, plan.reducers())?) };
        let job = own.as_ref().unwrap_or(first);
        done.push((attempt, run_map::<J, C>(env, job, attempt, &split, &mut collector)?));
        if asks {
            maps.extend(more.take());
        }
    }
    let collected = collector.finish(&fold, &mut spare, |_| false).map_err(shuffle_failure)?;
    // The merge may use the memory that the collector had.
    drop(spare);
    let stats = collected.stats();
    if let Some((_, first)) = done.first_mut() {
        first.counters.add(GROUP, MAP_OUTPUT_RECORDS, stats.records);
        first.counters.add(GROUP, MAP_OUTPUT_BYTES, stats.bytes);
    }

    let limits = MergeLimits::within(memory_bytes, plan.reducers());
    // Reading spills back is not counted: a map's progress is the progress through its split.
    let progress = &ReadProgress::default();
    let merger = Merger { header, limits, fold: &fold, stop: env.stop, progress };
    let spills = collected.files().to_vec();
    // If there is a single file, it becomes the output unchanged.
    let spilled = if spills.len() > 1 { spills.len() as u64 } else { 0 };
    drop(collected);
    let index = one_file(&merger, spills, to.folder, output).map_err(shuffle_failure)?;
    Ok(MapsDone { done, index, spills: spilled })
}

/// Merges these spills, given in the order of their records, into one file.
fn one_file<J: Job, C: Combine<J>>(
    merger: &Merger<'_, JobFold<'_, J, C>>,
    spills: Vec<Spilled>,
    folder: &Path,
    output: &Path,
) -> Result<SpillIndex, crate::shuffle::Error> {
    let mut number = 0;
    let merged = merger.merge_to_fan_in(spills, || {
        number += 1;
        folder.join(format!("merged.{number}.spill"))
    })?;
    match merged.files.as_slice() {
        [] => SpillWriter::create(output, merger.header)?.finish(),
        [only] => {
            std::fs::rename(&only.path, output)
                .map_err(|source| crate::shuffle::Error::create(output.into(), source))?;
            Ok(SpillFile::open(output)?.index().clone())
        }
        several => merger.merge_into(output, several),
    }
}
