//! The tasks of one kind within a job: which are idle, in progress, completed.

use std::collections::BTreeSet;

use crate::spec::WorkerId;

/// Where a task stands.
///
/// ```text
///           started                    first Complete
///   Idle ──────────────▶ InProgress ──────────────────▶ Completed
///    ▲ ▲                     │                              │
///    │ └─────────────────────┘                              │
///    │   last attempt failed, stopped, lost                 │
///    └──────────────────────────────────────────────────────┘
///        a map's output lost with its worker, while a reduce of its job is unfinished
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// No attempt runs, none has won.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Winner {
    /// Its number.
    pub number: u32,
    /// Where it ran; a map's output lies there.
    pub worker: WorkerId,
    /// Digest of its output, if it gave one.
    pub digest: Option<u64>,
}

/// One task that was started at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    state: TaskState,
    started: u32,
    failures: u32,
    /// The last winner, kept when its output is lost, since reduces may have read it.
    last_winner: Option<Winner>,
}

impl Task {
    const NEW: Self = Self { state: TaskState::Idle, started: 0, failures: 0, last_winner: None };

    /// Where it stands.
    pub fn state(&self) -> TaskState {
        self.state
    }

    /// Attempts started so far; the last one has this number.
    pub fn started(&self) -> u32 {
        self.started
    }

    /// Failed attempts that count against the job's `max_attempts`.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The attempt whose output counts, if one does now.
    pub fn winner(&self) -> Option<Winner> {
        match self.state {
            TaskState::Completed => self.last_winner,
            TaskState::Idle | TaskState::InProgress { .. } => None,
        }
    }
}

/// How far the tasks of one kind have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tasks of this kind.
    pub total: u32,
    /// Tasks of which an attempt has won.
    pub done: u32,
    /// Tasks of which an attempt runs.
    pub running: u32,
}

/// What a win brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Win {
    /// Whether this task never won before.
    pub(super) is_first: bool,
    /// Whether its output is known to differ from that of the winner it replaces.
    pub(super) differs: bool,
}

/// All tasks of one kind, in three parts: those never started are not stored at all, those to be
/// started again are in an ordered set, and so the next one is found without a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tasks {
    progress: Progress,
    /// Tasks `0..started.len()`.
    started: Vec<Task>,
    /// Those of the started ones that are idle.
    again: BTreeSet<u32>,
}

impl Tasks {
    pub(super) fn new(total: u32) -> Self {
        Self { progress: Progress { total, ..Progress::default() }, ..Self::default() }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress.done == self.progress.total
    }

    pub(super) fn has_started(&self) -> bool {
        !self.started.is_empty()
    }

    pub(super) fn get(&self, index: u32) -> Option<&Task> {
        self.started.get(index as usize)
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Task> {
        self.started.get_mut(index as usize)
    }

    /// Index and winner of every completed task, in order.
    pub(super) fn winners(&self) -> impl Iterator<Item = (u32, Winner)> {
        (0u32..).zip(&self.started).filter_map(|(index, task)| Some((index, task.winner()?)))
    }

    /// The idle task with the lowest index.
    pub(super) fn next_idle(&self) -> Option<u32> {
        let fresh = u32::try_from(self.started.len()).ok();
        // All that are to run again have a lower index than those that never ran.
        self.again.first().copied().or(fresh.filter(|&index| index < self.progress.total))
    }

    /// Starts an attempt at the next idle task; gives its index and the attempt's number.
    pub(super) fn start_next(&mut self) -> Option<(u32, u32)> {
        let index = self.next_idle()?;
        if !self.again.remove(&index) {
            self.started.push(Task::NEW);
        }
        let task = self.get_mut(index)?;
        task.started += 1;
        task.state = TaskState::InProgress { running: 1 };
        let number = task.started;
        self.progress.running += 1;
        Some((index, number))
    }

    /// One running attempt is over without a win.
    pub(super) fn release(&mut self, index: u32) {
        let Some(task) = self.get_mut(index) else { return };
        match &mut task.state {
            TaskState::InProgress { running } if *running > 1 => *running -= 1,
            TaskState::InProgress { .. } => {
                task.state = TaskState::Idle;
                self.progress.running -= 1;
                self.again.insert(index);
            }
            TaskState::Idle | TaskState::Completed => {}
        }
    }

    /// Counts one failure; gives how many there are now.
    pub(super) fn charge(&mut self, index: u32) -> u32 {
        let Some(task) = self.get_mut(index) else { return 0 };
        task.failures = task.failures.saturating_add(1);
        task.failures
    }

    /// A running attempt has won.
    pub(super) fn complete(&mut self, index: u32, winner: Winner) -> Win {
        let Some(task) = self.get_mut(index) else {
            return Win { is_first: false, differs: false };
        };
        let before = task.last_winner.replace(winner);
        task.state = TaskState::Completed;
        self.progress.running -= 1;
        self.progress.done += 1;
        let digests = (before.and_then(|before| before.digest), winner.digest);
        let differs = matches!(digests, (Some(before), Some(now)) if before != now);
        Win { is_first: before.is_none(), differs }
    }

    /// A win's output is gone: the task must run again.
    pub(super) fn lose(&mut self, index: u32) {
        let Some(task) = self.get_mut(index) else { return };
        if task.state == TaskState::Completed {
            task.state = TaskState::Idle;
            self.progress.done -= 1;
            self.again.insert(index);
        }
    }
}
