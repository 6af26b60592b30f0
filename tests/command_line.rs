//! The command line of real job executables, as tables: arguments, exit code, messages, and files left behind.

#[path = "command_line/bad_input.rs"]
mod bad_input;
#[path = "command_line/ended_by_job.rs"]
mod ended_by_job;
#[path = "command_line/ending.rs"]
mod ending;
#[path = "cluster/examples.rs"]
mod examples;
#[path = "command_line/executables.rs"]
mod executables;
#[path = "command_line/limits.rs"]
mod limits;
#[path = "command_line/program.rs"]
mod program;
#[path = "command_line/until.rs"]
mod until;
