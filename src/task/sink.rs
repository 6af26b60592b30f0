//! Passes pairs from the author's code to a collector, and keeps the collector's first failure even
//! if that code ignores it.

use super::failure::{AttemptError, guard};
use crate::job::{self, Fault, Job};
use crate::record::{SERDE_HINT, value};
use crate::shuffle::{Batch, Collect, Error};

#[derive(Debug, thiserror::Error)]
#[error(
    "a value of type `{of}` cannot be read back after it was emitted: {error}\nhint: {SERDE_HINT}"
)]
pub(super) struct Unreadable {
    of: &'static str,
    error: value::Error,
}

/// Reads the values of a batch back.
type Check = fn(&Batch) -> Result<(), Unreadable>;

fn check<'b, J: Job>(batch: &'b Batch) -> Result<(), Unreadable> {
    batch.pairs().iter().try_for_each(|pair| {
        let read = value::decode::<J::Value<'b>>(batch.value(pair));
        let of = std::any::type_name::<J::Value<'static>>();
        read.map(drop).map_err(|error| Unreadable { of, error })
    })
}

/// A collector that accepts nothing after its first failure.
///
/// An error or a panic of the author's combiner may occur in the middle of a batch. Then it is not known which of the
/// batch's pairs were taken, so the batch must not be offered again, and the attempt must fail.
///
/// The values of the first batch are read back, so that a type that serde can write but not read back fails the first map,
/// not the reduces after all maps. Checking one batch costs little. Most such types are refused before any work.
pub(super) struct Sink<'t> {
    collector: &'t mut (dyn Collect + 't),
    /// Until the first batch has been checked.
    check: Option<Check>,
    fault: Fault<AttemptError>,
}

impl<'t> Sink<'t> {
    pub(super) fn new<J: Job>(collector: &'t mut (dyn Collect + 't)) -> Self {
        Sink { collector, check: Some(check::<J>), fault: Fault::default() }
    }

    /// Returns the first failure, and clears it.
    pub(super) fn fault(&mut self) -> Option<AttemptError> {
        self.fault.take()
    }
}

impl Collect for Sink<'_> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if !self.fault.has_failed() {
            let check = self.check.take();
            let taken = guard(|| {
                if let Some(check) = check {
                    check(batch).map_err(|error| AttemptError::Framework(Box::new(error)))?;
                }
                Ok(self.collector.accept(batch).map_err(job::Error::new)?)
            });
            let Err(attempt_error) = taken else {
                return Ok(());
            };
            self.fault.keep(attempt_error);
        }
        batch.clear();
        Err(Error::Ended)
    }
}
