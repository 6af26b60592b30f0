//! The exit codes of the `gristmill` command: those of a job executable, and further ones for errors of a cluster.

pub use crate::launch::exit::{FAILED, INTERRUPTED, OK, USAGE};

/// The job, task or worker does not exist.
pub const NOT_FOUND: u8 = 3;
/// No master answered, or none of them is the leader.
pub const UNAVAILABLE: u8 = 4;
/// Refused by a limit or a policy.
pub const LIMIT: u8 = 5;
/// The job was cancelled.
pub const CANCELLED: u8 = 7;
/// The outcome is unknown: repeat the command with the same `--id`.
pub const UNKNOWN: u8 = 8;
