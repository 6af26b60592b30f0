//! A whole cluster of real processes, started, used and ended by the command.

#![cfg(feature = "cluster")]

#[path = "cluster/dev.rs"]
mod dev;
#[path = "command_line/executables.rs"]
mod executables;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/interrupts.rs"]
mod interrupts;
#[path = "cluster/jobs.rs"]
mod jobs;
#[path = "cluster/refusals.rs"]
mod refusals;
#[path = "cluster/two_steps.rs"]
mod two_steps;
#[path = "command_line/until.rs"]
mod until;
