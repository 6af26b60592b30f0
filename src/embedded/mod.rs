//! Runs a whole job in this process on all cores.
//!
//! The scheduler is the same as on a cluster, but each of its workers is a thread with one slot:
//!
//! ```text
//!   scheduler ──Start──► driver ──Order──► thread 1..n   plan, map, reduce, commit: see `task`
//!       ▲                  │  ◄──Report──────┘
//!       └────Command───────┘
//! ```
//!
//! Map output stays in memory while it fits, and is spilled to disk otherwise. If the combiner is exact (its result
//! does not depend on the order or grouping of the values), a thread combines the output of all its map tasks in one
//! table. This is possible because no task is retried here.

mod driver;
mod outputs;
mod prepare;
mod progress;
mod slot_thread;

pub use driver::{Outcome, run};
pub use prepare::{Error, Options, Prepared, prepare};
pub use progress::{Phase, Progress};
