//! Facts about a worker that nothing interprets but people and other workers: its process, address and machine.

use serde::{Deserialize, Serialize};

/// The value of [`WorkerFacts::limiter`] if memory is not limited.
pub const UNLIMITED: &str = "none";

/// What a worker says of itself when it registers. It does not change while its process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFacts {
    /// Its process id on its machine.
    pub pid: u32,
    /// Where it serves map outputs: `127.0.0.1:PORT`.
    pub address: String,
    /// Number of attempts that it runs at once, within [`SLOTS`](super::limits::SLOTS).
    pub slots: u32,
    /// Memory that it gives to an attempt, in bytes; 0 if that is not limited.
    pub attempt_memory_bytes: u64,
    /// How memory is limited: `cgroup v1`, `cgroup v2`, `sampled` or [`UNLIMITED`].
    pub limiter: String,
    /// The version of its executable.
    pub version: String,
}

/// Memory and disk of a worker's machine, for display; 0 if unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of memory that are available.
    pub memory_free_bytes: u64,
    /// Bytes of the file system that the worker's folder is in.
    pub disk_bytes: u64,
    /// Bytes of it that are free.
    pub disk_free_bytes: u64,
}
