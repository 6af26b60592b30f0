//! Runs a whole job in this process on all cores.
//!
//! The same pure scheduler makes the decisions here as on a cluster, but each worker is a thread with one slot:
//!
//! ```text
//!   scheduler ──Start──► driver ──Order──► thread 1..n   plan, map, reduce, commit: see `task`
//!       ▲                  │  ◄──Report──────┘
//!       └────Command───────┘
//! ```
//!
//! Map output stays in memory while it fits, and is spilled otherwise. If the combiner is exact, a thread keeps one
//! table for all its map tasks, because no task is retried here.

mod driver;
mod hand;
mod outputs;
mod prepare;
mod progress;

pub use driver::{Outcome, run};
pub use prepare::{Error, Options, Prepared, prepare};
pub use progress::{Phase, Progress};
