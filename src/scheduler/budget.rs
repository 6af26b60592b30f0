//! Limits how many failures of each kind a task may have before its job fails, and sets the pauses between attempts.

use serde::{Deserialize, Serialize};

use crate::model::{About, Cause, Failure};

/// Attempts killed for their memory, each on another worker if there is one. Two of them are not a coincidence.
pub const MEMORY_FAILURES_MAX: u32 = 2;
/// Disk failures during one task. A worker is excluded after its second one, so these come from several workers.
pub const DISK_FAILURES_MAX: u32 = 8;
/// Failed fetches of one reduce while every map output exists. They say little about the job.
pub const FETCH_FAILURES_MAX: u32 = 8;
/// Workers lost during one task. After this many, the task is assumed to kill them.
pub const LOST_WORKERS_MAX: u32 = 32;
/// Machine failures during one task: the worker could not start the attempt, or the masters did not provide its
/// artifacts. With the pauses between attempts, they take about two minutes.
pub const MACHINE_FAILURES_MAX: u32 = 16;
/// Failed fetches of one reduce while some map output is lost. The lost output explains each of them, but they must
/// not continue forever.
pub const REFETCHES_MAX: u32 = 100;
/// Outputs of one map found lost or corrupt on a live worker.
pub const LOST_OUTPUTS_MAX: u32 = 8;
/// Commits of a job that do not find what it has staged. With the pauses between them they span more than a minute, in
/// which a network file system may be mounted again.
pub const COMMIT_MISSES_MAX: u32 = 16;
/// Executors of a job that die while they commit. Other deaths come from the machine and stop.
pub const COMMIT_DEATHS_MAX: u32 = 16;

/// Pause before a task's third attempt, in milliseconds, if the first two failed; doubled with each further failure.
const PAUSE_MS: u64 = 200;
/// Longest pause between attempts at a task, in milliseconds.
const PAUSE_MS_MAX: u64 = 10_000;

/// How long a failed task waits for a worker on which it has not failed, in milliseconds, while no other worker has
/// room.
pub(super) const CHOOSY_MS: u64 = 10_000;

/// How long a task pauses after this many consecutive failed attempts, in milliseconds.
///
/// The first retry does not wait, since it goes to another worker if one has room. After that, a temporary problem,
/// such as a disk that is full for some seconds, must not use up all attempts.
pub(super) fn pause_ms(failures: u32) -> u64 {
    match failures {
        0 | 1 => 0,
        _ => PAUSE_MS.saturating_mul(1 << (failures - 2).min(20)).min(PAUSE_MS_MAX),
    }
}

/// Ledgers in which failures are counted.
///
/// | ledger | causes | limit |
/// |---|---|---|
/// | `Own` | `user_error`, `panic`, `exit`, `signal` | `max_attempts` |
/// | `Timeout` | `timeout` | `max_attempts` |
/// | `Memory` | `memory` | [`MEMORY_FAILURES_MAX`], or `max_attempts` if that is less |
/// | `Disk` | `disk` | [`DISK_FAILURES_MAX`]; one attempt is one attempt |
/// | `Fetch` | `fetch_failed`, with all outputs there | [`FETCH_FAILURES_MAX`] |
/// | `Refetch` | `fetch_failed`, with some output gone | [`REFETCHES_MAX`] |
/// | `Worker` | `worker_lost` | [`LOST_WORKERS_MAX`] |
/// | `Machine` | `worker_error`, `master_error`, and what workers must not report: `none`, `killed`, `backup_won` | [`MACHINE_FAILURES_MAX`] |
/// | `Output` | a map's output lost or corrupt | [`LOST_OUTPUTS_MAX`] |
///
/// Commits have limits of their own: see [`Ledger::of_commit`].
///
/// Attempts that the scheduler itself stops are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ledger {
    Own,
    Timeout,
    Memory,
    Disk,
    Fetch,
    Worker,
    Output,
    Refetch,
    Machine,
}

impl Ledger {
    /// Returns the ledger of a failure. `output_lost` says that some map's output is lost, which explains a failed
    /// fetch.
    pub(super) fn of(cause: Cause, output_lost: bool) -> Self {
        match cause {
            Cause::UserError | Cause::Panic | Cause::Exit | Cause::Signal => Self::Own,
            Cause::Timeout => Self::Timeout,
            Cause::Memory => Self::Memory,
            Cause::Disk => Self::Disk,
            Cause::FetchFailed if output_lost => Self::Refetch,
            Cause::FetchFailed => Self::Fetch,
            Cause::WorkerLost => Self::Worker,
            Cause::WorkerError | Cause::MasterError => Self::Machine,
            Cause::None | Cause::BackupWon | Cause::Killed => Self::Machine,
        }
    }

    /// The ledger of a failed commit, and the number of its failures at which the job fails. Without a number the
    /// commit is tried until it works: the output waits for something that a user can change, such as a full disk.
    pub(super) fn of_commit(failure: &Failure) -> (Self, Option<u32>) {
        match (failure.about, failure.cause) {
            (About::StagedMissing, _) => (Self::Output, Some(COMMIT_MISSES_MAX)),
            (_, Cause::Panic | Cause::Exit | Cause::Signal | Cause::Memory) => {
                (Self::Own, Some(COMMIT_DEATHS_MAX))
            }
            (_, Cause::UserError) => (Self::Machine, None),
            (_, cause) => (Self::of(cause, false), None),
        }
    }

    /// The number of failures at which the job fails.
    pub(super) fn limit(self, max_attempts: u32) -> u32 {
        match self {
            Self::Own | Self::Timeout => max_attempts,
            Self::Memory => max_attempts.min(MEMORY_FAILURES_MAX),
            Self::Disk if max_attempts == 1 => 1,
            Self::Disk => DISK_FAILURES_MAX,
            Self::Fetch => FETCH_FAILURES_MAX,
            Self::Refetch => REFETCHES_MAX,
            Self::Worker => LOST_WORKERS_MAX,
            Self::Machine => MACHINE_FAILURES_MAX,
            Self::Output => LOST_OUTPUTS_MAX,
        }
    }

    /// Whether the attempt itself caused the failure, so that its record may be to blame.
    pub(super) fn blames_record(self) -> bool {
        matches!(self, Self::Own | Self::Timeout | Self::Memory)
    }
}

/// How often a task has failed, by ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spent {
    by_ledger: [u16; 9],
}

impl Spent {
    /// Counts one more failure, and returns the new number.
    pub(super) fn charge(&mut self, ledger: Ledger) -> u32 {
        let Some(count) = self.by_ledger.get_mut(ledger as usize) else { return 0 };
        *count = count.saturating_add(1);
        u32::from(*count)
    }

    /// Failures that the attempts themselves caused.
    pub(super) fn own(&self) -> u32 {
        let own = [Ledger::Own, Ledger::Timeout, Ledger::Memory];
        own.iter()
            .filter_map(|ledger| self.by_ledger.get(*ledger as usize))
            .map(|&n| u32::from(n))
            .sum()
    }
}
