//! Jobs without a reduce: what the map writes is the output.

use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Emitter, Error, Job, RecordOf, Result, Task, Values, Writer};
use crate::format::{Input, Output};

/// A job whose map writes the output itself: part for part in the order of the input.
///
/// Launch it as `gristmill::launch::<MapOnly<Grep>>()`.
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
#[derive(Debug, Args)]
pub struct MapOnly<M: Args> {
    #[command(flatten)]
    job: M,
}

impl<M: Args> MapOnly<M> {
    /// The job that this one is: what to hand to [`crate::testing::check`].
    pub fn new(job: M) -> Self {
        MapOnly { job }
    }
}

impl<M: Args + Serialize> Serialize for MapOnly<M> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.job.serialize(serializer)
    }
}

impl<'de, M: Args + Deserialize<'de>> Deserialize<'de> for MapOnly<M> {
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
