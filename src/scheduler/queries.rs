//! Answers questions about the state: what a worker should run, what a reduce can fetch, and the states of jobs and
//! workers.

use std::collections::BTreeSet;

use super::slots::Worker;
use super::{Cursor, Exclusion, Job, Moved, Output, Reason, Scheduler};
use crate::model::{AttemptId, JobId, TaskKind, WorkerId, WorkerState};

/// A worker as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerView {
    /// Its id.
    pub id: WorkerId,
    /// The process of it that is registered.
    pub incarnation: u64,
    /// Whether it gets attempts. Workers that were lost or have left are not listed.
    ///
    /// ```text
    /// Alive ──────▶ Excluded ──▶ Alive          after a period, or as the last one
    /// Alive, Excluded ──Drain──▶ Draining ──▶ Drained
    /// ```
    pub state: WorkerState,
    /// Why it is excluded, if it is.
    pub exclusion: Option<Exclusion>,
    /// Number of attempts that it can run at once.
    pub slots: u32,
    /// Attempts it runs now.
    pub running: u32,
}

impl WorkerView {
    fn of((id, worker): (WorkerId, &Worker)) -> Self {
        let state = match (worker.draining, worker.exclusion) {
            (Some(_), _) if worker.is_idle() => WorkerState::Drained,
            (Some(_), _) => WorkerState::Draining,
            (None, Some(_)) => WorkerState::Excluded,
            (None, None) => WorkerState::Alive,
        };
        Self {
            id,
            incarnation: worker.incarnation,
            state,
            exclusion: worker.exclusion,
            slots: worker.slots,
            running: worker.running_count(),
        }
    }
}

impl Scheduler {
    /// Whether the maps of a job write its parts, because it has no reduce.
    pub fn is_map_only(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(Job::is_map_only)
    }

    /// A job in any state; `None` if it is unknown or forgotten.
    pub fn job(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job)
    }

    /// The job that a client's request has created.
    pub fn job_of_request(&self, request: &str) -> Option<&Job> {
        self.job(*self.requests.get(request)?)
    }

    /// All jobs that are not forgotten, in the order of submission.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.jobs.values()
    }

    /// The jobs that were submitted after this one, in order.
    pub fn jobs_after(&self, job: JobId) -> impl Iterator<Item = &Job> {
        let after = (std::ops::Bound::Excluded(job), std::ops::Bound::Unbounded);
        self.jobs.range(after).map(|(_, job)| job)
    }

    /// The jobs that were submitted before this one, or all jobs, newest first.
    pub fn jobs_before(&self, job: Option<JobId>) -> impl Iterator<Item = &Job> {
        self.jobs.range(..job.unwrap_or(JobId(u64::MAX))).rev().map(|(_, job)| job)
    }

    /// The id for the next job.
    pub fn next_job(&self) -> JobId {
        JobId(self.last_job.map_or(1, |last| last.0.saturating_add(1)))
    }

    /// What an unfinished job waits for; `None` for other jobs.
    pub fn reason(&self, job: JobId) -> Option<Reason> {
        Reason::of(self.jobs.get(&job)?, &self.slots)
    }

    /// Every attempt that should be running now, with its worker.
    pub fn running(&self) -> impl Iterator<Item = (AttemptId, WorkerId)> {
        self.slots.running()
    }

    /// Every worker that is considered alive, ordered by id.
    pub fn workers(&self) -> impl Iterator<Item = WorkerView> {
        self.slots.all().map(WorkerView::of)
    }

    /// A worker, if it is considered alive.
    pub fn worker(&self, worker: WorkerId) -> Option<WorkerView> {
        self.slots.get(worker).map(|found| WorkerView::of((worker, found)))
    }

    /// All attempts that a worker should hold; `None` if it must register (again) first.
    pub fn should_hold(&self, worker: WorkerId, incarnation: u64) -> Option<&BTreeSet<AttemptId>> {
        let found = self.slots.get(worker)?;
        (found.incarnation == incarnation).then_some(&found.running)
    }

    /// The map outputs on a worker that may still be fetched. The worker may delete all others.
    pub fn outputs_on(&self, worker: WorkerId) -> impl Iterator<Item = AttemptId> {
        let outputs = self.slots.get(worker).into_iter().flat_map(|worker| &worker.outputs);
        outputs
            .filter_map(|(id, maps)| Some((self.jobs.get(id)?, maps)))
            .flat_map(|(job, maps)| maps.iter().filter_map(|&map| Some(output(job, map)?.attempt)))
    }

    /// Where the map outputs of a job are: up to `max` changes since the cursor of the last answer. A caller that
    /// follows all changes knows every output that can be fetched.
    ///
    /// Empty once outputs are no longer needed. A follower may answer too: its answer is only less recent.
    pub fn locations(&self, job: JobId, since: Cursor, max: usize) -> Option<Moved> {
        let job = self.jobs.get(&job).filter(|job| job.needs_outputs())?;
        let (maps, next) = job.changes().since(since, max);
        let outputs = maps.iter().map(|&map| (map, output(job, map))).collect();
        Some(Moved { outputs, next, more: !job.changes().ends_at(next) })
    }
}

/// The current output of a map. If the map has joined another one, this is the output of that map.
fn output(job: &Job, map: u32) -> Option<Output> {
    let task = job.id().task(TaskKind::Map, map);
    let winner = job.task(task)?.winner()?;
    let attempt = job.runs_as(task.attempt(winner.number));
    Some(Output { attempt, worker: winner.worker, digest: winner.digest })
}
