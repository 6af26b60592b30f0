//! Stands between an author's code and a collector, and keeps the collector's first failure whatever that code does
//! with the error.

use super::failure::{Trouble, guard};
use crate::job::{self, Fault};
use crate::shuffle::{Batch, Collect, Error};

/// A collector that, once it has failed, takes no more.
///
/// A failure may come in the middle of a batch, by an error or by a panic of the author's combiner. What was taken of
/// the batch cannot be told from what was not, so nothing of it may be offered again, and the attempt must fail.
pub(super) struct Sink<'t> {
    collector: &'t mut (dyn Collect + 't),
    fault: Fault<Trouble>,
}

impl<'t> Sink<'t> {
    pub(super) fn new(collector: &'t mut (dyn Collect + 't)) -> Self {
        Sink { collector, fault: Fault::default() }
    }

    /// The first failure, once.
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
