//! Answers read requests: which master leads, statistics, recent events, and lists page by page.
//!
//! A request locks the state only while it copies one page.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::events::{Event, EventId, Happened, What};
use super::status_lines::no_job;
use super::{Master, status_lines};
use crate::consensus::Leadership;
use crate::model::{JobId, JobState, TaskId, TaskKind, WorkerState};
use crate::rpc::jobs::{JobLine, TaskLine};
use crate::rpc::refusal::Refusal;
use crate::scheduler::Progress;

/// A request for a page of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobsPage {
    /// Begin after this job; j0 comes before all jobs.
    pub after: JobId,
    /// Most jobs on one page.
    pub limit: usize,
    /// Only jobs in this state.
    pub state: Option<JobState>,
}

/// Which master leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leader {
    /// This master.
    Here,
    /// The master with this address.
    At(String),
    /// No master leads at the moment.
    Nobody,
}

/// Figures about a cluster. Those of workers and jobs are not confirmed by a majority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Whether this master leads.
    pub leads: bool,
    /// Its term.
    pub term: u64,
    /// The index of the last entry that it has applied.
    pub applied: u64,
    /// Number of jobs, by state.
    pub jobs: BTreeMap<JobState, u64>,
    /// Tasks of unfinished jobs, by kind.
    pub tasks: BTreeMap<TaskKind, Progress>,
    /// Number of workers, by state.
    pub workers: BTreeMap<WorkerState, u64>,
    /// Slots of workers that are not lost.
    pub slots: u64,
    /// Slots in use.
    pub running: u64,
    /// Bytes read by maps and reduces since this master began, including running attempts.
    pub bytes_read: u64,
    /// Totals of events.
    pub happened: Happened,
}

/// The events since the client's last request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// In order.
    pub events: Vec<Event>,
    /// Where the search ended. Start there next time.
    pub until: EventId,
    /// Whether events after the requested one are missing.
    pub is_gap: bool,
}

impl Master {
    /// A page of the known jobs, oldest first.
    ///
    /// # Errors
    ///
    /// If this master does not lead; the same holds for all other errors here.
    pub async fn jobs_page(&self, page: JobsPage) -> Result<Vec<JobLine>, Refusal> {
        let read = || {
            self.shared.proposer.read(|state| {
                let jobs = state.scheduler.jobs_after(page.after);
                let is_meant = |state| page.state.is_none_or(|wanted| wanted == state);
                let jobs = jobs.filter(|job| is_meant(job.state()));
                jobs.take(page.limit).map(|job| status_lines::line(state, job)).collect()
            })
        };
        self.shared.led(async { Ok(read()) }).await
    }

    /// One task.
    ///
    /// # Errors
    ///
    /// If the task does not exist.
    pub async fn task(&self, task: TaskId) -> Result<TaskLine, Refusal> {
        let shared = &self.shared;
        let read = || {
            shared.proposer.read(|state| {
                if state.scheduler.job(task.job).is_none() {
                    return Err(no_job(task.job));
                }
                let found = status_lines::task(state, &shared.volatile(), task);
                found.ok_or_else(|| Refusal::NotFound {
                    message: format!(
                        "no task {task}\nhint: list the tasks with `gristmill tasks {}`",
                        task.job
                    ),
                })
            })
        };
        shared.led(async { read() }).await
    }

    /// Confirms with a majority that this master leads.
    ///
    /// # Errors
    ///
    /// If it does not, with the reason.
    pub async fn confirm(&self) -> Result<(), Refusal> {
        self.shared.led(async { Ok(()) }).await
    }

    /// Returns which master leads.
    pub fn leader(&self) -> Leader {
        if self.shared.leads().is_ok() {
            return Leader::Here;
        }
        let leadership =
            self.shared.group.as_ref().map(|group| group.leadership().borrow().clone());
        match leadership {
            Some(Leadership::Follows { leader: Some(leader) }) => Leader::At(leader),
            _ => Leader::Nobody,
        }
    }

    /// The address of another master's web pages, as that master reports it; none if it has none.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn web_of(&self, address: &str) -> Result<Option<String>, Refusal> {
        Ok(self.shared.fellow(address).standing().await?.web)
    }

    /// Numbers for metrics.
    pub fn figures(&self) -> Figures {
        let shared = &self.shared;
        let standing = shared.group.as_ref().map(|group| group.standing());
        let happened = shared.proposer.hear(|events| events.happened().clone());
        let mut figures = Figures {
            leads: shared.leads().is_ok(),
            term: standing.map_or(0, |standing| standing.term),
            applied: standing.map_or(0, |standing| standing.applied),
            jobs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            workers: BTreeMap::new(),
            slots: 0,
            running: 0,
            bytes_read: happened.bytes_read.saturating_add(shared.volatile().bytes_under_way()),
            happened,
        };
        shared.proposer.read(|state| {
            for job in state.scheduler.jobs() {
                *figures.jobs.entry(job.state()).or_default() += 1;
                if job.state().is_terminal() {
                    continue;
                }
                for kind in TaskKind::ALL {
                    let (sum, own) = (figures.tasks.entry(kind).or_default(), job.progress(kind));
                    sum.total = sum.total.saturating_add(own.total);
                    sum.done = sum.done.saturating_add(own.done);
                    sum.running = sum.running.saturating_add(own.running);
                }
            }
            for (id, _) in state.workers() {
                let view = state.scheduler.worker(id);
                *figures.workers.entry(status_lines::worker_state(state, id)).or_default() += 1;
                figures.slots += view.map_or(0, |view| u64::from(view.slots));
                figures.running += view.map_or(0, |view| u64::from(view.running));
            }
        });
        figures
    }

    /// The masters' addresses, as `--cluster` takes them.
    pub fn addresses(&self) -> String {
        self.shared.addresses()
    }

    /// The newest event.
    pub fn last_event(&self) -> EventId {
        self.shared.proposer.hear(|events| events.last())
    }

    /// Returns events after a given one, of one job or of all jobs, up to this number.
    ///
    /// # Errors
    ///
    /// If another master may know more.
    pub fn events(&self, after: EventId, job: Option<JobId>, max: usize) -> Result<Heard, Refusal> {
        self.shared.leads()?;
        let is_wanted = |what: &What| job.is_none_or(|job| what.job() == Some(job));
        Ok(self.shared.proposer.hear(|events| {
            let is_gap = !events.has_known(after);
            let (events, until) = events.after(after, is_wanted, max);
            Heard { events, until, is_gap }
        }))
    }

    /// Returns the newest notable events of a job, up to this number, newest first.
    ///
    /// # Errors
    ///
    /// If another master may know more.
    pub fn recent(&self, job: JobId, max: usize) -> Result<Vec<Event>, Refusal> {
        self.shared.leads()?;
        let is_wanted = |what: &What| what.job() == Some(job) && what.is_notable();
        Ok(self.shared.proposer.hear(|events| events.newest(is_wanted, max)))
    }

    /// The entry that the state reflects, and a fingerprint of it. The fingerprint is the same on all masters that
    /// have applied this entry.
    pub fn fingerprint(&self) -> (u64, u64) {
        let (index, state) = self.shared.proposer.read_at(bincode::serialize);
        (index, xxh3_64(&state.expect("serializing plain data in memory cannot fail")))
    }

    /// Whether the job exists, as far as this master knows.
    pub fn knows(&self, job: JobId) -> bool {
        self.shared.proposer.read(|state| state.scheduler.job(job).is_some())
    }
}
