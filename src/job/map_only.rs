//! Jobs without a reduce: the map's records are the output.

use clap::{ArgMatches, Command};
use serde::{Deserialize, Serialize};

use super::{Emitter, Error, Job, JobValue, RecordOf, Result, Task, Values, Writer};
use crate::format::{Input, Output};
use crate::record::{Misfit, value};

/// A job whose map writes the output itself: one part per split, in the order of the input.
///
/// Launch it as `gristmill::launch::<MapOnly<FindLines>>()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a map-only job",
    label = "needs `impl MapJob for {Self}`",
    note = "a job with a reduce implements `Job` and is launched directly: `gristmill::launch::<{Self}>()`"
)]
pub trait MapJob: JobValue + Send + 'static {
    /// The input format, which turns files into records.
    type Input: Input;
    /// The output format, which writes records.
    type Output: Output + Default + Send;

    /// Names of the inputs, as for [`Job::INPUTS`].
    const INPUTS: &'static [&'static str] = &[];

    /// Maps one record: writes records of the output. Called for every record of the input.
    ///
    /// # Errors
    ///
    /// Any error. It ends the job with a message that names the record, unless `--max-bad-records` allows bad records.
    fn map(
        &self,
        record: <Self::Input as Input>::Record<'_>,
        out: &mut Writer<'_, Self::Output>,
    ) -> Result;

    /// Prepares a task, as [`Job::setup`] does.
    ///
    /// # Errors
    ///
    /// Any error. It ends the job.
    fn setup(&mut self, task: &Task) -> Result {
        let _ = task;
        Ok(())
    }

    /// Ends a map task, as [`Job::cleanup`] does.
    ///
    /// # Errors
    ///
    /// Any error. It ends the job.
    fn cleanup(&self, out: &mut Writer<'_, Self::Output>) -> Result {
        let _ = out;
        Ok(())
    }
}

/// Makes a [`MapJob`] a [`Job`].
#[derive(Debug)]
pub struct MapOnly<M> {
    job: M,
}

impl<M> MapOnly<M> {
    /// Wraps a job value.
    pub fn new(job: M) -> Self {
        MapOnly { job }
    }
}

// Its flags are the job's, and so is the first line of `--help`.
#[diagnostic::do_not_recommend]
impl<M: JobValue> JobValue for MapOnly<M> {
    fn with_flags(command: Command) -> Command {
        M::with_flags(command)
    }

    fn from_flags(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        M::from_flags(matches).map(MapOnly::new)
    }

    fn to_bytes(&self) -> std::result::Result<Vec<u8>, value::Error> {
        self.job.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, value::Error> {
        M::from_bytes(bytes).map(MapOnly::new)
    }

    fn probe() -> std::result::Result<(), Misfit> {
        M::probe()
    }
}

/// The key of jobs that emit nothing: it has no values.
#[derive(Debug, Serialize, Deserialize)]
pub enum NoKey {}

#[derive(Debug, thiserror::Error)]
#[error("a job without a reduce cannot emit")]
struct NoReduce;

impl<M: MapJob> Job for MapOnly<M> {
    type Input = M::Input;
    type Key<'a> = NoKey;
    type Value<'a> = NoKey;
    type Output = M::Output;

    const INPUTS: &'static [&'static str] = M::INPUTS;
    const MAP_ONLY: bool = true;

    fn map(&self, _: RecordOf<'_, Self>, _: &mut Emitter<'_, Self>) -> Result {
        Err(Error::new(NoReduce))
    }

    fn reduce(&self, key: NoKey, _: Values<'_, Self>, _: &mut Writer<'_, M::Output>) -> Result {
        match key {}
    }

    fn setup(&mut self, task: &Task) -> Result {
        self.job.setup(task)
    }

    fn write_map(&self, record: RecordOf<'_, Self>, out: &mut Writer<'_, M::Output>) -> Result {
        self.job.map(record, out)
    }

    fn write_cleanup(&self, out: &mut Writer<'_, M::Output>) -> Result {
        self.job.cleanup(out)
    }
}
