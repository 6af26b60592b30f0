//! MapReduce in one executable: a job is a Rust value, and no record is lost or counted twice.
//!
//! Start with [`prelude`], which is all that an author imports, and [`job::Job`], which is all that an author
//! implements. Then see [`format`](mod@format) for what can be read and written, [`job::Combine`] for combiners,
//! [`record::Grouped`] for sorted values, [`job::MapOnly`] for jobs without a reduce, and [`testing`] for testing a
//! job in three lines. The other modules are the implementation.
//!
//! The crate of a job depends on `gristmill`, `clap` and `serde`, the last two with the feature `derive`.

#[cfg(feature = "cluster")]
pub mod cli;
#[cfg(feature = "cluster")]
pub mod client;
pub mod clock;
#[cfg(feature = "cluster")]
pub mod consensus;
mod crash;
pub mod embedded;
pub mod executor;
pub mod format;
pub mod frame;
pub mod job;
pub mod launch;
#[cfg(feature = "cluster")]
pub mod master;
pub mod model;
#[cfg(feature = "cluster")]
pub mod offload;
pub mod prelude;
pub mod procfs;
pub mod record;
#[cfg(feature = "cluster")]
pub mod rpc;
pub mod scheduler;
pub mod shuffle;
pub mod storage;
pub mod task;
pub mod testing;
#[cfg(feature = "cluster")]
pub mod web;
#[cfg(feature = "cluster")]
pub mod worker;

pub use launch::{launch, launch_from};
