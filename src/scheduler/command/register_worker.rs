//! A worker lends its slots.

use serde::{Deserialize, Serialize};

use crate::scheduler::{Field, Rejection, Scheduler};
use crate::spec::WorkerId;

/// Attempts that one worker may run at once; more than any machine has cores.
const SLOTS_MAX: u32 = 4_096;

/// Sent for a worker that is new, or was lost and is back with nothing.
///
/// Refused while the worker is believed alive, so a repeated one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterWorker {
    /// Its id.
    pub worker: WorkerId,
    /// Attempts it can run at once, 1 to 4,096.
    pub slots: u32,
}

impl RegisterWorker {
    pub(in crate::scheduler) fn apply(self, scheduler: &mut Scheduler) -> Result<(), Rejection> {
        let Self { worker, slots } = self;
        Field::Slots.check(slots, 1, SLOTS_MAX)?;
        if scheduler.slots.contains(worker) {
            return Err(Rejection::WorkerExists { worker });
        }
        scheduler.slots.add(worker, slots);
        Ok(())
    }
}
