//! Passes pairs from an author's code to a collector, and keeps the collector's first failure even if the code
//! ignores it.

use super::failure::{Trouble, guard};
use crate::job::{self, Fault};
use crate::shuffle::{Batch, Collect, Error};

/// A collector that accepts nothing after its first failure.
///
/// An error or a panic of the author's combiner may occur in the middle of a batch. Then it is not known which of the
/// batch's pairs were taken, so the batch must not be offered again, and the attempt must fail.
pub(super) struct Sink<'t> {
    collector: &'t mut (dyn Collect + 't),
    fault: Fault<Trouble>,
}

impl<'t> Sink<'t> {
    pub(super) fn new(collector: &'t mut (dyn Collect + 't)) -> Self {
        Sink { collector, fault: Fault::default() }
    }

    /// Returns the first failure, and clears it.
    pub(super) fn fault(&mut self) -> Option<Trouble> {
        self.fault.take()
    }
}

impl Collect for Sink<'_> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if !self.fault.has_failed() {
            let Err(trouble) =
                guard(|| Ok(self.collector.accept(batch).map_err(job::Error::new)?))
            else {
                return Ok(());
            };
            self.fault.keep(trouble);
        }
        batch.clear();
        Err(Error::Ended)
    }
}
