//! A worker is declared lost, together with its running attempts and its map outputs.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptState, Cause, Failure, WorkerId};
use crate::scheduler::{Blame, Effect, End, Rejection, Scheduler};

/// Sent by the leader when a worker was silent for too long or is known to have died.
///
/// Its running attempts end without counting as failures, unless their task has already been lost with very many
/// workers. Its map outputs are lost, and those maps run again if their job still has an unfinished reduce. Reduces on
/// other workers continue: they may have read the lost outputs. If they have not, they wait until the maps have run
/// again, or their fetch fails and they wait without holding a slot. Sealed output of reduces and map-only maps is in
/// staging, not on the worker, and stays valid.
///
/// If the worker is alive after all, its reports of these attempts are refused as stale. Its intact outputs may count
/// again, see [`RestoreOutputs`](super::RestoreOutputs). When repeated, it is refused, because the worker does not
/// exist or has another incarnation. If it is lost, the leader that finds the worker silent sends it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoseWorker {
    /// Its id.
    pub worker: WorkerId,
    /// Which process of it, so that a late command does not end the next process.
    pub incarnation: u64,
}

impl LoseWorker {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { worker, incarnation } = self;
        scheduler.check_incarnation(worker, incarnation)?;
        remove(scheduler, worker, Departure::Lost, effects)
    }
}

/// Why a worker is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// It died, or no longer answers. A task that is lost with many workers is suspected of killing them.
    Lost,
    /// It was asked to end, and has reported that.
    Left,
}

/// Removes a registered worker, with everything that it runs and holds.
pub(super) fn remove(
    scheduler: &mut Scheduler,
    worker: WorkerId,
    departure: Departure,
    effects: &mut Vec<Effect>,
) -> Result<(), Rejection> {
    let running = scheduler.slots.get(worker).map(|worker| worker.running.clone());
    let mut fatal = Vec::new();
    for attempt in running.unwrap_or_default() {
        match departure {
            Departure::Lost => {
                scheduler.close(attempt, AttemptState::Lost, Cause::WorkerLost);
                let message = format!("worker {worker} was lost");
                let failure = Failure::new(Cause::WorkerLost, message);
                let blame = Blame { attempt, failure };
                if scheduler.job_mut(attempt.task.job)?.charge(blame, false) {
                    fatal.push(attempt.task.job);
                }
            }
            Departure::Left => {
                scheduler.close(attempt, AttemptState::Killed, Cause::Killed);
            }
        }
    }
    let gone = scheduler.slots.remove(worker);
    // A worker holds only needed outputs, because they are dropped when their job commits or ends.
    for (id, maps) in gone.map(|gone| gone.outputs).unwrap_or_default() {
        let job = scheduler.job_mut(id)?;
        maps.iter().for_each(|&map| job.lose_output(map));
        scheduler.refresh(id);
    }
    fatal.dedup();
    fatal.into_iter().try_for_each(|job| scheduler.end(job, End::Failed, effects))
}

impl Scheduler {
    /// Refuses a command about an unknown worker, or about another process of it.
    pub(super) fn check_incarnation(
        &self,
        worker: WorkerId,
        incarnation: u64,
    ) -> Result<(), Rejection> {
        match self.slots.get(worker).map(|worker| worker.incarnation) {
            None => Err(Rejection::UnknownWorker { worker }),
            Some(current) if current != incarnation => {
                Err(Rejection::OtherIncarnation { worker, incarnation, current })
            }
            Some(_) => Ok(()),
        }
    }
}
