//! MapReduce in one executable: a job is a Rust value, and it never loses or doubles a record.

pub mod clock;
pub mod format;
pub mod record;
pub mod scheduler;
pub mod shuffle;
pub mod spec;
pub mod storage;
