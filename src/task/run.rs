//! Runs a map or reduce attempt in its folder, with its counters, side outputs and quarantine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use serde::{Deserialize, Serialize};

use super::failure::{AttemptError, guard};
use super::map::{Mapper, ToCollector, ToPart, map_split};
use super::quarantine::{BadRecords, Quarantine};
use super::reduce::reduce;
use super::sink::Sink;
use super::{JobFold, Reading};
use crate::format::Output;
use crate::format::source::Options;
use crate::job::{Combine, Context, Job, PartBuffer, Task, Written, placed_by};
use crate::model::{
    AttemptId, Cause, Counters, Failure, HotKey, JobSpec, RecordRef, Split, TEXT_CHARS_MAX,
    TaskKind, escape,
};
use crate::shuffle::{self, Batch, Collect, Source};
use crate::storage::{AttemptFolder, Attempts, Staging};

/// State that all attempts of a job in one process share.
pub struct Env<'e> {
    /// The job's spec.
    pub spec: &'e JobSpec,
    /// The folder for attempts.
    pub attempts: &'e Attempts,
    /// Set to stop all attempts soon.
    pub stop: &'e AtomicBool,
    /// Counts the bytes of input that were read.
    pub bytes_read: Arc<AtomicU64>,
    /// The number of bad records that may still be set aside.
    pub bad_records: &'e BadRecords,
}

/// The result of a map attempt.
#[derive(Debug)]
pub struct MapDone {
    /// The author's counters, and the numbers of records that were read and set aside.
    pub counters: Counters,
    /// The parts that it sealed: side outputs, bad records, and the part itself if the job has no reduce.
    pub parts: Vec<PartDone>,
}

/// The result of a reduce attempt.
#[derive(Debug)]
pub struct ReduceDone {
    /// The author's counters, and the numbers of groups and records that were read.
    pub counters: Counters,
    /// The parts that it sealed, its own first.
    pub parts: Vec<PartDone>,
    /// Records that were read.
    pub records: u64,
    /// The keys with the most records.
    pub hottest: Vec<HotKey>,
    /// Files into which segments were merged first, because there were too many to read at once.
    pub spills: u64,
}

/// A sealed part of the output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartDone {
    /// Its name, size and checksum.
    pub sealed: crate::storage::SealedPart,
    /// Records in it.
    pub records: u64,
}

impl From<Written> for PartDone {
    fn from(written: Written) -> Self {
        PartDone { sealed: written.part, records: written.records }
    }
}

/// The group of the framework's counters; Hadoop has the same name for it.
pub const GROUP: &str = "Map-Reduce Framework";
/// Counters of that group: records that maps have read.
pub const MAP_INPUT_RECORDS: &str = "map_input_records";
/// Pairs that maps have emitted.
pub const MAP_OUTPUT_RECORDS: &str = "map_output_records";
/// Bytes of those pairs, encoded.
pub const MAP_OUTPUT_BYTES: &str = "map_output_bytes";
/// Records that were set aside because they failed.
pub(super) const BAD_RECORDS: &str = "bad_records";
/// Distinct keys that reduces were called with.
pub(super) const REDUCE_INPUT_GROUPS: &str = "reduce_input_groups";
/// Records that reduces have read, after combining.
pub(super) const REDUCE_INPUT_RECORDS: &str = "reduce_input_records";
/// Records that reduces have written.
pub(super) const REDUCE_OUTPUT_RECORDS: &str = "reduce_output_records";

impl Env<'_> {
    /// Creates the job value of a task and calls its `setup`.
    ///
    /// # Errors
    ///
    /// The author's `setup` fails, or the job value does not survive serialization.
    pub fn job<J: Job>(&self, attempt: AttemptId, reducers: u32) -> Result<J, Failure> {
        let job = placed_by(&self.spec.side_files, || J::from_bytes(&self.spec.job));
        let mut job = job.map_err(|error| {
            let message = format!("the job value cannot be deserialized: {error}");
            Failure::new(Cause::UserError, message)
        })?;
        let task = Task { id: attempt.task, reducers };
        guard(|| Ok(job.setup(&task)?)).map_err(AttemptError::into_failure)?;
        Ok(job)
    }

    fn folder(&self, attempt: AttemptId) -> Result<Arc<AttemptFolder>, Failure> {
        let folder = self.attempts.create(&folder_name(attempt));
        folder.map(Arc::new).map_err(|error| AttemptError::from(error).into_failure())
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        let options = Options { progress: Some(self.bytes_read.clone()), ..Options::default() };
        Reading { options, stop: self.stop }
    }
}

/// Returns the name of an attempt's folder, such as `m00012-2`.
pub fn folder_name(attempt: AttemptId) -> String {
    format!("{}{:05}-{}", attempt.task.kind.letter(), attempt.task.index, attempt.number)
}

fn suffix(attempt: AttemptId) -> String {
    format!("{}-{:05}", attempt.task.kind.letter(), attempt.task.index)
}

/// Maps a split to a collector.
///
/// # Errors
///
/// The failure, with the record on which it occurred.
pub fn run_map<'c, J: Job, C: Combine<J>>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    split: &Split,
    collector: &'c mut (dyn Collect + 'c),
) -> Result<MapDone, Failure> {
    let folder = env.folder(attempt)?;
    let mut context = Context::new(folder.clone(), suffix(attempt));
    let batch = Batch::new(C::COMBINES);
    let mark = batch.mark();
    let hold = env.spec.max_bad_records > 0;
    let context_ref = &mut context;
    let mut mapper = ToCollector {
        job,
        batch,
        scratch: Vec::new(),
        sink: Sink::new::<J>(collector),
        context: context_ref,
        hold,
        mark,
    };
    let (read, quarantine) = map_with(env, attempt, split, folder, &mut mapper)?;
    finish_map(context, quarantine, read, Vec::new()).map_err(AttemptError::into_failure)
}

/// Maps a split to a part of the output.
///
/// # Errors
///
/// The failure, with the record on which it occurred.
pub fn run_map_only<J: Job>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    split: &Split,
) -> Result<MapDone, Failure> {
    let folder = env.folder(attempt)?;
    let mut context = Context::new(folder.clone(), suffix(attempt));
    let part = PartBuffer::create(&folder, &part_name::<J>(attempt.task.index));
    let part = part.map_err(|error| AttemptError::from(error).into_failure())?;
    let mut mapper = ToPart { job, part, context: &mut context };
    let (read, quarantine) = map_with(env, attempt, split, folder, &mut mapper)?;
    let part = mapper.part.seal().map_err(|error| AttemptError::from(error).into_failure())?;
    finish_map(context, quarantine, read, vec![part.into()]).map_err(AttemptError::into_failure)
}

fn map_with<'q, J: Job>(
    env: &'q Env<'_>,
    attempt: AttemptId,
    split: &Split,
    folder: Arc<AttemptFolder>,
    mapper: &mut impl Mapper<J>,
) -> Result<(u64, Quarantine<'q>), Failure> {
    let mut quarantine = Quarantine::new(env.bad_records, folder, &suffix(attempt));
    let read = map_split::<J>(split, &env.reading(), &mut quarantine, mapper);
    let read = read.map_err(|(attempt_error, record)| with_record(attempt_error, record))?;
    Ok((read, quarantine))
}

fn with_record(attempt_error: AttemptError, record: Option<RecordRef>) -> Failure {
    Failure { record, ..attempt_error.into_failure() }
}

fn finish_map(
    context: Context,
    quarantine: Quarantine<'_>,
    read: u64,
    mut parts: Vec<PartDone>,
) -> Result<MapDone, AttemptError> {
    let found = quarantine.found;
    let bad = quarantine.seal()?;
    let (mut counters, sides) = context.seal()?;
    counters.add(GROUP, MAP_INPUT_RECORDS, read);
    if found > 0 {
        counters.add(GROUP, BAD_RECORDS, found);
    }
    parts.extend(sides.into_iter().chain(bad).map(PartDone::from));
    Ok(MapDone { counters, parts })
}

/// Returns the name of part `index` of the output.
pub(super) fn part_name<J: Job>(index: u32) -> String {
    format!("part-{index:05}.{}", J::Output::EXTENSION)
}

/// Reduces a partition to a part of the output.
///
/// # Errors
///
/// The failure.
pub fn run_reduce<J: Job, C: Combine<J>>(
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    sources: Vec<Source<'_, JobFold<'_, J, C>>>,
) -> Result<ReduceDone, Failure> {
    debug_assert_eq!(attempt.task.kind, TaskKind::Reduce);
    let folder = env.folder(attempt)?;
    let mut context = Context::new(folder.clone(), suffix(attempt));
    let mut quarantine = Quarantine::new(env.bad_records, folder.clone(), &suffix(attempt));
    let mut key = None;
    let done = guard(|| {
        let mut part = PartBuffer::create(&folder, &part_name::<J>(attempt.task.index))?;
        let reduced = reduce(job, sources, &mut part, &mut context, &mut quarantine, env.stop);
        let reduced = reduced.map_err(|(attempt_error, of)| {
            key = of;
            attempt_error
        })?;
        Ok((part.seal()?, reduced))
    });
    let (part, reduced) = done.map_err(|attempt_error| {
        let mut failure = attempt_error.into_failure();
        let key = key.map(|key| format!("key: `{}`", escape(key.as_bytes(), TEXT_CHARS_MAX)));
        failure.details.splice(0..0, key);
        failure
    })?;
    let found = quarantine.found;
    let bad = quarantine.seal().map_err(AttemptError::into_failure)?;
    let (mut counters, sides) =
        context.seal().map_err(|error| AttemptError::from(error).into_failure())?;
    counters.add(GROUP, REDUCE_INPUT_GROUPS, reduced.groups);
    counters.add(GROUP, REDUCE_INPUT_RECORDS, reduced.records);
    counters.add(GROUP, REDUCE_OUTPUT_RECORDS, part.records);
    if found > 0 {
        counters.add(GROUP, BAD_RECORDS, found);
    }
    let parts = std::iter::once(part).chain(sides).chain(bad).map(PartDone::from).collect();
    let (records, hottest) = (reduced.records, reduced.hottest);
    Ok(ReduceDone { counters, parts, records, hottest, spills: 0 })
}

/// Moves an attempt's sealed parts into the staged output.
///
/// # Errors
///
/// The error of [`Staging::accept`].
pub fn accept(staging: &Staging, attempt: AttemptId, parts: &[PartDone]) -> Result<(), Failure> {
    let sealed: Vec<_> = parts.iter().map(|part| part.sealed.clone()).collect();
    staging
        .accept(&folder_name(attempt), &sealed)
        .map_err(|error| AttemptError::from(error).into_failure())
}

/// Turns an error of the shuffle, outside the author's code, into a failure.
pub fn shuffle_failure(error: shuffle::Error) -> Failure {
    AttemptError::Error(crate::job::Error::new(error)).into_failure()
}
