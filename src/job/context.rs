//! What an attempt collects beside its result: counters and side outputs.

use std::sync::Arc;

use super::counter::Counts;
use super::part::Written;
use super::side::Sides;
use super::{Counter, Error, Result, Side, SideWriter};
use crate::format::Output;
use crate::spec::Counters;
use crate::storage::AttemptFolder;

/// What was written to each side output, by its name, as a whole part.
pub(crate) type Taken = Vec<(&'static str, Vec<u8>)>;

/// One attempt's counts and side outputs.
pub(crate) struct Context {
    counts: Counts,
    sides: Sides,
    folder: Arc<AttemptFolder>,
    /// Where bad records may be skipped: the counts before the current one.
    counts_before: Option<Counts>,
}

impl Context {
    /// The context of an attempt whose parts go to this folder; `suffix` ends its side parts' names.
    pub(crate) fn new(folder: Arc<AttemptFolder>, suffix: String) -> Self {
        Context {
            counts: Counts::default(),
            sides: Sides::new(suffix),
            folder,
            counts_before: None,
        }
    }

    /// The same, for a caller that collects everything with [`take`](Self::take): nothing is written to files.
    pub(crate) fn in_memory(folder: Arc<AttemptFolder>, suffix: String) -> Self {
        let mut context = Context::new(folder, suffix);
        context.sides.keep();
        context
    }

    /// What was counted and written to side outputs since the last call. Only in memory.
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

    /// Called before each record where bad ones may be skipped.
    pub(crate) fn begin(&mut self) -> Result {
        self.counts_before = Some(self.counts.clone());
        self.sides.begin()
    }

    /// Called before each key where those may be set aside on which the reduce fails.
    pub(crate) fn begin_key(&mut self) -> Result {
        self.counts_before = Some(self.counts.clone());
        self.sides.begin_key()
    }

    /// Whether all that was written to side outputs since `begin_key` can be taken back.
    pub(crate) fn is_held(&self) -> bool {
        self.sides.are_held()
    }

    /// Takes back what was counted and written to side outputs since `begin`.
    pub(crate) fn take_back(&mut self) {
        if let Some(before) = self.counts_before.take() {
            self.counts = before;
        }
        self.sides.take_back();
    }

    /// The first failure to write a side output, once.
    pub(crate) fn fault(&mut self) -> Option<Error> {
        self.sides.fault()
    }

    /// Ends the side outputs, and says what was counted and written.
    pub(crate) fn seal(self) -> Result<(Counters, Vec<Written>)> {
        let written = self.sides.seal()?;
        Ok((self.counts.into_counters(), written))
    }
}
