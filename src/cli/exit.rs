//! The exit codes of the command: those of a job executable, and those that only a cluster has.

pub use crate::launch::exit::{FAILED, INTERRUPTED, OK, USAGE};

/// The job, task or worker does not exist.
pub const NOT_FOUND: u8 = 3;
/// No cluster answered, or none of its masters leads.
pub const UNAVAILABLE: u8 = 4;
/// A limit or a policy refused it.
pub const LIMIT: u8 = 5;
/// The job was cancelled.
pub const CANCELLED: u8 = 7;
/// It is not known whether it happened: repeat it with the same `--id`.
pub const UNKNOWN: u8 = 8;
