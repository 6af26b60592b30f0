//! One map output of a live worker is lost or corrupt.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, Cause, Failure, TaskId, TaskKind, WorkerId};
use crate::scheduler::budget::Ledger;
use crate::scheduler::{Blame, Effect, End, LOST_OUTPUTS_MAX, Rejection, Scheduler, WorkerFault};

/// Proposed by the master when a reduce's worker has reported that it could not read a map output, or the worker that
/// holds the output has found it missing. Network errors are reported only after many retries.
///
/// The map runs again, even if only one partition is bad, unless the reduce of that partition has won. The loss counts
/// against the disk of the worker that holds the output, and against the map: its job fails after
/// [`LOST_OUTPUTS_MAX`](crate::scheduler::LOST_OUTPUTS_MAX) losses. The worker is excluded after a second loss, but
/// only if two other workers, or the worker itself, have reported it: a single reader may itself be broken. It is
/// refused when repeated, and for an attempt whose output no longer counts. If it is lost, the next fetch fails and it
/// is proposed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoseOutput {
    /// The map attempt that wrote it.
    pub attempt: AttemptId,
    /// Which partition of it is bad; `None` if all of it is.
    pub partition: Option<u32>,
    /// The worker that could not read it; `None` if the worker that holds it reports this itself.
    pub reader: Option<WorkerId>,
}

impl LoseOutput {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { attempt, partition, reader } = self;
        let TaskId { job: id, kind, .. } = attempt.task;
        let refused = Rejection::OutputNotNeeded { attempt };
        let job = scheduler.jobs.get(&id).ok_or(Rejection::UnknownJob { job: id })?;
        let task = job.task(attempt.task).ok_or(Rejection::UnknownAttempt { attempt })?;
        let is_anothers = job.leader(attempt.task).is_some();
        if kind != TaskKind::Map || is_anothers || !job.needs_outputs() {
            return Err(refused);
        }
        let winner = task.winner().filter(|winner| winner.number == attempt.number);
        let worker = winner.ok_or(refused)?.worker;
        let is_read = partition.is_some_and(|partition| {
            let reduce = job.task(id.task(TaskKind::Reduce, partition));
            reduce.is_some_and(|reduce| reduce.winner().is_some())
        });
        if is_read {
            return Err(refused);
        }

        scheduler.slots.drop_output(worker, attempt.task);
        scheduler.slots.doubt(worker, reader.filter(|&reader| reader != worker));
        scheduler.slots.note_fault(worker, WorkerFault::Disk, id);
        let job = scheduler.job_mut(id)?;
        job.lose_output(attempt.task.index);
        if job.spend(attempt.task, Ledger::Output) {
            let message =
                format!("the output of {} was lost {LOST_OUTPUTS_MAX} times", attempt.task);
            let failure = Failure::new(Cause::FetchFailed, message);
            job.set_blame(Blame { attempt, failure });
            return scheduler.end(id, End::Failed, effects);
        }
        scheduler.refresh(id);
        Ok(())
    }
}
