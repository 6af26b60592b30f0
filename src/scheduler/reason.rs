//! What an unfinished job waits for.

use std::fmt;

use super::slots::Slots;
use super::{Job, Progress};
use crate::model::{Cause, JobState, TaskKind, size};

/// What a job waits for; `Display` is the text for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no worker at all.
    NoWorkers,
    /// There are workers, and all of them are draining.
    NoUsableWorkers,
    /// No worker gives an attempt as much memory as the job demands.
    Memory {
        /// The job's demand, in bytes.
        demanded_bytes: u64,
        /// The most that any worker gives, in bytes.
        most_bytes: u64,
    },
    /// There are workers, but all their slots are in use.
    NoSlots {
        /// The kind of task that would run next.
        kind: TaskKind,
        /// Progress of that kind of task.
        progress: Progress,
    },
    /// Its next task pauses after failures, and will be retried soon.
    Resting {
        /// Of this kind.
        kind: TaskKind,
        /// Progress of that kind of task.
        progress: Progress,
    },
    /// Its next task has failed on the workers that have room, and waits for another worker.
    OtherWorker {
        /// Of this kind.
        kind: TaskKind,
    },
    /// Its tasks run.
    Running {
        /// Of this kind.
        kind: TaskKind,
        /// Their progress.
        progress: Progress,
    },
    /// Publishing has failed, and is being retried.
    Republishing {
        /// Cause of the last failure.
        cause: Cause,
    },
}

impl Reason {
    /// What a job waits for, unless it has ended.
    pub(super) fn of(job: &Job, slots: &Slots) -> Option<Self> {
        let kind = match job.state() {
            JobState::Waiting | JobState::Planning => TaskKind::Plan,
            JobState::Mapping => TaskKind::Map,
            JobState::Reducing => TaskKind::Reduce,
            JobState::Committing => TaskKind::Commit,
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => return None,
        };
        let progress = job.progress(kind);
        let blame = job.blame().filter(|_| kind == TaskKind::Commit);
        let blame = blame.filter(|blame| blame.attempt.task.kind == TaskKind::Commit);
        Some(if slots.is_empty() {
            Self::NoWorkers
        } else if slots.usable() == 0 && progress.running == 0 {
            Self::NoUsableWorkers
        } else if progress.running == 0 && job.startable().is_none() {
            Self::Resting { kind, progress }
        } else if progress.running == 0 && job.lacks_memory(slots) {
            let (demanded_bytes, most_bytes) = (job.memory_bytes(kind), slots.most_memory_bytes());
            Self::Memory { demanded_bytes, most_bytes: most_bytes.unwrap_or(0) }
        } else if progress.running == 0
            && slots.freest_for(job.memory_bytes(kind), &[]).is_some()
            && job.place(slots).is_none()
        {
            Self::OtherWorker { kind }
        } else if progress.running == 0 {
            Self::NoSlots { kind, progress }
        } else if let Some(blame) = blame {
            Self::Republishing { cause: blame.failure.cause }
        } else {
            Self::Running { kind, progress }
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorkers => f.write_str("no workers"),
            Self::NoUsableWorkers => f.write_str("all workers are draining"),
            Self::Memory { demanded_bytes, most_bytes } => {
                let (demanded, most) = (size::format(*demanded_bytes), size::format(*most_bytes));
                write!(
                    f,
                    "waiting for a worker with {demanded} of memory per attempt (set by the job's \
                     --memory); the largest worker offers {most}"
                )
            }
            Self::NoSlots { kind: TaskKind::Plan | TaskKind::Commit, .. } => {
                f.write_str("waiting for slots")
            }
            Self::NoSlots { kind, progress: Progress { total, done, .. } } => {
                write!(f, "waiting for slots, {done} of {total} {kind}s done")
            }
            Self::Resting { kind, progress: Progress { total, done, .. } } => {
                write!(
                    f,
                    "pausing before a failed {kind} is retried, {done} of {total} {kind}s done"
                )
            }
            Self::OtherWorker { kind } => {
                write!(f, "waiting for a slot on another worker, to retry a failed {kind}")
            }
            Self::Running { kind: TaskKind::Plan, .. } => f.write_str("listing the input"),
            Self::Running { kind: TaskKind::Commit, .. } => f.write_str("publishing"),
            Self::Running { kind, progress: Progress { total, done, running } } => {
                write!(f, "{running} of {total} {kind}s running, {done} done")
            }
            Self::Republishing { cause } => {
                write!(f, "publishing again, after a failure with cause {cause}")
            }
        }
    }
}
