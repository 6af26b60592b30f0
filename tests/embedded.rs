//! Whole runs in this process: every job against a sequential program of ten lines, in little memory and in much, on
//! inputs of all kinds, and how a run ends when something is wrong.

#[path = "embedded/cases.rs"]
mod cases;
#[path = "embedded/dropped_errors.rs"]
mod dropped_errors;
#[path = "embedded/failures.rs"]
mod failures;
#[path = "embedded/grouping.rs"]
mod grouping;
#[path = "embedded/inputs.rs"]
mod inputs;
#[path = "embedded/jobs.rs"]
pub mod jobs;
#[path = "embedded/overflow.rs"]
mod overflow;
#[path = "embedded/random.rs"]
mod random;
#[path = "embedded/setting_aside.rs"]
mod setting_aside;
#[path = "embedded/spilling.rs"]
mod spilling;
#[path = "embedded/stopping.rs"]
mod stopping;
#[path = "embedded/trial.rs"]
mod trial;
