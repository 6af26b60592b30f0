//! Adds more map tasks to a running map attempt that has asked for them.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, JobId, TaskKind};
use crate::scheduler::{Effect, Rejection, Scheduler};

/// Sent by the worker of a map attempt that folds equal keys, before it has finished its maps: up to `wanted` maps
/// without a winner or a failed attempt join it and share its output.
///
/// This way the output of many maps on one slot is sorted, written and fetched once, instead of once for each map.
/// Refused unless this is the only running attempt of its map, none has won or failed, it knows all maps that have
/// joined so far (so it is also refused when repeated), and its job would get the next free slot for such a map. If it
/// is lost or refused, the attempt ends with the maps that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The attempt.
    pub attempt: AttemptId,
    /// How many maps have joined it, as far as it knows.
    pub known: u32,
    /// How many more it asks for.
    pub wanted: u32,
}

impl Join {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        _: &mut [Effect],
    ) -> Result<(), Rejection> {
        let Self { attempt, known, wanted } = self;
        let worker = scheduler.worker_of(attempt)?;
        let most = scheduler.may_join(attempt, known).ok_or(Rejection::NoneJoins { attempt })?;
        let now_ms = scheduler.now_ms;
        scheduler.job_mut(attempt.task.job)?.join(attempt, most.min(wanted), worker, now_ms);
        scheduler.refresh(attempt.task.job);
        Ok(())
    }
}

impl Scheduler {
    /// Returns how many maps would join an attempt that knows of this many; `None` if [`Join`] would be refused.
    pub fn may_join(&self, attempt: AttemptId, known: u32) -> Option<u32> {
        let id: JobId = attempt.task.job;
        let worker = self.slots.worker_of(attempt)?;
        let may = attempt.task.kind == TaskKind::Map
            && self.slots.is_usable(worker)
            && self.queue.first() == Some(id);
        self.jobs.get(&id).filter(|_| may)?.may_join(attempt, known)
    }
}
