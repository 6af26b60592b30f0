//! A whole cluster of real processes, started, used and ended by the command.

#![cfg(feature = "cluster")]

#[path = "cluster/attempts.rs"]
mod attempts;
#[path = "cluster/commands.rs"]
mod commands;
#[path = "cluster/deaths.rs"]
mod deaths;
#[path = "cluster/dev.rs"]
mod dev;
#[path = "cluster/drain.rs"]
mod drain;
#[path = "command_line/executables.rs"]
mod executables;
#[path = "cluster/fleet.rs"]
mod fleet;
#[path = "cluster/interrupts.rs"]
mod interrupts;
#[path = "cluster/jobs.rs"]
mod jobs;
#[path = "cluster/leftovers.rs"]
mod leftovers;
#[path = "cluster/proxy.rs"]
mod proxy;
#[path = "cluster/refusals.rs"]
mod refusals;
#[path = "cluster/sharing.rs"]
mod sharing;
#[path = "cluster/slow_words.rs"]
mod slow_words;
#[path = "cluster/stragglers.rs"]
mod stragglers;
#[path = "cluster/trial.rs"]
mod trial;
#[path = "cluster/two_steps.rs"]
mod two_steps;
#[path = "command_line/until.rs"]
mod until;
#[path = "cluster/untold.rs"]
mod untold;
#[path = "cluster/zombies.rs"]
mod zombies;
