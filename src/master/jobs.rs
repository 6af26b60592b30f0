//! Serves requests of clients about jobs.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use super::reports::decide;
use super::status_lines::no_job;
use super::{Master, Shared, recipes, status_lines, why};
use crate::model::{JobId, JobState, WorkerId};
use crate::rpc::jobs::{JobLine, JobStatus, Jobs, Submit, TaskLine, TasksRequest, WorkerLine};
use crate::rpc::recipe::{Recipe, RecipeRequest};
use crate::rpc::refusal::Refusal;
use crate::rpc::why::Why;
use crate::scheduler::{Cancel, Drain, Rejection};

/// How long a request for a status waits for a change, in milliseconds.
const STATUS_WAIT_MS: u64 = 1_000;

impl Jobs for Master {
    async fn submit(&self, request: Submit) -> Result<JobId, Refusal> {
        self.shared.led(self.shared.submit(request)).await
    }

    async fn list(&self) -> Result<Vec<JobLine>, Refusal> {
        let shared = &self.shared;
        shared.led(async { Ok(shared.proposer.read(status_lines::lines)) }).await
    }

    async fn status(&self, job: JobId, after: u64) -> Result<JobStatus, Refusal> {
        self.shared.led(self.shared.status(job, after)).await
    }

    async fn tasks(&self, request: TasksRequest) -> Result<Vec<TaskLine>, Refusal> {
        let shared = &self.shared;
        let page = || {
            shared.proposer.read(|state| status_lines::tasks(state, &shared.volatile(), request))
        };
        shared.led(async { page().ok_or_else(|| no_job(request.job)) }).await
    }

    async fn counters(
        &self,
        job: JobId,
    ) -> Result<BTreeMap<String, BTreeMap<String, u64>>, Refusal> {
        self.shared.led(async { self.shared.counters(job) }).await
    }

    async fn why(&self, job: JobId) -> Result<Why, Refusal> {
        let cluster = self.shared.addresses();
        let why = || self.shared.proposer.read(|state| why::why(state, job, &cluster));
        self.shared.led(async { why().ok_or_else(|| no_job(job)) }).await
    }

    async fn recipe(&self, request: RecipeRequest) -> Result<Recipe, Refusal> {
        let recipe = || self.shared.proposer.read(|state| recipes::recipe(state, request));
        self.shared.led(async { recipe() }).await
    }

    async fn kill(&self, job: JobId) -> Result<(), Refusal> {
        self.shared.led(self.shared.kill(job)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerLine>, Refusal> {
        let shared = &self.shared;
        let (now_ms, wall_ms) = (shared.now_ms(), shared.clock.wall_ms());
        let lines = || {
            let look =
                |state: &_| status_lines::workers(state, &shared.volatile(), now_ms, wall_ms);
            shared.proposer.read(look)
        };
        shared.led(async { Ok(lines()) }).await
    }

    async fn drain(&self, worker: WorkerId) -> Result<(), Refusal> {
        self.shared.led(self.shared.drain(worker)).await
    }
}

impl Shared {
    fn counters(&self, job: JobId) -> Result<BTreeMap<String, BTreeMap<String, u64>>, Refusal> {
        let counters = self
            .proposer
            .read(|state| state.scheduler.job(job).map(crate::scheduler::Job::all_counters));
        let counters = counters.ok_or_else(|| no_job(job))?;
        let mut groups = BTreeMap::<String, BTreeMap<String, u64>>::new();
        for (group, name, n) in counters.iter() {
            groups.entry(group.to_string()).or_default().insert(name.to_string(), n);
        }
        Ok(groups)
    }

    async fn drain(self: &Arc<Self>, worker: WorkerId) -> Result<(), Refusal> {
        let applied = self.propose(vec![decide(Drain { worker })]).await?;
        match applied.into_iter().next() {
            Some(Err(rejection)) => {
                let message =
                    format!("{rejection}\nhint: list the workers with `gristmill workers`");
                Err(Refusal::NotFound { message })
            }
            _ => Ok(()),
        }
    }

    async fn status(&self, job: JobId, after: u64) -> Result<JobStatus, Refusal> {
        let until_ms = self.now_ms().saturating_add(STATUS_WAIT_MS);
        loop {
            let mut changed = pin!(self.changed.notified());
            // Later changes are noticed.
            changed.as_mut().enable();
            self.leads()?;
            let status = self.proposer.read(|state| {
                let mut volatile = self.volatile();
                let status = status_lines::status(state, &volatile, job)?;
                Some(volatile.versioned(status))
            });
            let status = status.ok_or_else(|| no_job(job))?;
            // A new leader starts version numbers again, so any difference counts as a change.
            let is_news = status.version != after;
            // Each tick counts as a change, so this never waits too long.
            if is_news || self.now_ms() >= until_ms {
                return Ok(status);
            }
            changed.await;
        }
    }

    /// Succeeds if the job is already cancelled.
    async fn kill(self: &Arc<Self>, job: JobId) -> Result<(), Refusal> {
        let applied = self.propose(vec![decide(Cancel { job })]).await?;
        let Some(Err(rejection)) = applied.into_iter().next() else { return Ok(()) };
        match rejection {
            Rejection::AlreadyEnded { state: JobState::Cancelled, .. } => Ok(()),
            Rejection::UnknownJob { .. } => Err(no_job(job)),
            ended @ Rejection::AlreadyEnded { .. } => {
                let message = format!(
                    "{ended}\nhint: only waiting and running jobs can be killed: list the jobs with `gristmill jobs`"
                );
                Err(Refusal::Limit { message })
            }
            other => Err(Refusal::Limit { message: other.to_string() }),
        }
    }
}
