//! The traits that a job author implements.
//!
//! A job is a value. Its fields are its command-line flags; its [`Job`] impl contains its map and its reduce.

mod combine;
mod context;
mod counter;
mod emitter;
mod error;
mod fault;
mod flag_type;
mod job_value;
mod map_only;
mod part;
mod partition;
mod side;
mod side_file;
mod values;
mod writer;

pub use combine::{Combine, KeepApart, Max, Min, NoCombiner, Number, Sum};
pub(crate) use context::Context;
pub use counter::Counter;
pub use emitter::Emitter;
pub use error::{Error, Result, UserError};
pub(crate) use fault::{Ended, Fault};
pub use flag_type::{FlagType, NoParser};
pub use job_value::{JobValue, says_the_same};
pub use map_only::{MapJob, MapOnly, NoKey};
pub(crate) use part::{KeepsState, PartBuffer, Written};
pub use partition::{By, ByHash, Partition, TotalOrder};
pub use side::{Side, SideWriter};
pub use side_file::{SideFile, Unreadable};
pub(crate) use side_file::{named_by, placed_by};
pub use values::Values;
pub use writer::Writer;

use serde::{Deserialize, Serialize};

use crate::format::{Input, Output};
use crate::record::Key;

/// The argument of a job's map.
pub type RecordOf<'a, J> = <<J as Job>::Input as Input>::Record<'a>;
/// The key argument of a job's reduce: the key, or the group of a grouped key.
pub type GroupOf<'a, J> = <<J as Job>::Key<'a> as Key<'a>>::Group;
/// The part of the key that accompanies each value: the order within the group for a grouped key, else `()`.
pub type OrderOf<'a, J> = <<J as Job>::Key<'a> as Key<'a>>::Order;

/// A MapReduce job (Dean and Ghemawat, "MapReduce: Simplified Data Processing on Large Clusters", OSDI 2004).
///
/// The fields of the type that implements `Job` are the job's own flags. The job value is made from those flags,
/// serialized, and sent to every task, so it must not change when it is serialized and deserialized.
///
/// Mark a field that is not a flag with `#[arg(skip)]`, and also with `#[serde(skip)]` if tasks do not need its value.
/// The field's type must then implement `Default`. If clap cannot parse the type of a field from text, skip the field,
/// add `#[arg(value_parser = …)]` to it, or implement `FromStr` for its type.
///
/// `#[derive(Args, Serialize, Deserialize)]` turns the fields into flags, and makes the value serializable:
///
/// ```
/// use gristmill::prelude::*;
/// #[derive(Args, Serialize, Deserialize)]
/// struct Count {}
/// impl Job for Count {
///     type Input = Lines;
///     type Key<'a> = &'a Text;
///     type Value<'a> = u64;
///     type Output = Tsv;
///     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
///         line.words().try_for_each(|word| out.emit(word, 1))
///     }
///     fn combiner(&self) -> impl Combine<Self> {
///         Sum
///     }
///     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
///         out.write((word, counts.sum()?))
///     }
/// }
/// ```
///
/// Without [`Args`](clap::Args), the type is not a job:
///
/// ```compile_fail,E0277
/// # use gristmill::prelude::*;
/// #[derive(Serialize, Deserialize)]
/// struct Count {}
/// # impl Job for Count {
/// #     type Input = Lines;
/// #     type Key<'a> = &'a Text;
/// #     type Value<'a> = u64;
/// #     type Output = Tsv;
/// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
/// #         line.words().try_for_each(|word| out.emit(word, 1))
/// #     }
/// #     fn combiner(&self) -> impl Combine<Self> {
/// #         Sum
/// #     }
/// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
/// #         out.write((word, counts.sum()?))
/// #     }
/// # }
/// ```
///
/// It is not a job without serde's [`Serialize`] and [`Deserialize`] either:
///
/// ```compile_fail,E0277
/// # use gristmill::prelude::*;
/// #[derive(Args)]
/// struct Count {}
/// # impl Job for Count {
/// #     type Input = Lines;
/// #     type Key<'a> = &'a Text;
/// #     type Value<'a> = u64;
/// #     type Output = Tsv;
/// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
/// #         line.words().try_for_each(|word| out.emit(word, 1))
/// #     }
/// #     fn combiner(&self) -> impl Combine<Self> {
/// #         Sum
/// #     }
/// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
/// #         out.write((word, counts.sum()?))
/// #     }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "needs `impl Job for {Self}`",
    note = "a job without a reduce implements `MapJob` and is launched as `MapOnly<{Self}>`"
)]
pub trait Job: JobValue + Send + 'static {
    /// The input format, which turns files into records: [`crate::format::Lines`], another built-in format, or your
    /// own.
    type Input: Input;
    /// The type of the keys that the map emits: any serde type, borrowed or owned, or [`crate::record::Grouped`].
    type Key<'a>: Key<'a>; // in your impl, such as `type Key<'a> = &'a Text;`, always with `<'a>`
    /// The type of the values that the map emits: any serde type, borrowed or owned.
    type Value<'a>: Serialize + Deserialize<'a>; // in your impl, such as `type Value<'a> = u64;`
    /// The output format, which writes records: [`crate::format::Tsv`], another built-in format, or your own.
    type Output: Output + Default + Send;

    /// Names of the inputs of a job that reads several kinds of input. On the command line, they are given as
    /// `NAME=PATH`.
    ///
    /// There must be one name for each input that [`Job::Input`] reads: two for `Either<A, B>`.
    const INPUTS: &'static [&'static str] = &[];

    /// Maps one record: emits the pairs that the reduces receive. Called for every record of the input.
    ///
    /// # Errors
    ///
    /// Any error. It ends the job with a message that names the record, unless `--max-bad-records` allows bad records.
    fn map(&self, record: RecordOf<'_, Self>, out: &mut Emitter<'_, Self>) -> Result;

    /// Reduces one key: receives all its values, and writes the records of the output. Called once for every distinct
    /// key, in the order of keys within a part.
    ///
    /// # Errors
    ///
    /// Any error. It ends the job, unless `--max-bad-records` allows bad records and the output of the key can be
    /// rolled back: the key is then set aside.
    fn reduce(
        &self,
        key: GroupOf<'_, Self>,
        values: Values<'_, Self>,
        out: &mut Writer<'_, Self::Output>,
    ) -> Result;

    /// Returns the combiner, which folds the values of equal keys in the map task's memory: [`Sum`], [`Min`], [`Max`],
    /// or your own. By default, there is none.
    fn combiner(&self) -> impl Combine<Self> {
        NoCombiner
    }

    /// Returns the partitioner, which decides which part a key goes to: [`ByHash`] by default, [`TotalOrder`], or your
    /// own.
    fn partitioner(&self) -> impl Partition<Self> {
        ByHash
    }

    /// Prepares the data that the task's calls of map or reduce share. Called once at the beginning of every task.
    ///
    /// Keep the data in fields marked `#[arg(skip)] #[serde(skip)]`.
    ///
    /// # Errors
    ///
    /// Any error. It ends the job.
    fn setup(&mut self, task: &Task) -> Result {
        let _ = task;
        Ok(())
    }

    /// Ends a map task, for example by emitting pairs that it has held back. Called once, after the task's last record.
    ///
    /// # Errors
    ///
    /// Any error. It ends the job.
    fn cleanup(&self, out: &mut Emitter<'_, Self>) -> Result {
        let _ = out;
        Ok(())
    }

    /// Whether the map writes the output. True only for [`MapOnly`].
    #[doc(hidden)]
    const MAP_ONLY: bool = false;

    /// The map of a [`MapOnly`] job.
    #[doc(hidden)]
    fn write_map(&self, record: RecordOf<'_, Self>, out: &mut Writer<'_, Self::Output>) -> Result {
        let _ = (record, out);
        Ok(())
    }

    /// The cleanup of a [`MapOnly`] job.
    #[doc(hidden)]
    fn write_cleanup(&self, out: &mut Writer<'_, Self::Output>) -> Result {
        let _ = out;
        Ok(())
    }
}

/// The task that a job value is set up for.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its id, such as `j1/m12`.
    pub id: crate::model::TaskId,
    /// The number of parts of the output.
    pub reducers: u32,
}
