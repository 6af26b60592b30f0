//! Workers that fail too often get no attempts for a while, but never the last one.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::Cause;

/// What can be wrong with a worker rather than with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Executors exit or die of a signal there.
    Process,
    /// Attempts run out of memory there.
    Memory,
    /// Attempts hang there.
    Timeout,
    /// Attempts cannot keep there what they need until they end: the disk is full, or loses it.
    Scratch,
    /// Map outputs are lost or corrupt there.
    Disk,
}

impl Trouble {
    /// What a failed attempt says of its worker. Errors and panics of user code say nothing.
    pub(super) fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Exit | Cause::Signal => Some(Self::Process),
            Cause::Memory => Some(Self::Memory),
            Cause::Timeout => Some(Self::Timeout),
            Cause::Disk => Some(Self::Scratch),
            Cause::None
            | Cause::UserError
            | Cause::Panic
            | Cause::WorkerLost
            | Cause::FetchFailed
            | Cause::BackupWon
            | Cause::Killed => None,
        }
    }

    /// How often it must happen, without a success in between, for the worker to be excluded.
    /// A success says nothing of what lies on a disk, so that is counted through.
    pub const fn exclude_after(self) -> u32 {
        match self {
            Self::Process | Self::Memory | Self::Timeout => 3,
            Self::Scratch | Self::Disk => 2,
        }
    }

    /// How long a worker stays excluded, in milliseconds.
    pub const fn period_ms(self) -> u64 {
        match self {
            // A disk that one job has filled has room again when that has ended.
            Self::Process | Self::Memory | Self::Scratch => 60_000,
            Self::Timeout => 300_000,
            Self::Disk => 600_000,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::Scratch => "scratch",
            Self::Disk => "disk",
        })
    }
}

/// A worker gets no attempts for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Exclusion {
    /// Which one of this worker's, from 1.
    pub number: u32,
    /// Why.
    pub trouble: Trouble,
}

/// How often a worker was in which trouble lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Troubles {
    counts: BTreeMap<Trouble, u32>,
}

impl Troubles {
    /// Counts one more; says whether it is time to exclude the worker.
    pub(super) fn note(&mut self, trouble: Trouble) -> bool {
        let count = self.counts.entry(trouble).or_default();
        *count = count.saturating_add(1);
        *count >= trouble.exclude_after()
    }

    /// An attempt has succeeded there.
    pub(super) fn succeed(&mut self) {
        if !self.counts.is_empty() {
            self.counts.retain(|&trouble, _| matches!(trouble, Trouble::Scratch | Trouble::Disk));
        }
    }

    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }
}
