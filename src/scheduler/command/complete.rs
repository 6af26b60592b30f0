//! A map, reduce or commit attempt has finished. The first attempt that reports this wins its task.

use serde::{Deserialize, Serialize};

use crate::model::{About, AttemptId, Cause, Counters, Failure, TaskKind, Volume};
use crate::scheduler::{Blame, Effect, End, Rejection, Scheduler};

/// Sent by the worker of an attempt when its output is sealed (or, for a commit, published).
///
/// This is a compare-and-set: if the attempt is no longer running, it is refused as stale, and its output must be
/// swept. The same holds when it is repeated; the refusal then names the attempt itself as the winner. If it is lost
/// together with its worker, the task runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// The attempt.
    pub attempt: AttemptId,
    /// Digest of a map's output, to be compared with that of a lost output that it replaces. If either digest is
    /// missing, the outputs are assumed to be equal. This is only right for callers whose map outputs are never lost.
    pub digest: Option<u64>,
    /// Whether it sealed files in staging. Kept for the commit, which publishes them.
    pub is_staged: bool,
    /// For a map: how many of the maps that joined the attempt are in its output. Maps that joined too late start
    /// again.
    pub joined: u32,
    /// The attempt's counters.
    pub counters: Counters,
    /// What it has read; for a map, including the maps that joined it.
    pub volume: Volume,
}

impl Complete {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { attempt, digest, is_staged, joined, counters, volume } = self;
        let task = attempt.task;
        if task.kind == TaskKind::Plan {
            return Err(Rejection::WrongKind { attempt });
        }
        scheduler.worker_of(attempt)?;
        let job = scheduler.job_mut(task.job)?;
        let known = job.joined(task).len();
        // The output must be the same as that of an earlier winner.
        let has_won = job.task(task).is_some_and(|task| task.last_winner().is_some());
        if joined as usize > known || (has_won && (joined as usize) < known) {
            return Err(Rejection::OtherMaps { attempt });
        }
        let win =
            scheduler.win(attempt, (digest, is_staged), joined, (&counters, &volume), effects)?;
        if task.kind == TaskKind::Commit {
            return scheduler.end(task.job, End::Succeeded, effects);
        }
        if win.differs {
            replace_output(scheduler, attempt, effects)?;
        }
        scheduler.advance(task.job, effects)
    }
}

/// A map that ran again produced different output from the lost one.
///
/// Every running reduce may have read the lost output, even a reduce that started later, because the worker may be
/// alive and still serve the output. A reduce that has won did read it, because each reduce reads every map. Running
/// reduces restart. If a reduce has won, its part is sealed, and the job would mix two outputs of one map, so the job
/// fails.
fn replace_output(
    scheduler: &mut Scheduler,
    attempt: AttemptId,
    effects: &mut Vec<Effect>,
) -> Result<(), Rejection> {
    let id = attempt.task.job;
    let job = scheduler.job_mut(id)?;
    let reduces = job.progress(TaskKind::Reduce);
    if reduces.done > 0 {
        let message = format!(
            "map is not deterministic: {attempt} replaced a lost output with a different one, but the lost \
             output was already used by {} of {} reduces",
            reduces.done, reduces.total
        );
        let failure = Failure::new(Cause::UserError, message).about(About::OtherOutput);
        job.set_blame(Blame { attempt, failure });
        return scheduler.end(id, End::Failed, effects);
    }
    let mut consumers = scheduler.slots.running_in(id);
    consumers.retain(|attempt| attempt.task.kind == TaskKind::Reduce);
    scheduler.stop(consumers, Cause::Killed, effects);
    Ok(())
}
