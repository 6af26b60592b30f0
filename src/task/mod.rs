//! Runs one attempt, from its input to its sealed output: synchronously, on one thread.
//!
//! | task | reads | leaves |
//! |---|---|---|
//! | plan | the listing, a sample | splits, cut points |
//! | map | a split | sorted spills and runs ([`MapOutput`]), or a part if the job has no reduce |
//! | reduce | its partition of every map output | a part |
//! | commit | the winners' parts | the published output |
//!
//! An attempt writes only into its own folder. Its output counts only if the attempt wins its task.

mod collector;
mod commit;
mod failure;
mod fold;
mod gathered_reduce;
mod here;
mod listing;
mod map;
mod plan;
mod plan_file;
mod quarantine;
mod reduce;
mod run;
mod sample;
mod shared_commit;
mod sink;
mod spill_map;

use std::sync::atomic::AtomicBool;

pub use collector::{InMemory, JobCollector, MapOutput};
pub use commit::{commit, in_order, write_to_stdout};
pub(crate) use failure::{AttemptError, guard};
pub use fold::{Cut, JobFold, JobPartitioner};
pub use gathered_reduce::run_reduce_of_segments;
pub(crate) use here::{attempt_here, in_attempt};
pub use listing::{ListError, Listing, list};
pub use plan::plan;
pub use plan_file::{Plan, PlanError, PlanFile};
pub use quarantine::BadRecords;
pub use run::{
    Env, GROUP, MAP_INPUT_RECORDS, MAP_OUTPUT_BYTES, MAP_OUTPUT_RECORDS, MapDone, PartDone,
    ReduceDone, accept, folder_name, run_map, run_map_only, run_reduce, shuffle_failure,
};
pub use shared_commit::{Winners, commit_shared, seal};
pub use spill_map::{MapsDone, More, SpillTo, run_map_to_file};

use crate::format;

/// How an attempt reads its input.
struct Reading<'r> {
    options: format::source::Options,
    stop: &'r AtomicBool,
}
