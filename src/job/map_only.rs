//! Jobs without a reduce: what the map writes is the output.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Emitter, Error, Job, RecordOf, Result, Task, Values, Writer};
use crate::format::{Input, Output};

/// A job whose map writes the output itself: part for part in the order of the input.
///
/// Launch it as `gristmill::launch::<MapOnly<Grep>>()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job without a reduce",
    label = "needs `impl MapJob for {Self}`",
    note = "a job with a reduce implements `Job` and is launched as it is: `gristmill::launch::<{Self}>()`"
)]
pub trait MapJob: Args + Serialize + DeserializeOwned + Send + 'static {
    /// How input files become records.
    type Input: Input;
    /// How records are written.
    type Output: Output + Default + Send;

    /// Names of the inputs, as for [`Job::INPUTS`].
    const INPUTS: &'static [&'static str] = &[];

    /// Called with every record of the input.
    ///
    /// # Errors
    ///
    /// Any; it ends the job and names the record.
    fn map(
        &self,
        record: <Self::Input as Input>::Record<'_>,
        out: &mut Writer<'_, Self::Output>,
    ) -> Result;

    /// As [`Job::setup`].
    ///
    /// # Errors
    ///
    /// Any; it ends the job.
    fn setup(&mut self, task: &Task) -> Result {
        let _ = task;
        Ok(())
    }

    /// As [`Job::cleanup`].
    ///
    /// # Errors
    ///
    /// Any; it ends the job.
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

// Its flags are the job's, and so is what `--help` says first, which a derived impl would take from up there.
impl<M: Args> Args for MapOnly<M> {
    fn augment_args(command: Command) -> Command {
        M::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        M::augment_args_for_update(command)
    }
}

impl<M: Args> FromArgMatches for MapOnly<M> {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        M::from_arg_matches(matches).map(|job| MapOnly { job })
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        self.job.update_from_arg_matches(matches)
    }
}

impl<M: Serialize> Serialize for MapOnly<M> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.job.serialize(serializer)
    }
}

impl<'de, M: Deserialize<'de>> Deserialize<'de> for MapOnly<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        M::deserialize(deserializer).map(|job| MapOnly { job })
    }
}

/// The key of jobs that emit nothing: it has no values.
#[derive(Debug, Serialize, Deserialize)]
pub enum NoKey {}

#[derive(Debug, thiserror::Error)]
#[error("a job without a reduce was asked to emit")]
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
