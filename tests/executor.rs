//! Real job executables as executors: driven by frames over a socket, as a worker drives them.

#[path = "executor/describing.rs"]
mod describing;
#[path = "executor/ending.rs"]
mod ending;
#[path = "command_line/executables.rs"]
mod executables;
#[path = "executor/jobs.rs"]
mod jobs;
#[path = "executor/joined.rs"]
mod joined;
#[path = "executor/modes.rs"]
mod modes;
#[path = "executor/odd.rs"]
mod odd;
#[path = "command_line/until.rs"]
mod until;
#[path = "executor/worker.rs"]
mod worker;
