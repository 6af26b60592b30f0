//! One job: its four kinds of task, its state, and how it ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::tasks::{Tasks, Win};
use super::{Progress, Rejection, Submit, Task, Winner};
use crate::spec::{AttemptId, Cause, Counters, Failure, JobId, Nonce, TaskId, TaskKind};

/// Where a job stands.
///
/// ```text
///            plan started      PlanDone       all maps won       all reduces won
///   Waiting ────────────▶ Planning ───▶ Mapping ───────▶ Reducing ───────▶ Committing ──▶ Succeeded
///                                          ▲  map output lost │                 │
///                                          └──────────────────┘                 │
///   any of them but Committing: Cancel ──▶ Cancelled                            │
///   any of them: a task out of attempts, or failed for good ──▶ Failed ◀────────┘
///                                                                 failed for good
/// ```
///
/// A map-only job goes from `Mapping` to `Committing`. The last three are terminal. `Committing`
/// is reached by the decision that everything will be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Nothing of it was ever started.
    Waiting,
    /// Its input is listed and cut into splits.
    Planning,
    /// Some map has no output.
    Mapping,
    /// All maps have output, some reduce has none.
    Reducing,
    /// All parts are sealed and are being published.
    Committing,
    /// Its output is published.
    Succeeded,
    /// It failed, and nothing of it was published.
    Failed,
    /// It was cancelled, and nothing of it was published.
    Cancelled,
}

impl JobState {
    /// Whether the job has ended.
    pub fn is_terminal(self) -> bool {
        self >= Self::Succeeded
    }
}

impl fmt::Display for JobState {
    /// The name that JSON has too, such as `mapping`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Planning => "planning",
            Self::Mapping => "mapping",
            Self::Reducing => "reducing",
            Self::Committing => "committing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    Failed,
    Cancelled,
}

impl From<End> for JobState {
    fn from(end: End) -> Self {
        match end {
            End::Succeeded => Self::Succeeded,
            End::Failed => Self::Failed,
            End::Cancelled => Self::Cancelled,
        }
    }
}

/// A failure and the attempt that met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The attempt.
    pub attempt: AttemptId,
    /// What it reported.
    pub failure: Failure,
}

/// One job, as [`Submit`] described it, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    submit: Submit,
    plan: Tasks,
    maps: Tasks,
    reduces: Tasks,
    /// One task once the decision to commit is taken, none before.
    commit: Tasks,
    end: Option<End>,
    blame: Option<Blame>,
    counters: Counters,
}

impl Job {
    pub(super) fn new(submit: Submit) -> Self {
        Self {
            submit,
            plan: Tasks::new(1),
            maps: Tasks::default(),
            reduces: Tasks::default(),
            commit: Tasks::default(),
            end: None,
            blame: None,
            counters: Counters::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> JobId {
        self.submit.job
    }

    /// What makes its staging paths unique.
    pub fn nonce(&self) -> Nonce {
        self.submit.nonce
    }

    /// Where it stands.
    pub fn state(&self) -> JobState {
        match self.end {
            Some(end) => end.into(),
            None if self.is_decided() => JobState::Committing,
            None if !self.plan.has_started() => JobState::Waiting,
            None if !self.plan.is_done() => JobState::Planning,
            None if !self.maps.is_done() => JobState::Mapping,
            None => JobState::Reducing,
        }
    }

    /// How far its tasks of a kind have come.
    pub fn progress(&self, kind: TaskKind) -> Progress {
        self.tasks(kind).progress()
    }

    /// One of its tasks, if it was ever started.
    pub fn task(&self, task: TaskId) -> Option<&Task> {
        self.tasks(task.kind).get(task.index)
    }

    /// Index and winner of every completed task of a kind, in order.
    pub fn winners(&self, kind: TaskKind) -> impl Iterator<Item = (u32, Winner)> {
        self.tasks(kind).winners()
    }

    /// The sum of the counters of each task's first winner.
    ///
    /// A map that runs again for a lost output must give the same output, hence the same counts,
    /// and is not counted twice.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The last failure that counted; of a failed job, the one that it failed of.
    pub fn blame(&self) -> Option<&Blame> {
        self.blame.as_ref()
    }

    fn tasks(&self, kind: TaskKind) -> &Tasks {
        match kind {
            TaskKind::Plan => &self.plan,
            TaskKind::Map => &self.maps,
            TaskKind::Reduce => &self.reduces,
            TaskKind::Commit => &self.commit,
        }
    }

    fn tasks_mut(&mut self, kind: TaskKind) -> &mut Tasks {
        match kind {
            TaskKind::Plan => &mut self.plan,
            TaskKind::Map => &mut self.maps,
            TaskKind::Reduce => &mut self.reduces,
            TaskKind::Commit => &mut self.commit,
        }
    }

    /// Refuses a number of reduces that is not what was submitted.
    pub(super) fn check_reducers(&self, reducers: u32) -> Result<(), Rejection> {
        self.submit.check_reducers(reducers)
    }

    /// The plan has won: these are the job's tasks.
    pub(super) fn set_tasks(&mut self, maps: u32, reduces: u32) {
        self.maps = Tasks::new(maps);
        self.reduces = Tasks::new(reduces);
    }

    /// Whether reduces may start: here, once every map has an output to fetch.
    ///
    /// This is the one place that decides it. Starting earlier, to fetch while maps still run,
    /// needs care that reduces never hold the slots that maps need, and comes with the cluster.
    fn reduces_may_start(&self) -> bool {
        self.maps.is_done()
    }

    /// The kind of task that can start next, if one can. Maps come first: when an output was lost,
    /// the reduces that still run wait for it.
    pub(super) fn startable(&self) -> Option<TaskKind> {
        let kind = if self.end.is_some() {
            return None;
        } else if self.is_decided() {
            TaskKind::Commit
        } else if !self.plan.is_done() {
            TaskKind::Plan
        } else if !self.reduces_may_start() {
            TaskKind::Map
        } else {
            TaskKind::Reduce
        };
        self.tasks(kind).next_idle().map(|_| kind)
    }

    /// Starts an attempt at the next task that can start.
    pub(super) fn start_next(&mut self) -> Option<AttemptId> {
        let kind = self.startable()?;
        let (index, number) = self.tasks_mut(kind).start_next()?;
        Some(self.id().task(kind, index).attempt(number))
    }

    pub(super) fn release(&mut self, task: TaskId) {
        self.tasks_mut(task.kind).release(task.index);
    }

    /// A running attempt has won; its counters count unless an earlier winner's did.
    pub(super) fn complete(&mut self, task: TaskId, winner: Winner, counters: &Counters) -> Win {
        let win = self.tasks_mut(task.kind).complete(task.index, winner);
        if win.is_first {
            self.counters.merge(counters);
        }
        win
    }

    /// A map's output is gone.
    pub(super) fn lose_output(&mut self, map: u32) {
        self.maps.lose(map);
    }

    /// Takes note of a failure; says whether the job fails of it.
    ///
    /// A commit is tried for as long as it takes, since everything was promised to be published,
    /// unless its failure says that it never can be.
    pub(super) fn charge(&mut self, blame: Blame, deterministic: bool) -> bool {
        let TaskId { kind, index, .. } = blame.attempt.task;
        if !deterministic && !self.is_charged(blame.failure.cause) {
            return false;
        }
        self.blame = Some(blame);
        let failures = self.tasks_mut(kind).charge(index);
        deterministic || (kind != TaskKind::Commit && failures >= self.submit.max_attempts)
    }

    /// Whether a failure is the attempt's own, and so counts against `max_attempts`.
    ///
    /// A fetch that failed while some map output is lost is not.
    fn is_charged(&self, cause: Cause) -> bool {
        match cause {
            Cause::None | Cause::WorkerLost | Cause::BackupWon | Cause::Killed => false,
            Cause::FetchFailed => self.maps.is_done(),
            Cause::UserError
            | Cause::Panic
            | Cause::Exit
            | Cause::Signal
            | Cause::Memory
            | Cause::Timeout => true,
        }
    }

    /// Fails the job for a reason that no attempt reported.
    pub(super) fn set_blame(&mut self, blame: Blame) {
        self.blame = Some(blame);
    }

    pub(super) fn is_map_only(&self) -> bool {
        self.submit.map_only
    }

    /// Whether all output is sealed, so that the decision to commit can be taken.
    ///
    /// A reduce that won has read every map, so a map whose output is lost by then matters no more.
    pub(super) fn is_sealed(&self) -> bool {
        let last = if self.is_map_only() { &self.maps } else { &self.reduces };
        self.end.is_none() && !self.is_decided() && self.plan.is_done() && last.is_done()
    }

    fn is_decided(&self) -> bool {
        self.commit.progress().total > 0
    }

    /// Takes the decision to commit.
    pub(super) fn decide(&mut self) {
        self.commit = Tasks::new(1);
    }

    pub(super) fn end(&mut self, end: End) {
        self.end = Some(end);
    }
}
