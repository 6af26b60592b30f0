//! Removes a worker that is leaving because its process was asked to stop.

use serde::{Deserialize, Serialize};

use super::lose_worker::{self, Departure};
use crate::model::WorkerId;
use crate::scheduler::{Effect, Rejection, Scheduler};

/// Sent by the leader when a worker leaves: its process was asked to end, and has ended its attempts.
///
/// Its tasks move to other workers at once, and this does not count as a failure. Its map outputs are lost with it, so
/// those maps run again if their job still has an unfinished reduce. To avoid both, drain the worker first; see
/// [`Drain`](super::Drain).
///
/// When repeated, it is refused, because the worker, or that process of it, is not registered. If it is lost, the
/// worker's lease expires instead, and [`LoseWorker`](super::LoseWorker) follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The worker.
    pub worker: WorkerId,
    /// Which process of it, so that a late command does not end the next one.
    pub incarnation: u64,
}

impl Leave {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { worker, incarnation } = self;
        scheduler.check_incarnation(worker, incarnation)?;
        lose_worker::remove(scheduler, worker, Departure::Left, effects)
    }
}
