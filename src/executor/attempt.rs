//! Runs one attempt, from the frame that requests it to its result.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::frame::{Done, Run, Work};
use crate::job::{Job, Partition};
use crate::model::{
    AttemptId, Cause, Counters, Failure, FileRange, SegmentRef, Split, TaskId, Usage, Volume,
};
use crate::record::block::Codec;
use crate::record::hash;
use crate::shuffle::ReadProgress;
use crate::storage::{SharedStaging, StagingOptions};
use crate::task::{
    self, AttemptError, BadRecords, Env, MapDone, MapsDone, More, PartDone, Plan, PlanFile,
    SpillTo, Winners, folder_name,
};

/// Never set: a worker stops an attempt by killing the process.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Runs an attempt and returns its result, whatever the author's code does. Removes what a failed attempt has written
/// to staging, as far as possible. The worker removes the scratch folder.
///
/// [`serve`](super::serve) calls this in a process of its own. A simulation calls it directly.
///
/// # Errors
/// The attempt's failure, which may be the author's.
pub fn carry_out<J: Job>(
    run: &Run,
    progress: &ReadProgress,
    more: &mut dyn More,
) -> Result<Done, Failure> {
    let attempt = Attempt { run, progress };
    let done = task::guard(|| Ok(attempt.run::<J>(more)));
    let done = done.unwrap_or_else(|attempt_error| Err(attempt_error.into_failure()));
    if done.is_err() && !matches!(run.work, Work::Commit { .. } | Work::Sweep) {
        attempt.discard();
    }
    done
}

struct Attempt<'a> {
    run: &'a Run,
    progress: &'a ReadProgress,
}

impl Attempt<'_> {
    fn run<J: Job>(&self, more: &mut dyn More) -> Result<Done, Failure> {
        match &self.run.work {
            Work::Plan => self.plan::<J>(),
            Work::Map { plan, joined } => self.map::<J>(plan, joined, more),
            Work::Reduce { plan, maps } => self.reduce::<J>(plan, maps),
            Work::Commit { maps, reduces, counters, created } => {
                let winners = Winners { job: self.id().task.job, maps, reduces };
                let (spec, nonce) = (&self.run.spec, self.run.nonce);
                let (counters, created) = (counters.clone(), created.clone());
                let manifest =
                    task::commit_shared(spec, self.out()?, nonce, winners, counters, created)?;
                Ok(Done::Commit { records: manifest.records, bytes: manifest.bytes })
            }
            Work::Sweep => {
                SharedStaging::sweep(self.out()?, self.run.nonce).map_err(failed)?;
                Ok(Done::Sweep)
            }
        }
    }

    fn plan<J: Job>(&self) -> Result<Done, Failure> {
        self.run.spec.validate().map_err(failed)?;
        let listing = task::list::<J>(&self.run.spec).map_err(failed)?;
        let (out, nonce) = (self.out()?, self.run.nonce);
        let staging = SharedStaging::create(out, nonce, self.options()).map_err(failed)?;
        let bad_records = self.bad_records();
        let env = self.env(&staging, &bad_records);
        let job = env.job::<J>(self.id(), 0)?;
        let plan = plan_by(&job.partitioner(), &env, &job, self.id(), &listing.files)?;
        let path = self.run.scratch.join("plan");
        plan.write(&path).map_err(failed)?;
        let (splits, reducers) = (plan.splits.len() as u32, plan.reducers);
        let input_bytes = plan.splits.iter().map(Split::bytes).fold(0, u64::saturating_add);
        Ok(Done::Plan {
            plan: path.into(),
            splits,
            reducers,
            input_bytes,
            counters: Counters::new(),
        })
    }

    fn map<J: Job>(
        &self,
        plan: &Path,
        joined: &[u32],
        more: &mut dyn More,
    ) -> Result<Done, Failure> {
        let plan = PlanFile::open(plan).map_err(failed)?;
        let staging = self.staging()?;
        let bad_records = self.bad_records();
        let env = self.env(&staging, &bad_records);
        let job = env.job::<J>(self.id(), plan.reducers())?;
        let mut more = Counted { more, plan: &plan, progress: self.progress, maps: Vec::new() };
        more.count(self.id().task.index);
        joined.iter().for_each(|&map| more.count(map));
        if J::MAP_ONLY {
            let split = plan.split(self.id().task.index).map_err(failed)?;
            let MapDone { counters, parts } = task::run_map_only(&env, &job, self.id(), &split)?;
            task::seal(&staging, self.id(), &parts)?;
            let usage = self.map_usage(&counters, &parts);
            let (digest, bytes, volume) = (digest(&parts), usage.bytes_out, usage.into());
            let (output, joined, is_staged) = (None, 0, true);
            return Ok(Done::Map { output, joined, digest, bytes, is_staged, counters, volume });
        }
        let output = self.run.scratch.join("sealed");
        let to = self.spill_to(if self.run.compress { Codec::Lz4 } else { Codec::Stored });
        let by = (&job, &job.combiner(), &job.partitioner());
        let of = (self.id(), joined);
        let mapped = task::run_map_to_file(&env, by, of, &mut more, &plan, to, &output);
        let MapsDone { done, index, spills } =
            mapped.inspect_err(|_| self.discard_maps(&staging, &more.maps))?;
        // The commit expects a list from every map, or from none.
        let is_staged = done.iter().any(|(_, map)| !map.parts.is_empty());
        let mut counters = Counters::new();
        for (id, map) in &done {
            if is_staged {
                task::seal(&staging, *id, &map.parts)?;
            }
            counters.merge(&map.counters);
        }
        let (digest, bytes) = (index.digest, index.file_bytes);
        let joined = u32::try_from(done.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let records_out = counters.get(task::GROUP, task::MAP_OUTPUT_RECORDS);
        let usage = self.map_usage(&counters, &[]);
        let volume = Usage { bytes_out: bytes, records_out, spills, ..usage }.into();
        let output = Some(output.into());
        Ok(Done::Map { output, joined, digest, bytes, is_staged, counters, volume })
    }

    /// Returns what a map has read, and the records of these parts that it has written.
    fn map_usage(&self, counters: &Counters, parts: &[PartDone]) -> Usage {
        Usage {
            bytes_in: self.progress.total.load(Ordering::Relaxed),
            records_in: counters.get(task::GROUP, task::MAP_INPUT_RECORDS),
            bytes_out: parts.iter().map(|part| part.sealed.bytes).sum(),
            records_out: parts.iter().map(|part| part.records).sum(),
            ..Usage::default()
        }
    }

    fn reduce<J: Job>(&self, plan: &Path, segments: &[SegmentRef]) -> Result<Done, Failure> {
        let plan = PlanFile::open(plan).map_err(failed)?;
        let staging = self.staging()?;
        let bad_records = self.bad_records();
        let env = self.env(&staging, &bad_records);
        let job = env.job::<J>(self.id(), plan.reducers())?;
        let done = task::run_reduce_of_segments(
            &env,
            &job,
            &job.combiner(),
            self.id(),
            segments,
            self.spill_to(Codec::Lz4),
            self.progress,
        )?;
        task::seal(&staging, self.id(), &done.parts)?;
        let usage = Usage {
            bytes_in: segments
                .iter()
                .map(|it| it.place.info.raw_bytes)
                .fold(0, u64::saturating_add),
            records_in: done.records,
            bytes_out: done.parts.iter().map(|part| part.sealed.bytes).sum(),
            records_out: done.parts.iter().map(|part| part.records).sum(),
            spills: done.spills,
            ..Usage::default()
        };
        let volume = Volume { usage, hottest: done.hottest };
        Ok(Done::Reduce { counters: done.counters, volume })
    }

    fn id(&self) -> AttemptId {
        self.run.attempt
    }

    fn out(&self) -> Result<&Path, Failure> {
        let out = self.run.spec.output.as_ref().map(crate::model::Location::path);
        let missing = "the job's spec names no output folder, which a cluster needs\nhint: name \
                       one with --output DIR";
        out.ok_or_else(|| Failure::new(Cause::UserError, missing))
    }

    fn options(&self) -> StagingOptions {
        StagingOptions { overwrite: self.run.spec.overwrite, sync: self.run.spec.sync }
    }

    fn staging(&self) -> Result<SharedStaging, Failure> {
        SharedStaging::open(self.out()?, self.run.nonce, self.options()).map_err(failed)
    }

    fn bad_records(&self) -> BadRecords {
        BadRecords::new(self.run.spec.max_bad_records)
    }

    fn env<'e>(&'e self, staging: &'e SharedStaging, bad_records: &'e BadRecords) -> Env<'e> {
        Env {
            spec: &self.run.spec,
            attempts: staging.attempts(),
            stop: &NEVER,
            bytes_read: self.progress.bytes.clone(),
            bad_records,
        }
    }

    fn spill_to(&self, codec: Codec) -> SpillTo<'_> {
        SpillTo { nonce: self.run.nonce, folder: &self.run.scratch, codec }
    }

    /// Removes everything that the attempt has left in staging.
    fn discard(&self) {
        if let Ok(staging) = self.staging() {
            self.discard_maps(&staging, &[self.id().task.index]);
        }
    }

    /// Does the same for maps that share the attempt.
    fn discard_maps(&self, staging: &SharedStaging, maps: &[u32]) {
        for &index in maps {
            let id = TaskId { index, ..self.id().task }.attempt(self.id().number);
            // What cannot be removed is swept when the job ends.
            let _removed_or_left = staging.attempts().discard(&folder_name(id));
        }
    }
}

/// Counts the maps that join an attempt, and adds their bytes to its progress.
struct Counted<'a> {
    more: &'a mut dyn More,
    plan: &'a PlanFile,
    progress: &'a ReadProgress,
    maps: Vec<u32>,
}

impl Counted<'_> {
    fn count(&mut self, map: u32) {
        self.maps.push(map);
        // If the split cannot be read, the attempt fails when it maps it.
        let bytes = self.plan.split(map).map_or(0, |split| split.bytes());
        self.progress.total.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl More for Counted<'_> {
    fn ask(&mut self, done: u32) {
        self.more.ask(done);
    }

    fn take(&mut self) -> Vec<u32> {
        let maps = self.more.take();
        maps.iter().for_each(|&map| self.count(map));
        maps
    }
}

/// Plans with this partitioner. Its type has no name, so it is inferred from the value.
fn plan_by<J: Job, P: Partition<J>>(
    _: &P,
    env: &Env<'_>,
    job: &J,
    attempt: AttemptId,
    files: &[FileRange],
) -> Result<Plan, Failure> {
    task::plan::<J, P>(env, job, attempt, files)
}

/// Returns the digest of a map-only task's output, from the names, sizes and checksums of its parts.
fn digest(parts: &[PartDone]) -> u64 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(part.sealed.name.as_bytes());
        bytes.extend(part.sealed.bytes.to_le_bytes());
        bytes.extend(part.sealed.crc32c.to_le_bytes());
    }
    hash::hash(&bytes)
}

fn failed(error: impl StdError + Send + Sync + 'static) -> Failure {
    AttemptError::Framework(Box::new(error)).into_failure()
}
