//! Runs a whole job in this process on all cores.
//!
//! The pure scheduler decides, as it does for a cluster; here every worker is a thread with one slot:
//!
//! ```text
//!   scheduler ──Start──► driver ──Order──► thread 1..n   plan, map, reduce, commit: see `task`
//!       ▲                  │  ◄──Report──────┘
//!       └────Command───────┘
//! ```
//!
//! Map output stays in memory while it fits and is spilled when it does not. A thread of a job with an exact combiner
//! keeps one table for all its map tasks, since nothing is run again here.

mod driver;
mod hand;
mod outputs;
mod prepare;
mod progress;

pub use driver::{Outcome, run};
pub use prepare::{Error, Options, Prepared, prepare};
pub use progress::{Phase, Progress};
