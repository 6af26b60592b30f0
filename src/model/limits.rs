//! Limits that several modules share: the command line, the protocol and the scheduler.

use std::ops::RangeInclusive;

/// Accepted limits of failed attempts. A task that has failed 100 times will fail again.
pub const MAX_ATTEMPTS: RangeInclusive<u32> = 1..=100;
/// Accepted priorities. A job with a higher one gets free slots first.
pub const PRIORITY: RangeInclusive<u8> = 0..=9;
/// Accepted milliseconds without progress after which an attempt is stopped: up to a week.
pub const TASK_TIMEOUT_MS: RangeInclusive<u64> = 1..=7 * 24 * 3_600_000;
/// Accepted numbers of attempts that a worker runs at once; the highest is more than most machines have cores.
pub const SLOTS: RangeInclusive<u32> = 1..=1_024;
/// Accepted lengths of a submission's id, in bytes. The id is kept as long as its job.
pub const SUBMISSION_ID_BYTES: RangeInclusive<u64> = 1..=128;
/// Accepted numbers of a master within its cluster.
pub const MASTER_NUMBER: RangeInclusive<u64> = 1..=1_000;
/// Accepted numbers of masters of a cluster on one machine.
pub const DEV_MASTERS: RangeInclusive<u32> = 1..=7;
/// Accepted numbers of workers of a cluster on one machine.
pub const DEV_WORKERS: RangeInclusive<u32> = 1..=64;
