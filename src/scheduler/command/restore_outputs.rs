//! Makes map outputs valid again: a lost worker has returned and still has them.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, Cause, TaskKind, WorkerId};
use crate::scheduler::{Effect, Rejection, Scheduler};

/// A map output that a worker has found intact: header, checksums and digest agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOutput {
    /// The attempt that wrote it.
    pub attempt: AttemptId,
    /// Its digest.
    pub digest: u64,
}

/// Sent for a worker that has registered again, with outputs that did not fit into the registration.
///
/// An output counts again if its attempt was the last winner of its map, on this worker, with this digest, and no
/// later attempt has won since. An attempt that is making the output again is then stopped. All other outputs are
/// ignored, and the worker may delete whatever [`Scheduler::outputs_on`](crate::scheduler::Scheduler::outputs_on) does
/// not name. Repeating it changes nothing. If it is lost, the maps simply run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOutputs {
    /// The worker.
    pub worker: WorkerId,
    /// Which process of it, so that a late command does not apply to the next one.
    pub incarnation: u64,
    /// Outputs that it holds, as many at a time as fit into one command.
    pub outputs: Vec<HeldOutput>,
}

impl RestoreOutputs {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { worker, incarnation, outputs } = self;
        scheduler.check_incarnation(worker, incarnation)?;
        restore(scheduler, worker, outputs, effects)
    }
}

/// Makes outputs of a registered worker count again, if the conditions hold.
pub(super) fn restore(
    scheduler: &mut Scheduler,
    worker: WorkerId,
    outputs: Vec<HeldOutput>,
    effects: &mut Vec<Effect>,
) -> Result<(), Rejection> {
    for HeldOutput { attempt, digest } in outputs {
        if !counts_again(scheduler, worker, attempt, digest) {
            continue;
        }
        let task = attempt.task;
        scheduler.job_mut(task.job)?.restore_output(task.index);
        scheduler.slots.keep_output(worker, task);
        scheduler.stop(scheduler.slots.running_at(task), Cause::BackupWon, effects);
        scheduler.refresh(task.job);
    }
    Ok(())
}

fn counts_again(scheduler: &Scheduler, worker: WorkerId, attempt: AttemptId, digest: u64) -> bool {
    let Some(job) = scheduler.jobs.get(&attempt.task.job) else { return false };
    let Some(task) = job.task(attempt.task) else { return false };
    let is_last_winner = task.last_winner().is_some_and(|last| {
        last.number == attempt.number && last.worker == worker && last.digest == Some(digest)
    });
    attempt.task.kind == TaskKind::Map
        && job.leader(attempt.task).is_none()
        && job.needs_outputs()
        && is_last_winner
        && task.winner().is_none()
}
