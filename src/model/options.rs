//! Options of a submission, which set how a job runs. (The job spec sets which job runs, and on
//! which input.)

use serde::{Deserialize, Serialize};

/// Options of a submission; the defaults are those of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOptions {
    /// Number of failed attempts of one task that makes the job fail, within [`MAX_ATTEMPTS`](super::limits::MAX_ATTEMPTS).
    pub max_attempts: u32,
    /// Priority for free slots, within [`PRIORITY`](super::limits::PRIORITY); the higher one goes first.
    pub priority: u8,
    /// Milliseconds that an attempt may take without progress, within [`TASK_TIMEOUT_MS`](super::limits::TASK_TIMEOUT_MS); `None` for no limit.
    pub task_timeout_ms: Option<u64>,
    /// Whether slow attempts get a backup. Off for jobs whose attempts have side effects.
    pub backups: bool,
    /// Whether reduces start to fetch before all maps are done.
    pub early_reduces: bool,
    /// Memory that a worker must give to an attempt, in bytes; 0 if any worker will do.
    pub memory_bytes: u64,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            priority: 5,
            task_timeout_ms: Some(600_000),
            backups: true,
            early_reduces: true,
            memory_bytes: 0,
        }
    }
}
