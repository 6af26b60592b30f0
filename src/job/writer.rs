//! Receives the records that a reduce writes. In a job without a reduce, receives the records that the map writes.

use super::part::PartBuffer;
use super::{Context, Counter, Result, Side, SideWriter};
use crate::format::{Output, Writes};
use crate::record::Text;

/// Writes the records of a reduce or, in a job without a reduce, of a map.
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
    /// If the format cannot represent the record, or the disk is full. Pass the error on with `?`.
    #[inline]
    #[track_caller]
    pub fn write<T>(&mut self, record: T) -> Result
    where
        O: Writes<T>,
    {
        self.part.write(&record)
    }

    /// Returns the path of the file that is being read, in a job without a reduce. In a reduce it is empty.
    pub fn path(&self) -> &'t Text {
        self.path
    }

    /// Adds `n` to a counter.
    pub fn count(&mut self, counter: Counter, n: u64) {
        self.context.count(counter, n);
    }

    /// Returns the writer of a side output, for records that are not part of the job's result.
    ///
    /// # Errors
    ///
    /// If its part cannot be created, or if the same name was already used with another format.
    pub fn side<S: Output + Default + Send>(&mut self, side: Side<S>) -> Result<SideWriter<'_, S>> {
        self.context.side(side)
    }
}
