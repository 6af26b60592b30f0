//! One task: its state, its attempts, and the winning output.

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Straggler};
use super::budget::Spent;
use crate::model::{AttemptState, TaskState, Usage, WorkerId};

/// Attempts that are kept for each task. If there are more, the oldest finished ones are dropped.
pub const ATTEMPTS_KEPT: usize = 16;

/// How far a task is.
///
/// ```text
///           started                    first Complete
///   Idle ──────────────▶ InProgress ──────────────────▶ Completed
///    ▲ ▲ │                   │                            ▲ │
///    │ │ └───────────────────┼────────────────────────────┘ │
///    │ │   the lost output is found intact (RestoreOutputs)  │
///    │ └─────────────────────┘                              │
///    │   last attempt failed, stopped, lost                 │
///    └──────────────────────────────────────────────────────┘
///        a map's output lost, while a reduce of its job is unfinished
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskProgress {
    /// No attempt runs, and none has won.
    Idle,
    /// Some attempts run.
    InProgress {
        /// How many, at least 1.
        running: u32,
    },
    /// An attempt has won; see [`Task::winner`].
    Completed,
}

/// The attempt whose output counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winner {
    /// Its number.
    pub number: u32,
    /// Its worker, which holds a map's output.
    pub worker: WorkerId,
    /// Digest of its output, if it reported one.
    pub digest: Option<u64>,
    /// Whether it sealed files in staging.
    pub is_staged: bool,
    /// What it has read, written and used, including the maps that joined it.
    pub usage: Usage,
}

/// One task that was started at least once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub(super) progress: TaskProgress,
    pub(super) started: u32,
    pub(super) spent: Spent,
    /// Attempts that have failed since the last win.
    pub(super) failed_in_row: u32,
    /// The last winner, kept even if its output is lost, because reduces may have read it.
    pub(super) last_winner: Option<Winner>,
    pub(super) attempts: Vec<Attempt>,
}

impl Task {
    pub(super) fn new() -> Self {
        let (spent, attempts) = (Spent::default(), Vec::with_capacity(1));
        let progress = TaskProgress::Idle;
        Self { progress, started: 0, spent, failed_in_row: 0, last_winner: None, attempts }
    }

    /// Whether it waits, runs or is done.
    pub fn progress(&self) -> TaskProgress {
        self.progress
    }

    /// Its state, if it has not failed its job; see [`Job::failed_task`](super::Job::failed_task).
    pub fn state(&self) -> TaskState {
        match self.progress {
            TaskProgress::Idle => TaskState::Idle,
            TaskProgress::InProgress { .. } => TaskState::InProgress,
            TaskProgress::Completed => TaskState::Completed,
        }
    }

    /// Number of attempts started so far, which is also the number of the last one.
    pub fn started(&self) -> u32 {
        self.started
    }

    /// Failed attempts that were the job's own fault: errors, crashes, memory, timeouts.
    pub fn failures(&self) -> u32 {
        self.spent.own()
    }

    /// Its attempts in order: the last [`ATTEMPTS_KEPT`] of them.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Whether none of its attempts has won or failed on its own. Only then may it share an attempt with other tasks.
    pub(super) fn is_blameless(&self) -> bool {
        self.last_winner.is_none()
            && self.attempts.iter().all(|attempt| attempt.state != AttemptState::Failed)
    }

    /// The attempt whose output counts now, if there is one.
    pub fn winner(&self) -> Option<Winner> {
        match self.progress {
            TaskProgress::Completed => self.last_winner,
            TaskProgress::Idle | TaskProgress::InProgress { .. } => None,
        }
    }

    /// The attempt that won last, even if its output is lost.
    pub fn last_winner(&self) -> Option<Winner> {
        self.last_winner
    }

    /// Starts one more attempt, and returns its number.
    pub(super) fn start(
        &mut self,
        worker: WorkerId,
        now_ms: u64,
        straggler: Option<Straggler>,
    ) -> u32 {
        self.started += 1;
        self.push(Attempt::new(self.started, worker, now_ms, straggler));
        self.started
    }

    fn push(&mut self, attempt: Attempt) {
        if self.attempts.len() >= ATTEMPTS_KEPT
            && let Some(oldest) =
                self.attempts.iter().position(|attempt| attempt.state != AttemptState::Running)
        {
            self.attempts.remove(oldest);
        }
        self.attempts.push(attempt);
    }
}
