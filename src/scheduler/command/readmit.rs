//! Ends a worker's exclusion.

use serde::{Deserialize, Serialize};

use crate::model::WorkerId;
use crate::scheduler::{Effect, Rejection, Scheduler};

/// Proposed by [`watch`](crate::scheduler::watch()) when a worker's exclusion has lasted long enough. The worker gets
/// attempts again, and its failures are cleared.
///
/// Refused unless exactly that exclusion is in force, so a repeated or late command never ends the next one. If it is
/// lost, it is proposed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readmit {
    /// The worker.
    pub worker: WorkerId,
    /// Which of its exclusions, from 1.
    pub number: u32,
}

impl Readmit {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        _: &mut [Effect],
    ) -> Result<(), Rejection> {
        let Self { worker, number } = self;
        let found = scheduler.slots.get(worker).ok_or(Rejection::UnknownWorker { worker })?;
        if found.exclusion.is_none_or(|exclusion| exclusion.number != number) {
            return Err(Rejection::NotExcluded { worker, number });
        }
        scheduler.slots.readmit(worker);
        Ok(())
    }
}
