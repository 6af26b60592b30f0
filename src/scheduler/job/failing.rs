//! Applies the consequences of a failure: which task it counts against, what is recorded, and
//! whether the job fails.

use super::{Blame, Job};
use crate::model::{Failure, TaskId, TaskKind, WorkerId};
use crate::scheduler::Wait;
use crate::scheduler::budget::Ledger;
use crate::scheduler::exclusion::WorkerFault;
use crate::scheduler::failures::Failed;

/// A detail of the second failure at one record.
pub const SAME_RECORD: &str = "the same record has failed twice, so the task is not retried";

impl Job {
    /// Records a failure, and returns whether the job fails.
    ///
    /// A commit has limits of its own, since the decision to publish was made and all work is done.
    pub(in crate::scheduler) fn charge(&mut self, mut blame: Blame, deterministic: bool) -> bool {
        let task = blame.attempt.task;
        if task.kind == TaskKind::Commit {
            return self.charge_commit(blame, deterministic);
        }
        let ledger = Ledger::of(blame.failure.cause, self.maps.lost() > 0);
        let is_spent = self.spend(task, ledger);
        let is_same_record =
            ledger.blames_record() && self.fails_again_at_record(task, &blame.failure);
        if is_same_record {
            blame.failure.details.push(SAME_RECORD.to_string());
        }
        let is_fatal = deterministic || is_spent || is_same_record;
        if is_fatal || !matches!(ledger, Ledger::Worker | Ledger::Refetch) {
            self.blame = Some(blame);
        }
        is_fatal
    }

    /// Records the failure of a commit, and returns whether the job fails.
    fn charge_commit(&mut self, mut blame: Blame, deterministic: bool) -> bool {
        let (ledger, limit) = Ledger::of_commit(&blame.failure);
        let count = self.commit.charge(blame.attempt.task.index, ledger);
        let is_spent = limit.is_some_and(|limit| count >= limit);
        if is_spent {
            let detail = format!(
                "publishing has failed in this way {count} times, so no further attempt is made"
            );
            blame.failure.details.push(detail);
        }
        if is_spent && self.publication.may_be_visible {
            let detail = "a failed attempt may still have published the output: run `gristmill verify` to check that it is complete";
            blame.failure.details.push(detail.into());
        }
        if ledger != Ledger::Worker {
            self.blame = Some(blame);
        }
        deterministic || is_spent
    }

    /// The tasks that have failed recently, each with what it waits for.
    pub(in crate::scheduler) fn waits(&self) -> impl Iterator<Item = (TaskId, Wait)> {
        let of_kind = move |kind| {
            self.tasks(kind).waits().map(move |(index, wait)| (self.id().task(kind, index), wait))
        };
        TaskKind::ALL.into_iter().filter(|_| self.end.is_none()).flat_map(of_kind)
    }

    /// Ends a task's wait. Returns whether it was waiting for that.
    pub(in crate::scheduler) fn wake(&mut self, task: TaskId, wait: Wait) -> bool {
        self.end.is_none() && self.tasks_mut(task.kind).wake(task.index, wait)
    }

    /// Keeps a failed attempt's report.
    pub(in crate::scheduler) fn note_failure(&mut self, failed: Failed) {
        let mut failures = std::mem::take(&mut self.failures);
        failures.note(failed, |task| self.task(task).is_some_and(|task| task.winner().is_some()));
        self.failures = failures;
    }

    /// Records a worker on which an attempt had a fault. Returns whether the job had the same fault on another
    /// worker.
    pub(in crate::scheduler) fn takes_along(
        &mut self,
        fault: WorkerFault,
        worker: WorkerId,
    ) -> bool {
        let on = self.faults_on.entry(fault).or_default();
        if on.len() < 2 {
            on.insert(worker);
        }
        on.len() > 1
    }

    /// Counts one failure of a task. Returns whether it was the last one allowed.
    pub(in crate::scheduler) fn spend(&mut self, task: TaskId, ledger: Ledger) -> bool {
        let limit = ledger.limit(self.submit.options.max_attempts);
        self.tasks_mut(task.kind).charge(task.index, ledger) >= limit
    }

    /// Whether a task's last failure was at the same record. Remembers the new record.
    fn fails_again_at_record(&mut self, task: TaskId, failure: &Failure) -> bool {
        let Some(record) = &failure.record else { return false };
        let place = (record.location.clone(), record.offset);
        self.failed_records.insert(task, place.clone()).as_ref() == Some(&place)
    }

    /// Records a task's failure for the maps that had joined it too, because any of them may have caused it.
    pub(in crate::scheduler) fn share_failure(&mut self, task: TaskId, joined: &[u32]) {
        let Some(place) = self.failed_records.get(&task).cloned() else { return };
        let maps = joined.iter().map(|&map| (self.id().task(TaskKind::Map, map), place.clone()));
        self.failed_records.extend(maps.collect::<Vec<_>>());
    }

    /// Fails the job for a reason that no attempt reported.
    pub(in crate::scheduler) fn set_blame(&mut self, blame: Blame) {
        self.blame = Some(blame);
    }
}
