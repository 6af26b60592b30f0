//! What an attempt gathers beside its result: counts and side outputs.

use super::counter::Counts;
use super::part::Written;
use super::side::Sides;
use super::{Counter, Result, Side, SideWriter};
use crate::format::Output;
use crate::spec::Counters;
use crate::storage::AttemptFolder;

/// One attempt's counts and side outputs.
pub(crate) struct Context {
    counts: Counts,
    sides: Sides,
    folder: AttemptFolder,
}

impl Context {
    /// The context of an attempt whose parts go to this folder; `suffix` ends its side parts' names.
    pub(crate) fn new(folder: AttemptFolder, suffix: String) -> Self {
        Context { counts: Counts::default(), sides: Sides::new(suffix), folder }
    }

    pub(crate) fn folder(&self) -> &AttemptFolder {
        &self.folder
    }

    pub(crate) fn count(&mut self, counter: Counter, n: u64) {
        self.counts.add(counter, n);
    }

    pub(crate) fn side<O: Output + Default + Send>(&mut self, side: Side<O>) -> Result<SideWriter<'_, O>> {
        self.sides.writer(side, &self.folder)
    }

    /// Ends the side outputs, and says what was counted and written.
    pub(crate) fn seal(self) -> Result<(AttemptFolder, Counters, Vec<Written>)> {
        let written = self.sides.seal()?;
        Ok((self.folder, self.counts.into_counters(), written))
    }
}
