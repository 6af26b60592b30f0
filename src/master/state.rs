//! The replicated state: the scheduler, and facts about jobs and workers that the scheduler does not need.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{JobId, JobState, Location, TaskKind, WorkerFacts, WorkerId, WorkerState};
use crate::rpc::artifacts::Digest;
use crate::scheduler::{Command, Effect, PlanDone, RegisterWorker, Rejection, Scheduler, Submit};

/// Most lost workers that are still listed, and recognised by their incarnation.
const LOST_WORKERS_MAX: usize = 1_000;

/// A change of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// Applies a command of the scheduler.
    Decide(Command),
    /// Accepts a job.
    Accept {
        /// For the scheduler.
        submit: Box<Submit>,
        /// For the master.
        record: JobRecord,
    },
    /// Records a job's plan.
    Plan {
        /// For the scheduler.
        done: PlanDone,
        /// The plan's artifact.
        plan: Digest,
    },
    /// Records that a job's staging folder was swept.
    Swept {
        /// The job.
        job: JobId,
    },
    /// Registers a worker.
    Introduce {
        /// For the scheduler.
        register: RegisterWorker,
        /// For the master.
        record: WorkerRecord,
    },
}

impl Change {
    /// The scheduler's command in it, if any.
    pub(super) fn command(&self) -> Option<Command> {
        match self {
            Change::Decide(command) => Some(command.clone()),
            Change::Accept { submit, .. } => Some((**submit).clone().into()),
            Change::Plan { done, .. } => Some(done.clone().into()),
            Change::Swept { .. } => None,
            Change::Introduce { register, .. } => Some(register.clone().into()),
        }
    }
}

/// The result of a change. A rejected change has no effect.
pub(super) type Applied = Result<Vec<Effect>, Rejection>;

/// Facts about a job that the scheduler does not need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobRecord {
    pub(super) spec: Digest,
    /// Equal for specs that request the same work, even if their bytes differ.
    pub(super) same: Digest,
    pub(super) executable: Digest,
    pub(super) side_files: Vec<Digest>,
    pub(super) output: Option<Location>,
    /// The job's plan, once there is one.
    pub(super) plan: Option<Digest>,
    /// Whether its files in staging have been removed.
    pub(super) is_swept: bool,
}

impl JobRecord {
    fn artifacts(&self) -> impl Iterator<Item = Digest> {
        let side_files = self.side_files.iter().copied();
        [self.spec, self.executable].into_iter().chain(self.plan).chain(side_files)
    }
}

/// Facts about a worker that the scheduler does not need. They are kept for a while after the worker is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WorkerRecord {
    /// The random number of its process.
    pub(super) incarnation: u128,
    /// The one before. It distinguishes two processes that both claim to be this worker.
    pub(super) former: Option<u128>,
    /// The scheduler's number of this registration, which increases with each.
    pub(super) number: u64,
    pub(super) facts: WorkerFacts,
    /// When and how it left, if it is no longer registered.
    pub(super) gone: Option<Gone>,
}

/// How a worker that is still listed has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// When that was committed, in milliseconds, for display.
    pub(super) at_ms: u64,
    /// Whether it was asked to leave. Otherwise it was lost.
    pub(super) has_left: bool,
}

/// The state on which masters agree.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) scheduler: Scheduler,
    jobs: BTreeMap<JobId, JobRecord>,
    workers: BTreeMap<WorkerId, WorkerRecord>,
    last_worker: u64,
}

impl State {
    /// Applies a change. The same changes in the same order give the same state on every master.
    pub(super) fn apply(&mut self, at_ms: u64, change: Change) -> Applied {
        match change {
            Change::Decide(command) => self.decide(at_ms, command),
            Change::Accept { submit, record } => {
                let job = submit.job;
                let effects = self.scheduler.apply(at_ms, *submit)?;
                self.jobs.insert(job, record);
                Ok(effects)
            }
            Change::Plan { done, plan } => {
                let job = done.attempt.task.job;
                let effects = self.scheduler.apply(at_ms, done)?;
                if let Some(record) = self.jobs.get_mut(&job) {
                    record.plan = Some(plan);
                }
                Ok(effects)
            }
            Change::Swept { job } => {
                if let Some(record) = self.jobs.get_mut(&job) {
                    record.is_swept = true;
                }
                Ok(Vec::new())
            }
            Change::Introduce { register, record } => {
                let worker = register.worker;
                let effects = self.scheduler.apply(at_ms, register)?;
                self.workers.insert(worker, record);
                self.last_worker = self.last_worker.max(worker.0);
                self.forget_lost();
                Ok(effects)
            }
        }
    }

    fn decide(&mut self, at_ms: u64, command: Command) -> Applied {
        let forgotten = match &command {
            Command::Forget(forget) => Some(forget.job),
            _ => None,
        };
        let gone = match &command {
            Command::LoseWorker(lose) => {
                let view = self.scheduler.worker(lose.worker);
                let has_left = view.is_some_and(|view| view.state == WorkerState::Drained);
                Some((lose.worker, Gone { at_ms, has_left }))
            }
            Command::Leave(leave) => Some((leave.worker, Gone { at_ms, has_left: true })),
            _ => None,
        };
        let effects = self.scheduler.apply(at_ms, command)?;
        if let Some(job) = forgotten {
            self.jobs.remove(&job);
        }
        if let Some((worker, gone)) = gone
            && let Some(record) = self.workers.get_mut(&worker)
        {
            record.gone = Some(gone);
        }
        Ok(effects)
    }

    pub(super) fn job(&self, job: JobId) -> Option<&JobRecord> {
        self.jobs.get(&job)
    }

    /// Jobs that did not succeed and may have left files in staging.
    pub(super) fn unswept(&self) -> impl Iterator<Item = JobId> {
        let failed = |state| matches!(state, JobState::Failed | JobState::Cancelled);
        let unswept = self.jobs.iter().filter(|(_, record)| !record.is_swept).map(|(&job, _)| job);
        // A job that never started has no staging.
        unswept.filter(move |&id| {
            let job = self.scheduler.job(id);
            job.is_some_and(|job| {
                failed(job.state()) && job.task(id.task(TaskKind::Plan, 0)).is_some()
            })
        })
    }

    /// All artifacts that remembered jobs name.
    pub(super) fn artifacts(&self) -> impl Iterator<Item = Digest> {
        self.jobs.values().flat_map(JobRecord::artifacts)
    }

    /// The artifacts that live jobs name, each with one of these jobs.
    pub(super) fn needed(&self) -> BTreeMap<Digest, JobId> {
        let lives = |job| self.scheduler.job(job).is_some_and(|job| !job.state().is_terminal());
        let live = self.jobs.iter().filter(|(job, _)| lives(**job));
        live.flat_map(|(&job, record)| record.artifacts().map(move |digest| (digest, job)))
            .collect()
    }

    pub(super) fn worker(&self, worker: WorkerId) -> Option<&WorkerRecord> {
        self.workers.get(&worker)
    }

    /// All workers, including lost ones that are still remembered.
    pub(super) fn workers(&self) -> impl Iterator<Item = (WorkerId, &WorkerRecord)> {
        self.workers.iter().map(|(&id, record)| (id, record))
    }

    pub(super) fn next_worker(&self) -> WorkerId {
        WorkerId(self.last_worker.saturating_add(1))
    }

    /// The record of a worker that is registered with this incarnation and is not lost.
    pub(super) fn registered(&self, worker: WorkerId, incarnation: u128) -> Option<&WorkerRecord> {
        let record = self.workers.get(&worker)?;
        let view = self.scheduler.worker(worker)?;
        (record.incarnation == incarnation && view.incarnation == record.number).then_some(record)
    }

    /// Drops the records of the oldest lost workers beyond the limit.
    fn forget_lost(&mut self) {
        let lost = self.workers.keys().filter(|&&id| self.scheduler.worker(id).is_none());
        let lost: Vec<WorkerId> = lost.copied().collect();
        let surplus = lost.len().saturating_sub(LOST_WORKERS_MAX);
        for worker in &lost[..surplus] {
            self.workers.remove(worker);
        }
    }
}
