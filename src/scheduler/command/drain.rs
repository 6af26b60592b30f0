//! Drains a worker: it finishes its attempts and gets no new ones, because it will leave.

use serde::{Deserialize, Serialize};

use crate::model::WorkerId;
use crate::scheduler::{Effect, Rejection, Scheduler};

/// Sent by the leader when an operator, or the worker itself, asks for it to leave.
///
/// The worker gets no new attempts, even if it is the last one. Its running attempts may end, and its map outputs can
/// be fetched. When it is no longer needed, [`WorkerDrained`](Effect::WorkerDrained) says so once, and its state says
/// so from then on. Repeating the command changes nothing. If it is lost, the operator's command reports an unknown
/// outcome. A new process of the worker (a higher incarnation) is not draining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The worker.
    pub worker: WorkerId,
}

impl Drain {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        _: &mut [Effect],
    ) -> Result<(), Rejection> {
        let Self { worker } = self;
        scheduler.slots.get(worker).ok_or(Rejection::UnknownWorker { worker })?;
        scheduler.slots.drain(worker);
        Ok(())
    }
}
