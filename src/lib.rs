//! MapReduce in one executable: a job is a Rust value, and no record is lost or counted twice.
//!
//! Start with [`prelude`], which is all that an author imports, and [`job::Job`], which is all that an author
//! implements. Then see [`format`](mod@format) for what can be read and written, [`job::Combine`] for combiners,
//! [`record::Grouped`] for sorted values, [`job::MapOnly`] for jobs without a reduce, and [`testing`] for testing a
//! job in three lines. [`model`] holds the ids and other plain data that these modules mention. With the feature
//! `cluster`, a program can submit jobs through `client`.
//!
//! The crate of a job depends on `gristmill`, `clap` and `serde`, the last two with the feature `derive`.

#[cfg(feature = "cluster")]
pub mod client;
pub mod format;
pub mod job;
pub mod model;
pub mod prelude;
pub mod record;
pub mod testing;

mod crash;

// The implementation. These modules are public only because other crates use them: the `gristmill` command, the tests
// and the benches. They are hidden because authors do not need them, and they may change in any version.
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod clock;
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod consensus;
#[doc(hidden)]
pub mod embedded;
#[doc(hidden)]
pub mod executor;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod launch;
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod master;
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod offload;
#[doc(hidden)]
pub mod procfs;
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod rpc;
#[doc(hidden)]
pub mod scheduler;
#[doc(hidden)]
pub mod shuffle;
#[doc(hidden)]
pub mod storage;
#[doc(hidden)]
pub mod task;
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod web;
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod worker;

#[doc(inline)]
pub use launch::{launch, launch_from};
