//! MapReduce in one executable: a job is a Rust value, and it never loses or doubles a record.

#[cfg(feature = "cluster")]
pub mod cli;
pub mod clock;
pub mod embedded;
pub mod format;
pub mod job;
pub mod launch;
pub mod prelude;
pub mod record;
pub mod scheduler;
pub mod shuffle;
pub mod spec;
pub mod storage;
pub mod task;
pub mod testing;

pub use launch::{launch, launch_from};
