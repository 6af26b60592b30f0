//! A worker is believed dead, and what it ran and held is lost with it.

use serde::{Deserialize, Serialize};

use crate::scheduler::{Rejection, Scheduler};
use crate::spec::WorkerId;

/// Sent when a worker was silent for too long or is known to have died.
///
/// Its running attempts are over, free of charge. The map outputs that it held are gone, and those
/// maps run again, if their job still has an unfinished reduce. Reduces that run elsewhere go on:
/// they may have read what is gone, and if not, their fetch fails and they wait for the re-run
/// without holding a slot. What reduces and map-only maps have sealed is in staging, not on the
/// worker, and stays won.
///
/// If the worker lives after all, whatever it reports of these attempts is refused as stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoseWorker {
    /// Its id.
    pub worker: WorkerId,
}

impl LoseWorker {
    pub(in crate::scheduler) fn apply(self, scheduler: &mut Scheduler) -> Result<(), Rejection> {
        let Self { worker } = self;
        let lost = scheduler.slots.remove(worker).ok_or(Rejection::UnknownWorker { worker })?;
        for attempt in &lost.running {
            scheduler.job_mut(attempt.task.job)?.release(attempt.task);
            scheduler.refresh(attempt.task.job);
        }
        // A worker holds only what is needed: outputs are dropped when their job decides or ends.
        for (&id, maps) in &lost.outputs {
            let job = scheduler.job_mut(id)?;
            maps.iter().for_each(|&map| job.lose_output(map));
            scheduler.refresh(id);
        }
        Ok(())
    }
}
