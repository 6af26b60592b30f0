//! What an attempt collects in addition to its result: counters and side outputs.

use std::sync::Arc;

use super::counter::Counts;
use super::part::Written;
use super::side::Sides;
use super::{Counter, Error, Result, Side, SideWriter};
use crate::format::Output;
use crate::model::Counters;
use crate::storage::AttemptFolder;

/// The bytes written to each side output, by name, as a complete part.
pub(crate) type Taken = Vec<(&'static str, Vec<u8>)>;

/// One attempt's counts and side outputs.
pub(crate) struct Context {
    counts: Counts,
    sides: Sides,
    folder: Arc<AttemptFolder>,
    /// The counts before the current record or key, if bad ones may be skipped.
    counts_before: Option<Counts>,
}

impl Context {
    /// Creates the context of an attempt that writes its parts to this folder; side parts' names end in `suffix`.
    pub(crate) fn new(folder: Arc<AttemptFolder>, suffix: String) -> Self {
        Context {
            counts: Counts::default(),
            sides: Sides::new(suffix),
            folder,
            counts_before: None,
        }
    }

    /// Creates a context that keeps everything in memory for [`take`](Self::take), without files.
    pub(crate) fn in_memory(folder: Arc<AttemptFolder>, suffix: String) -> Self {
        let mut context = Context::new(folder, suffix);
        context.sides.keep();
        context
    }

    /// Returns counts and side output since the last call. Only for contexts in memory.
    pub(crate) fn take(&mut self) -> Result<(Counters, Taken)> {
        let sides = self.sides.take()?;
        Ok((std::mem::take(&mut self.counts).into_counters(), sides))
    }

    pub(crate) fn count(&mut self, counter: Counter, n: u64) {
        self.counts.add(counter, n);
    }

    pub(crate) fn side<O: Output + Default + Send>(
        &mut self,
        side: Side<O>,
    ) -> Result<SideWriter<'_, O>> {
        self.sides.writer(side, &self.folder)
    }

    /// Marks the start of a record for a rollback. Must be called before each record if bad records may be skipped.
    pub(crate) fn begin(&mut self) -> Result {
        self.counts_before = Some(self.counts.clone());
        self.sides.begin()
    }

    /// Marks the start of a key for a rollback. Must be called before each key if keys for which the reduce fails may
    /// be set aside.
    pub(crate) fn begin_key(&mut self) -> Result {
        self.counts_before = Some(self.counts.clone());
        self.sides.begin_key()
    }

    /// Whether all side output since `begin_key` can be rolled back.
    pub(crate) fn is_held(&self) -> bool {
        self.sides.are_held()
    }

    /// Rolls back counts and side output since `begin` or `begin_key`.
    pub(crate) fn take_back(&mut self) {
        if let Some(before) = self.counts_before.take() {
            self.counts = before;
        }
        self.sides.take_back();
    }

    /// Returns the first failure to write a side output, once.
    pub(crate) fn fault(&mut self) -> Option<Error> {
        self.sides.fault()
    }

    /// Ends the side outputs, and returns counts and side output.
    pub(crate) fn seal(self) -> Result<(Counters, Vec<Written>)> {
        let written = self.sides.seal()?;
        Ok((self.counts.into_counters(), written))
    }
}
