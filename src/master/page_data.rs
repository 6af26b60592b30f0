//! Data for the web pages: jobs, their tasks, settings, failures and artifacts, and what a worker holds.

use std::path::PathBuf;

use super::copies::Found;
use super::status_lines::no_job;
use super::{Master, status_lines};
use crate::model::{AttemptId, Failure, JobId, JobOptions, TaskId, WorkerId};
use crate::rpc::artifacts::Digest;
use crate::rpc::jobs::{JobLine, JobStatus, TaskLine};
use crate::rpc::refusal::Refusal;
use crate::scheduler::{Failed, Job, Sizes, Task};

/// A task that was started at least once.
#[derive(Debug, Clone, Copy)]
pub struct StartedTask<'s> {
    /// Its id.
    pub id: TaskId,
    /// The task and its attempts.
    pub task: &'s Task,
    /// Whether it has joined another task, whose attempts it shares.
    pub is_led: bool,
}

/// A job's settings and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    /// Its name.
    pub name: String,
    /// When it was submitted, in milliseconds since 1970.
    pub submitted_ms: u64,
    /// When it ended, if it has.
    pub finished_ms: Option<u64>,
    /// Time of this request, by this master's clock.
    pub now_ms: u64,
    /// Its options.
    pub options: JobOptions,
    /// Its executable.
    pub executable: Option<Digest>,
    /// Its spec.
    pub spec: Option<Digest>,
    /// Its plan, once there is one.
    pub plan: Option<Digest>,
    /// The last failure that counted, and its attempt.
    pub failure: Option<(AttemptId, Failure)>,
    /// What its tasks have read.
    pub sizes: Sizes,
}

/// What a worker holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Attempts that it runs.
    pub attempts: Vec<AttemptId>,
    /// Map outputs that may still be fetched from it.
    pub outputs: usize,
}

impl JobFacts {
    /// When the job ended, or now.
    pub fn until_ms(&self) -> u64 {
        self.finished_ms.unwrap_or(self.now_ms)
    }
}

impl Master {
    /// Visits started tasks of a job, up to this number, under one lock. Returns the number of all tasks, started or
    /// not.
    ///
    /// # Errors
    ///
    /// If the job does not exist, or this master does not lead.
    pub fn visit_tasks(
        &self,
        job: JobId,
        offset: u64,
        count: u32,
        mut visit: impl FnMut(StartedTask<'_>),
    ) -> Result<u32, Refusal> {
        self.shared.leads()?;
        self.shared.proposer.read(|state| {
            let job = state.scheduler.job(job).ok_or_else(|| no_job(job))?;
            let mut seen = 0;
            for (id, task) in job.tasks_from(offset).take(count as usize) {
                seen += 1;
                if let Some(task) = task {
                    visit(StartedTask { id, task, is_led: job.leader(id).is_some() });
                }
            }
            Ok(seen)
        })
    }

    /// Visits one task, if it was ever started, and the map that leads it, if it has joined one.
    ///
    /// # Errors
    ///
    /// If the job does not exist, or this master does not lead.
    pub fn visit_task(
        &self,
        id: TaskId,
        visit: impl FnOnce(&Task, Option<u32>),
    ) -> Result<(), Refusal> {
        self.shared.leads()?;
        self.shared.proposer.read(|state| {
            let job = state.scheduler.job(id.job).ok_or_else(|| no_job(id.job))?;
            if let Some(task) = job.task(id) {
                visit(task, job.leader(id));
            }
            Ok(())
        })
    }

    /// Returns a job's settings.
    ///
    /// # Errors
    ///
    /// If the job does not exist, or this master does not lead.
    pub fn facts(&self, id: JobId) -> Result<JobFacts, Refusal> {
        self.shared.leads()?;
        let now_ms = self.shared.clock.wall_ms();
        self.shared.proposer.read(|state| {
            let job: &Job = state.scheduler.job(id).ok_or_else(|| no_job(id))?;
            let record = state.job(id);
            Ok(JobFacts {
                name: job.name().to_string(),
                submitted_ms: job.submitted_ms(),
                finished_ms: job.finished_ms(),
                now_ms,
                options: *job.options(),
                executable: record.map(|record| record.executable),
                spec: record.map(|record| record.spec),
                plan: record.and_then(|record| record.plan),
                failure: job.blame().map(|blame| (blame.attempt, blame.failure.clone())),
                sizes: job.sizes().clone(),
            })
        })
    }

    /// Returns the kept failures of a job, or of one of its tasks, in order of arrival, and the number of failures of
    /// the whole job that were dropped.
    ///
    /// # Errors
    ///
    /// If the job does not exist, or this master does not lead.
    pub fn failures(&self, id: JobId, task: Option<TaskId>) -> Result<(Vec<Failed>, u64), Refusal> {
        self.shared.leads()?;
        self.shared.proposer.read(|state| {
            let job: &Job = state.scheduler.job(id).ok_or_else(|| no_job(id))?;
            let is_meant = |failed: &&Failed| task.is_none_or(|task| failed.attempt.task == task);
            let failures = job.failures().filter(is_meant).cloned().collect();
            Ok((failures, job.failures_left_out()))
        })
    }

    /// Returns the newest jobs, up to this number, or the newest of those before a given job.
    ///
    /// # Errors
    ///
    /// When this master does not lead.
    pub fn newest_jobs(
        &self,
        before: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<JobLine>, Refusal> {
        self.shared.leads()?;
        Ok(self.shared.proposer.read(|state| {
            let jobs = state.scheduler.jobs_before(before);
            jobs.take(limit).map(|job| status_lines::line(state, job)).collect()
        }))
    }

    /// Returns the jobs that ended last, up to this number.
    ///
    /// # Errors
    ///
    /// If this master does not lead.
    pub fn ended_jobs(&self, limit: usize) -> Result<Vec<JobLine>, Refusal> {
        self.shared.leads()?;
        Ok(self.shared.proposer.read(|state| {
            let jobs = state.scheduler.jobs_before(None).filter(|job| job.state().is_terminal());
            jobs.take(limit).map(|job| status_lines::line(state, job)).collect()
        }))
    }

    /// Returns those of these tasks that exist.
    ///
    /// # Errors
    ///
    /// If this master does not lead.
    pub fn task_lines(&self, ids: &[TaskId]) -> Result<Vec<TaskLine>, Refusal> {
        self.shared.leads()?;
        Ok(self.shared.proposer.read(|state| {
            let volatile = self.shared.volatile();
            ids.iter().filter_map(|&id| status_lines::task(state, &volatile, id)).collect()
        }))
    }

    /// Returns the oldest live jobs, up to this number, and the number of all live jobs.
    ///
    /// # Errors
    ///
    /// When this master does not lead.
    pub fn live_jobs(&self, limit: usize) -> Result<(Vec<JobStatus>, usize), Refusal> {
        self.shared.leads()?;
        Ok(self.shared.proposer.read(|state| {
            let live = || state.scheduler.jobs().filter(|job| !job.state().is_terminal());
            let volatile = self.shared.volatile();
            let status = |job: &Job| status_lines::status(state, &volatile, job.id());
            (live().take(limit).filter_map(status).collect(), live().count())
        }))
    }

    /// Returns what a worker holds; nothing if it is lost.
    ///
    /// # Errors
    ///
    /// If this master does not lead.
    pub fn held(&self, worker: WorkerId) -> Result<Held, Refusal> {
        self.shared.leads()?;
        Ok(self.shared.proposer.read(|state| {
            let Some(view) = state.scheduler.worker(worker) else { return Held::default() };
            let held = state.scheduler.should_hold(worker, view.incarnation);
            let attempts = held.into_iter().flatten().copied().collect();
            Held { attempts, outputs: state.scheduler.outputs_on(worker).count() }
        }))
    }

    /// Returns the path of an artifact, if this master has it or can get it from another one.
    pub async fn artifact(&self, digest: Digest) -> Option<PathBuf> {
        // If a copy is under way, the next request finds it.
        let is_here = matches!(self.shared.obtain(digest).await, Ok(Found::Here));
        is_here.then(|| self.shared.store.path(digest))
    }
}
