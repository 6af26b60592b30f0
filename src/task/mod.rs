//! Runs one attempt, from its input to its sealed output: synchronous, on a thread.
//!
//! | task | reads | leaves |
//! |---|---|---|
//! | plan | the listing, a sample | splits, cut points |
//! | map | a split | sorted spills and runs ([`MapOutput`]), or a part where there is no reduce |
//! | reduce | its partition of every map output | a part |
//! | commit | the winners' parts | the published output |
//!
//! An attempt writes only into its own folder; what it wrote counts once its task's winner is known.

mod collector;
mod commit;
mod failure;
mod fold;
mod map;
mod plan;
mod quarantine;
mod reduce;
mod run;

use std::sync::atomic::AtomicBool;

pub use collector::{InMemory, JobCollector, MapOutput};
pub use commit::{commit, write_to_stdout};
pub use fold::{JobFold, JobPartitioner};
pub use plan::{Plan, plan};
pub use quarantine::BadRecords;
pub use run::{
    Env, GROUP, MapDone, PartDone, ReduceDone, accept, run_map, run_map_only, run_reduce,
    shuffle_failure,
};

use crate::format;

/// How an attempt reads its input.
struct Reading<'r> {
    options: format::source::Options,
    stop: &'r AtomicBool,
}
