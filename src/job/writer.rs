//! Receives the records that a reduce writes. In a job without a reduce, receives the records that the map writes.

use super::part::PartBuffer;
use super::{Context, Counter, Result, Side, SideWriter};
use crate::format::{Output, Writes};
use crate::record::Text;

/// Where a reduce writes its records.
pub struct Writer<'t, O: Output> {
    pub(crate) part: &'t mut PartBuffer<O>,
    pub(crate) context: &'t mut Context,
    /// Empty in a reduce.
    pub(crate) path: &'t Text,
}

impl<'t, O: Output> Writer<'t, O> {
    /// Writes a record to the job's output.
    ///
    /// # Errors
    ///
    /// A record that the format cannot hold, or a full disk. Pass it on with `?`.
    #[inline]
    #[track_caller]
    pub fn write<T>(&mut self, record: T) -> Result
    where
        O: Writes<T>,
    {
        self.part.write(&record)
    }

    /// In a job without a reduce, the path of the file that is being read; empty in a reduce.
    pub fn path(&self) -> &'t Text {
        self.path
    }

    /// Adds to a counter.
    pub fn count(&mut self, counter: Counter, n: u64) {
        self.context.count(counter, n);
    }

    /// A side output, to which records can be written beside the job's result.
    ///
    /// # Errors
    ///
    /// When its part cannot be created.
    pub fn side<S: Output + Default + Send>(&mut self, side: Side<S>) -> Result<SideWriter<'_, S>> {
        self.context.side(side)
    }
}
