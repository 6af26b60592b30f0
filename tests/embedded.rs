//! Whole runs in this process. Every job is compared with a short sequential program, with little and with much memory,
//! on inputs of all kinds. Also tests how failed runs end.

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
#[path = "embedded/unreadable.rs"]
mod unreadable;
