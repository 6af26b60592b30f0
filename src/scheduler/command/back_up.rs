//! Starts a backup attempt for a task whose attempt is slow.

use serde::{Deserialize, Serialize};

use crate::model::{Cause, TaskId, TaskKind};
use crate::scheduler::{BackupRefusal, Effect, Rejection, Scheduler, Straggler, TaskProgress};

/// Proposed by [`watch`](crate::scheduler::watch()) for a task whose only attempt is slow, while slots are free. A
/// backup starts on another worker, and the first of the two to complete wins. A map's backup may take the slot of a
/// reduce of its job, because that reduce waits for the map anyway.
///
/// Refused unless exactly one attempt runs (so also when repeated), another worker has room for the backup, and no
/// other task could use that slot. If it is lost, it is proposed again as long as the attempt is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackUp {
    /// The task.
    pub task: TaskId,
    /// Why its attempt is considered slow; kept with the backup.
    pub straggler: Straggler,
}

impl BackUp {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { task, straggler } = self;
        let refuse = |why| Rejection::NoBackup { task, why };
        let job = scheduler.jobs.get(&task.job);
        let job = job.ok_or(Rejection::UnknownJob { job: task.job })?;
        if !job.options().backups {
            return Err(refuse(BackupRefusal::Unwanted));
        }
        let is_ready = match task.kind {
            TaskKind::Map => true,
            TaskKind::Reduce => job.tasks(TaskKind::Map).is_done(),
            TaskKind::Plan | TaskKind::Commit => false,
        };
        if !is_ready {
            return Err(refuse(BackupRefusal::WrongPhase));
        }
        let is_led = job.leader(task).is_some();
        let progress = job.task(task).map(|task| task.progress());
        if is_led || progress != Some(TaskProgress::InProgress { running: 1 }) {
            return Err(refuse(BackupRefusal::NotAlone));
        }
        if scheduler.tasks_wait() {
            return Err(refuse(BackupRefusal::TasksWait));
        }
        // Not the worker where it is slow, nor one where it has failed.
        let mut avoid = job.tasks(task.kind).failed_on(task.index);
        let running = scheduler.slots.running_at(task);
        avoid.extend(running.into_iter().filter_map(|attempt| scheduler.slots.worker_of(attempt)));
        let memory_bytes = job.memory_bytes(task.kind);
        let worker = match scheduler.slots.freest_for(memory_bytes, &avoid) {
            Some(worker) => worker,
            None => {
                let waiting = scheduler.last_reduce(task.job, &avoid);
                let waiting = waiting.filter(|_| task.kind == TaskKind::Map);
                let (reduce, worker) = waiting.ok_or(refuse(BackupRefusal::NoRoom))?;
                scheduler.stop(vec![reduce], Cause::Killed, effects);
                worker
            }
        };

        let now_ms = scheduler.now_ms;
        let started = scheduler.job_mut(task.job)?.back_up(task, worker, straggler, now_ms);
        if let Some(attempt) = started {
            scheduler.slots.start(attempt, worker);
            effects.push(Effect::Start { attempt, worker });
        }
        scheduler.refresh(task.job);
        Ok(())
    }
}
