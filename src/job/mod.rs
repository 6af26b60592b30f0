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
/// The argument of a job's reduce, once for each distinct one: the key, or the group of a grouped key.
pub type GroupOf<'a, J> = <<J as Job>::Key<'a> as Key<'a>>::Group;
/// What accompanies each value: the order within the group of a grouped key, else nothing.
pub type OrderOf<'a, J> = <<J as Job>::Key<'a> as Key<'a>>::Order;

/// A MapReduce job (Dean and Ghemawat, "MapReduce: Simplified Data Processing on Large Clusters", OSDI 2004).
///
/// The fields of the type that implements it are the job's own flags. Every task gets a job value of its own, made
/// from those flags, so the value must survive serialization.
/// A field that is not a flag has `#[arg(skip)]`, and `#[serde(skip)]` unless tasks need its value; its type then
/// implements `Default`. A field whose type clap cannot read from text needs that, or an `#[arg(value_parser = …)]`, or
/// `FromStr` for its type.
///
/// The type derives what makes its flags and takes them to the tasks:
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
/// Without [`Args`](clap::Args) it is not a job:
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
/// nor without serde's [`Serialize`] and [`Deserialize`]:
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
    /// How input files become records: [`crate::format::Lines`] and its like, or a format of your own.
    type Input: Input;
    /// What the map emits by: any serde type, borrowed or owned, or [`crate::record::Grouped`].
    type Key<'a>: Key<'a>; // in your impl, such as `type Key<'a> = &'a Text;`, always with `<'a>`
    /// What the map emits: any serde type, borrowed or owned.
    type Value<'a>: Serialize + Deserialize<'a>; // in your impl, such as `type Value<'a> = u64;`
    /// How records are written: [`crate::format::Tsv`] and its like, or a format of your own.
    type Output: Output + Default + Send;

    /// Names of the inputs of a job that reads several kinds; given as `NAME=PATH` on the command line.
    ///
    /// As many as [`Job::Input`] reads: two for `Either<A, B>`.
    const INPUTS: &'static [&'static str] = &[];

    /// Called with every record of the input; emits the pairs that the reduces receive.
    ///
    /// # Errors
    ///
    /// Any; it ends the job and names the record, unless bad records are allowed for.
    fn map(&self, record: RecordOf<'_, Self>, out: &mut Emitter<'_, Self>) -> Result;

    /// Called once for every distinct key, in the order of keys within a part, with all its values.
    ///
    /// # Errors
    ///
    /// Any; it ends the job.
    fn reduce(
        &self,
        key: GroupOf<'_, Self>,
        values: Values<'_, Self>,
        out: &mut Writer<'_, Self::Output>,
    ) -> Result;

    /// What folds equal keys' values in the map's memory: [`Sum`], [`Min`], [`Max`], or your own. None by default.
    fn combiner(&self) -> impl Combine<Self> {
        NoCombiner
    }

    /// What decides which part a key goes to: a hash by default, or [`TotalOrder`], or your own.
    fn partitioner(&self) -> impl Partition<Self> {
        ByHash
    }

    /// Called once at the beginning of every task, to prepare what its calls of map or reduce share.
    ///
    /// Keep it in fields marked `#[arg(skip)] #[serde(skip)]`.
    ///
    /// # Errors
    ///
    /// Any; it ends the job.
    fn setup(&mut self, task: &Task) -> Result {
        let _ = task;
        Ok(())
    }

    /// Called once at the end of every map task, after its last record.
    ///
    /// # Errors
    ///
    /// Any; it ends the job.
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
    pub id: crate::spec::TaskId,
    /// How many parts the output has.
    pub reducers: u32,
}
