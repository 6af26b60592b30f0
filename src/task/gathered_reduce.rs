//! Runs a reduce attempt that reads its partition of each map output from files, whichever workers made the outputs.

use super::fold::JobFold;
use super::run::{Env, ReduceDone, run_reduce, shuffle_failure};
use super::spill_map::SpillTo;
use crate::job::{Combine, Job};
use crate::model::{AttemptId, Cause, Failure, SegmentPlace, SegmentRef, TaskKind, split_hint};
use crate::shuffle::{Cursor, Gatherer, MergeLimits, ReadProgress, Segment, Source};

/// The share of the memory that merging may use; the rest is for what the author's reduce keeps.
const MERGE_PORTION: u64 = 4;

/// Most unreadable outputs that a failure names.
const DAMAGED_SHOWN_MAX: usize = 10;

/// Reduces these segments (one for each map, in the order of the maps) to a part of the output.
///
/// # Errors
///
/// If a segment cannot be read or is damaged, the cause is [`Cause::FetchFailed`], and the details name the maps whose
/// outputs must be fetched again.
pub fn run_reduce_of_segments<J: Job, C: Combine<J>>(
    env: &Env<'_>,
    job: &J,
    combiner: &C,
    attempt: AttemptId,
    segments: &[SegmentRef],
    to: SpillTo<'_>,
    progress: &ReadProgress,
) -> Result<ReduceDone, Failure> {
    let memory_bytes = env.spec.memory_bytes / MERGE_PORTION;
    let limits = MergeLimits::within(usize::try_from(memory_bytes).unwrap_or(usize::MAX), 1);
    let fold = JobFold::<J, C>::new(combiner);
    let partition = attempt.task.index;
    let header = to.header(partition, attempt.number, 1);
    let gatherer = Gatherer { header, partition, limits, fold: &fold, stop: env.stop, progress };
    let mut number = 0;
    let places = segments.iter().map(|segment| segment.place.clone()).collect();
    let opened = gatherer.open(places, || {
        number += 1;
        to.folder.join(format!("gathered.{number}.spill"))
    });
    let reduced = opened.map_err(shuffle_failure).and_then(|opened| {
        let sources = opened.into_iter().map(|segment| Source::Segment(Box::new(segment)));
        run_reduce::<J, C>(env, job, attempt, sources.collect())
    });
    let reduced = reduced.map(|done| ReduceDone { spills: number, ..done });
    reduced.map_err(|failure| blame_segments(failure, attempt, segments, limits))
}

/// A failure outside the author's code may come from a damaged segment. Reads all segments again to find it.
fn blame_segments(
    failure: Failure,
    attempt: AttemptId,
    segments: &[SegmentRef],
    limits: MergeLimits,
) -> Failure {
    if failure.at.is_some() || !matches!(failure.cause, Cause::UserError | Cause::Disk) {
        return failure;
    }
    let mut damaged = segments.iter().filter_map(|SegmentRef { map, place }| {
        let error = read_through(attempt.task.index, place, limits).err()?;
        Some((attempt.task.job.task(TaskKind::Map, *map), error))
    });
    let Some((first, error)) = damaged.next() else { return failure };
    let line = |map, error| format!("output of {map} cannot be read: {error}");
    let mut blamed = Failure::new(Cause::FetchFailed, line(first, error));
    blamed.details = damaged.take(DAMAGED_SHOWN_MAX).map(|(map, error)| line(map, error)).collect();
    let of_reduce = split_hint(&failure.message).0.to_string();
    blamed.details.extend([of_reduce].into_iter().chain(failure.details));
    blamed
}

fn read_through(
    partition: u32,
    place: &SegmentPlace,
    limits: MergeLimits,
) -> Result<(), crate::shuffle::Error> {
    if place.info.records == 0 {
        return Ok(());
    }
    let mut segment =
        Segment::open(&*place.path, partition, place.info, limits.buffer_bytes, None)?;
    while segment.advance()? {}
    Ok(())
}
