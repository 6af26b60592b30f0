//! A map attempt whose output outlives its process: one sealed spill file, whatever was spilled on the way.
//!
//! What is in it is a function of the spec and the split alone: the collector is the attempt's own, its memory is the
//! spec's, and so it spills at the same records every time.

use std::path::Path;

use super::collector::JobCollector;
use super::failure::Trouble;
use super::fold::{JobFold, JobPartitioner};
use super::plan_file::PlanFile;
use super::run::{Env, GROUP, MapDone, run_map, shuffle_failure};
use crate::job::{Combine, Job, Partition};
use crate::record::block::Codec;
use crate::shuffle::{
    MergeLimits, Merger, ReadProgress, SpillFile, SpillHeader, SpillIndex, SpillPlace, SpillWriter,
    Spilled,
};
use crate::spec::{AttemptId, Failure, Nonce};

/// Memory for what is not sorted: read, batch, spill and part buffers.
const BESIDE_BYTES: usize = 2 << 20;

/// Where an attempt in a process of its own spills.
#[derive(Debug, Clone, Copy)]
pub struct SpillTo<'s> {
    /// The job's own.
    pub nonce: Nonce,
    /// The attempt's folder, which is there, and in which nothing is called `spill…` or `merged…`.
    pub folder: &'s Path,
}

impl SpillTo<'_> {
    pub(super) fn header(&self, map: u32, attempt: u32, partitions: u32) -> SpillHeader {
        SpillHeader { codec: Codec::Lz4, nonce: self.nonce.0, map, attempt, partitions }
    }
}

/// Maps a split of the plan to a sealed spill file at `output`, which is not there yet.
///
/// # Errors
///
/// What went wrong, on which record.
pub fn run_map_to_file<J: Job, C: Combine<J>, P: Partition<J>>(
    env: &Env<'_>,
    job: &J,
    (combiner, partitioner): (&C, &P),
    attempt: AttemptId,
    plan: &PlanFile,
    to: SpillTo<'_>,
    output: &Path,
) -> Result<(MapDone, SpillIndex), Failure> {
    let failed = |error| Trouble::Framework(Box::new(error)).into_failure();
    let split = plan.split(attempt.task.index).map_err(failed)?;
    let cuts = plan.cuts().map_err(failed)?;
    let memory_bytes = usize::try_from(env.spec.memory_bytes).unwrap_or(usize::MAX) - BESIDE_BYTES;
    let fold = JobFold::<J, C>::new(combiner);
    let partitioner = JobPartitioner::new(partitioner, plan.reducers(), &cuts);
    let header = to.header(attempt.task.index, attempt.number, plan.reducers());
    let place =
        SpillPlace { folder: to.folder.to_path_buf(), name: "spill".into(), header, given: 0 };
    let mut spare = None;
    let mut collector = JobCollector::new(&fold, partitioner, place, memory_bytes, &mut spare);
    let mut done = run_map::<J, C>(env, job, attempt, &split, &mut collector)?;
    let collected = collector.finish(&fold, &mut spare, |_| false).map_err(shuffle_failure)?;
    // Its memory is what the merge may have now.
    drop(spare);
    let stats = collected.stats();
    done.counters.add(GROUP, "Map output records", stats.records);
    done.counters.add(GROUP, "Map output bytes", stats.bytes);

    let limits = MergeLimits::within(memory_bytes, plan.reducers());
    // The map's own progress is that of its split.
    let progress = &ReadProgress::default();
    let merger = Merger { header, limits, fold: &fold, stop: env.stop, progress };
    let spills = collected.files().to_vec();
    drop(collected);
    let index = one_file(&merger, spills, to.folder, output).map_err(shuffle_failure)?;
    Ok((done, index))
}

/// Makes one file of these spills, of which the last ones hold the last records.
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
                .map_err(|source| crate::shuffle::Error::Create { path: output.into(), source })?;
            Ok(SpillFile::open(output)?.index().clone())
        }
        several => merger.merge_into(output, several),
    }
}
