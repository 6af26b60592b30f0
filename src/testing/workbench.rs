//! Runs map and reduce as tasks do, but keeps a separate result for each record and each key.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use super::Breach;
use super::pairs::{InTurn, Keyed, Pair, Pairs};
use super::show;
use super::side_results::SideResults;
use crate::format::{Input, Source, source};
use crate::job::{Context, Emitter, Error, Job, PartBuffer, RecordOf, Task, Values, Writer};
use crate::model::{FileRange, JobId, Location, TaskKind};
use crate::record::{Key, Text};
use crate::shuffle::{Batch, Collect};
use crate::storage::{Scratch, ScratchPlaces, Staging, StagingOptions, draw_nonce};

/// The pairs of one record, or of the cleanup after the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The record; `None` for the cleanup.
    pub(super) record: Option<Place>,
    /// The pairs that were emitted.
    pub(super) pairs: Vec<Pair>,
    /// The bytes that were written, in a job without a reduce.
    pub(super) written: Vec<u8>,
}

/// A record, by its place in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Location,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// The output of every reduce call, by group. For a job without a reduce, all of the output, under an empty key.
pub(super) type Results = BTreeMap<Vec<u8>, Vec<u8>>;

/// The id of the job under test, which does not run on a cluster.
const JOB: JobId = JobId(1);

/// Runs the functions of one job, with everything that they may need from the framework.
pub(super) struct Workbench<J: Job> {
    /// The job value, serialized as for tasks.
    pub(super) job: Vec<u8>,
    context: Context,
    part: PartBuffer<J::Output>,
    batch: Batch,
    key_scratch: Vec<u8>,
    order_scratch: Vec<u8>,
    reading: source::Options,
    /// Whether all output is collected in one part.
    together: bool,
    /// Counts and side outputs, while they are collected.
    side_results: Option<SideResults>,
    // Both remove their folders when they are dropped.
    _staging: Staging,
    scratch: Scratch,
}

impl<J: Job> Workbench<J> {
    /// Creates a workbench with its own folder under `temporary`.
    pub(super) fn create(job: &J, temporary: &Path) -> Result<Self, Breach> {
        let encoded = job
            .to_bytes()
            .map_err(|error| Breach::JobNotReadable { problem: error.to_string() })?;
        let nonce = draw_nonce();
        let places = ScratchPlaces { dir: None, staging: None, temporary };
        let scratch = Scratch::create(places, nonce).map_err(Breach::not_run)?;
        let staging = Staging::create(&scratch.join("output"), nonce, StagingOptions::default());
        let staging = staging.map_err(Breach::not_run)?;
        let folder = Arc::new(staging.attempt("laws").map_err(Breach::not_run)?);
        Ok(Workbench {
            job: encoded,
            part: PartBuffer::create(&folder, "part").map_err(Breach::not_run)?,
            context: Context::in_memory(folder, "laws".into()),
            batch: Batch::new(false),
            key_scratch: Vec::new(),
            order_scratch: Vec::new(),
            reading: source::Options::default(),
            together: false,
            side_results: None,
            _staging: staging,
            scratch,
        })
    }

    /// Returns the folder, which is removed with this value.
    pub(super) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Returns a job value as a task gets it: read from its bytes, and set up.
    pub(super) fn task(&self, kind: TaskKind, index: u32, reducers: u32) -> Result<J, Breach> {
        let mut job = J::from_bytes(&self.job)
            .map_err(|error| Breach::JobNotReadable { problem: error.to_string() })?;
        set_up(&mut job, kind, index, reducers)?;
        Ok(job)
    }

    /// Maps all records of these ranges as one task, for which `job` is set up.
    pub(super) fn map(&mut self, job: &J, ranges: &[FileRange]) -> Result<Vec<Step>, Breach> {
        let mut steps = Vec::new();
        for range in ranges {
            let path = Text::new(range.location.as_bytes());
            let opened = Source::open(range, &self.reading).and_then(J::Input::open);
            let mut input = opened.map_err(|error| unread(&error))?;
            loop {
                let Some(record) = input.next().map_err(|error| unread(&error))? else { break };
                let mapped = self.map_record(job, record, path);
                let last = input.last();
                let bytes = last.bytes.to_vec();
                let place = Place { file: range.location.clone(), offset: last.offset, bytes };
                match mapped {
                    Ok((pairs, written)) => {
                        steps.push(Step { record: Some(place), pairs, written })
                    }
                    Err(error) => return Err(failed("the map", &error, Some(&place.bytes))),
                }
            }
        }
        let path = ranges.last().map_or(&b""[..], |range| range.location.as_bytes());
        let (pairs, written) = self
            .clean_up(job, Text::new(path))
            .map_err(|error| failed("the cleanup", &error, None))?;
        steps.push(Step { record: None, pairs, written });
        Ok(steps)
    }

    /// Returns the part that a job without a reduce would write if these map tasks, numbered from `first`, wrote it
    /// together.
    pub(super) fn map_to_part(
        &mut self,
        first: u32,
        tasks: &[Vec<FileRange>],
    ) -> Result<Vec<u8>, Breach> {
        self.in_one_part(|bench| {
            (first..).zip(tasks).try_for_each(|(index, ranges)| {
                let job = bench.task(TaskKind::Map, index, 1)?;
                bench.map(&job, ranges).map(drop)
            })
        })
    }

    /// Returns the part that a reduce task writes for these groups.
    pub(super) fn reduce_to_part(&mut self, job: &J, groups: &[Keyed]) -> Result<Vec<u8>, Breach> {
        self.in_one_part(|bench| {
            groups.iter().try_for_each(|keyed| bench.reduce(job, keyed).map(drop))
        })
    }

    /// Returns all output of `code`, as one part.
    fn in_one_part(
        &mut self,
        code: impl FnOnce(&mut Self) -> Result<(), Breach>,
    ) -> Result<Vec<u8>, Breach> {
        self.part.hold();
        self.together = true;
        let done = code(self);
        self.together = false;
        let part = self.part.take().map_err(|error| failed("the output format", &error, None));
        done.and(part).map(|(bytes, _)| bytes)
    }

    /// Returns the counts and side outputs of `code`.
    pub(super) fn side_results(
        &mut self,
        code: impl FnOnce(&mut Self) -> Result<(), Breach>,
    ) -> Result<SideResults, Breach> {
        self.side_results = Some(SideResults::default());
        let done = code(self);
        let side_results = self.side_results.take().unwrap_or_default();
        done.map(|()| side_results)
    }

    /// Collects counts and side outputs. Called when the job's code has returned.
    fn gather(&mut self) -> Result<(), Error> {
        let (counters, sides) = self.context.take()?;
        if let Some(side_results) = &mut self.side_results {
            side_results.add(&counters, &sides);
        }
        Ok(())
    }

    /// Discards the output of code that panicked.
    pub(super) fn recover(&mut self) {
        self.together = false;
        self.side_results = None;
        let _left = self.part.take();
        let _left = self.context.take();
    }

    fn map_record(
        &mut self,
        job: &J,
        record: RecordOf<'_, J>,
        path: &Text,
    ) -> Result<(Vec<Pair>, Vec<u8>), Error> {
        if J::MAP_ONLY {
            return Ok((Vec::new(), self.write(path, |out| job.write_map(record, out))?));
        }
        Ok((self.emit(path, |out| job.map(record, out))?, Vec::new()))
    }

    fn clean_up(&mut self, job: &J, path: &Text) -> Result<(Vec<Pair>, Vec<u8>), Error> {
        if J::MAP_ONLY {
            return Ok((Vec::new(), self.write(path, |out| job.write_cleanup(out))?));
        }
        Ok((self.emit(path, |out| job.cleanup(out))?, Vec::new()))
    }

    /// Returns the pairs that `code` emits.
    fn emit(
        &mut self,
        path: &Text,
        code: impl FnOnce(&mut Emitter<'_, J>) -> Result<(), Error>,
    ) -> Result<Vec<Pair>, Error> {
        let mut pairs = Pairs::default();
        self.batch.clear();
        let done = code(&mut Emitter {
            batch: &mut self.batch,
            scratch: &mut self.key_scratch,
            collector: &mut pairs,
            context: &mut self.context,
            hold: false,
            path,
            job: PhantomData,
        });
        self.gather()?;
        done?;
        pairs.accept(&mut self.batch).map_err(Error::new)?;
        Ok(pairs.0)
    }

    /// Returns the bytes that `code` writes.
    fn write(
        &mut self,
        path: &Text,
        code: impl FnOnce(&mut Writer<'_, J::Output>) -> Result<(), Error>,
    ) -> Result<Vec<u8>, Error> {
        if !self.together {
            self.part.hold();
        }
        let done = code(&mut Writer { part: &mut self.part, context: &mut self.context, path });
        let done = self.gather().and(done);
        if self.together {
            return done.map(|()| Vec::new());
        }
        let (bytes, records) = self.part.take()?;
        // A format may begin and end its parts with bytes that belong to no record.
        done.map(|()| if records > 0 { bytes } else { Vec::new() })
    }

    /// Returns the output of the reduce for this key and these values.
    pub(super) fn reduce(&mut self, job: &J, keyed: &Keyed) -> Result<Vec<u8>, Breach> {
        let mut key_scratch = std::mem::take(&mut self.key_scratch);
        let mut order_scratch = std::mem::take(&mut self.order_scratch);
        let written = self.write(Text::new(b""), |out| {
            let key = J::Key::decode_group(&keyed.group, &mut key_scratch).map_err(Error::new)?;
            let mut group = InTurn::new(keyed);
            let scratch = &mut order_scratch;
            let key_bytes = keyed.group.as_slice();
            let values = Values { group: &mut group, key: key_bytes, scratch, job: PhantomData };
            job.reduce(key, values, out)
        });
        (self.key_scratch, self.order_scratch) = (key_scratch, order_scratch);
        written.map_err(|error| failed("the reduce", &error, None))
    }

    /// Returns the output of a reduce task for each of these groups, which are processed in order.
    pub(super) fn reduce_each<'k>(
        &mut self,
        job: &J,
        groups: impl IntoIterator<Item = &'k Keyed>,
    ) -> Result<Results, Breach> {
        groups
            .into_iter()
            .map(|keyed| Ok((keyed.group.clone(), self.reduce(job, keyed)?)))
            .collect()
    }
}

/// Sets a job value up for a task.
pub(super) fn set_up<J: Job>(
    job: &mut J,
    kind: TaskKind,
    index: u32,
    reducers: u32,
) -> Result<(), Breach> {
    let task = Task { id: JOB.task(kind, index), reducers };
    job.setup(&task).map_err(|error| failed("`setup`", &error, None))
}

/// Creates the breach for an error that the job's own code returned.
pub(super) fn failed(step: &'static str, error: &Error, record: Option<&[u8]>) -> Breach {
    let at = error.location();
    Breach::Failed {
        step,
        message: error.to_string(),
        at: Some(format!("{}:{}", at.file(), at.line())),
        record: record.map(show::bytes),
    }
}

fn unread(error: &crate::format::Error) -> Breach {
    Breach::Failed { step: "reading the input", message: error.to_string(), at: None, record: None }
}
