//! Excludes a worker temporarily when its failures seem to be its own fault. The last usable worker
//! is never excluded.
//!
//! A failure that occurs on every worker is the fault of the job. Crashes, hangs and exceeded
//! memory limits can be the fault of the job or of the worker. They count against a worker only if
//! several jobs had them there, and only if those jobs have not failed in the same way on another
//! worker. Disk errors and processes that cannot be started always count against the worker.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Cause, JobId, WorkerId};

/// Jobs that must have had a failure on a worker, if the failure may be the fault of a job.
const JOBS_MIN: usize = 2;
/// Workers that must have found another worker's map outputs lost or corrupt, because a single one may itself be at
/// fault.
const READERS_MIN: usize = 2;
/// Jobs that are remembered for each kind of fault of a worker; more than any threshold needs.
const JOBS_KEPT: usize = 8;

/// Kinds of failures that may be the fault of a worker rather than of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerFault {
    /// Executors exit there, or die of a signal.
    Process,
    /// Attempts run out of memory there.
    Memory,
    /// Attempts hang there.
    Timeout,
    /// Attempts cannot keep their files there: the disk is full, or loses them.
    Scratch,
    /// Map outputs are lost or corrupt there.
    Disk,
    /// Attempts cannot be started there: no memory, processes or descriptors, or no executable file.
    Start,
}

impl WorkerFault {
    /// What a failed attempt shows about its worker. Errors and panics of user code show nothing.
    pub(super) fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Exit | Cause::Signal => Some(Self::Process),
            Cause::Memory => Some(Self::Memory),
            Cause::Timeout => Some(Self::Timeout),
            Cause::Disk => Some(Self::Scratch),
            Cause::WorkerError => Some(Self::Start),
            // A worker must not report causes that only a master decides.
            Cause::Killed | Cause::BackupWon | Cause::WorkerLost => Some(Self::Start),
            Cause::None
            | Cause::UserError
            | Cause::Panic
            | Cause::FetchFailed
            | Cause::MasterError => None,
        }
    }

    /// Whether a job can cause this on a healthy worker.
    pub(super) const fn may_follow_job(self) -> bool {
        matches!(self, Self::Process | Self::Memory | Self::Timeout)
    }

    /// How often this must occur, without a success in between, until the worker is excluded. A success proves nothing
    /// about the files on a disk, so it does not reset that count.
    pub const fn exclude_after(self) -> u32 {
        match self {
            Self::Process | Self::Memory | Self::Timeout => 3,
            Self::Scratch | Self::Disk | Self::Start => 2,
        }
    }

    /// How long a worker stays excluded, in milliseconds.
    pub const fn period_ms(self) -> u64 {
        match self {
            // Resources that one job has used up are free again when that job has ended.
            Self::Process | Self::Memory | Self::Scratch | Self::Start => 60_000,
            Self::Timeout => 300_000,
            Self::Disk => 600_000,
        }
    }

    /// Describes the fault as a reason for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Process => "executors of several jobs crashed on this worker and on no other",
            Self::Memory => {
                "attempts of several jobs ran out of memory on this worker and on no other"
            }
            Self::Timeout => "attempts of several jobs hung on this worker and on no other",
            Self::Scratch => "its disk was full, or data that attempts had written to it was lost",
            Self::Disk => "map outputs on its disk were lost or corrupt",
            Self::Start => "it could not start the processes of attempts",
        }
    }
}

impl fmt::Display for WorkerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::Scratch => "scratch",
            Self::Disk => "disk",
            Self::Start => "start",
        })
    }
}

/// An exclusion: a worker gets no attempts for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Exclusion {
    /// Its number among this worker's exclusions, from 1.
    pub number: u32,
    /// Why.
    pub fault: WorkerFault,
}

/// A worker's recent faults, by the job in which they occurred.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WorkerFaults {
    counts: BTreeMap<WorkerFault, BTreeMap<JobId, u32>>,
    /// Workers that have reported map outputs of this worker as lost or corrupt; `None` is the worker itself.
    readers: BTreeSet<Option<WorkerId>>,
}

impl WorkerFaults {
    /// Counts one more fault in this job.
    pub(super) fn note(&mut self, fault: WorkerFault, job: JobId) {
        let by_job = self.counts.entry(fault).or_default();
        let count = by_job.entry(job).or_default();
        *count = count.saturating_add(1);
        if by_job.len() > JOBS_KEPT {
            by_job.pop_first();
        }
    }

    /// Whether there was enough faults of this kind to exclude the worker.
    pub(super) fn suffice(&self, fault: WorkerFault) -> bool {
        let Some(by_job) = self.counts.get(&fault) else { return false };
        let count = by_job.values().fold(0u32, |sum, &count| sum.saturating_add(count));
        let is_several = !fault.may_follow_job() || by_job.len() >= JOBS_MIN;
        let is_proven = fault != WorkerFault::Disk
            || self.readers.contains(&None)
            || self.readers.len() >= READERS_MIN;
        is_several && is_proven && count >= fault.exclude_after()
    }

    /// Records that a worker reports a map output of this one as lost or corrupt; `None` is this worker itself.
    pub(super) fn doubt(&mut self, reader: Option<WorkerId>) {
        if self.readers.len() < READERS_MIN || reader.is_none() {
            self.readers.insert(reader);
        }
    }

    /// Removes the faults of a job that had the same fault on another worker.
    pub(super) fn acquit(&mut self, fault: WorkerFault, job: JobId) {
        if let Some(by_job) = self.counts.get_mut(&fault) {
            by_job.remove(&job);
        }
    }

    /// Records that an attempt has succeeded there.
    pub(super) fn succeed(&mut self) {
        if !self.counts.is_empty() {
            self.counts
                .retain(|&fault, _| matches!(fault, WorkerFault::Scratch | WorkerFault::Disk));
        }
    }

    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.readers.clear();
    }
}
