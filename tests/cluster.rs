//! A whole cluster of real processes, started, used and stopped through the command `gristmill`.

#![cfg(feature = "cluster")]

#[path = "cluster/attempts.rs"]
mod attempts;
#[path = "cluster/axe.rs"]
mod axe;
#[path = "cluster/browser.rs"]
mod browser;
#[path = "cluster/chance.rs"]
mod chance;
#[path = "cluster/commands.rs"]
mod commands;
#[cfg(feature = "crash-points")]
#[path = "cluster/crashes.rs"]
mod crashes;
#[path = "cluster/cuts.rs"]
mod cuts;
#[path = "cluster/damage.rs"]
mod damage;
#[path = "cluster/deaths.rs"]
mod deaths;
#[path = "cluster/dev.rs"]
mod dev;
#[path = "cluster/disks.rs"]
mod disks;
#[path = "cluster/drain.rs"]
mod drain;
#[path = "cluster/event_streams.rs"]
mod event_streams;
#[path = "cluster/examples.rs"]
mod examples;
#[path = "command_line/executables.rs"]
mod executables;
#[path = "cluster/executors.rs"]
mod executors;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/fleet.rs"]
mod fleet;
#[path = "cluster/http.rs"]
mod http;
#[path = "cluster/interrupts.rs"]
mod interrupts;
#[path = "cluster/jobs.rs"]
mod jobs;
#[path = "cluster/joined.rs"]
mod joined;
#[path = "cluster/leftovers.rs"]
mod leftovers;
#[path = "cluster/logs.rs"]
mod logs;
#[path = "cluster/masters.rs"]
mod masters;
#[path = "cluster/members.rs"]
mod members;
#[path = "cluster/odd.rs"]
mod odd;
#[path = "cluster/own_mounts.rs"]
mod own_mounts;
#[path = "cluster/pages.rs"]
mod pages;
#[path = "cluster/people.rs"]
mod people;
#[path = "cluster/proxy.rs"]
mod proxy;
#[path = "cluster/pty.rs"]
mod pty;
#[path = "cluster/refusals.rs"]
mod refusals;
#[path = "cluster/replay.rs"]
mod replay;
#[path = "cluster/report.rs"]
mod report;
#[path = "cluster/restart.rs"]
mod restart;
#[path = "cluster/shapes.rs"]
mod shapes;
#[path = "cluster/sharing.rs"]
mod sharing;
#[path = "cluster/side_files.rs"]
mod side_files;
#[path = "cluster/slow_words.rs"]
mod slow_words;
#[path = "cluster/soak/mod.rs"]
mod soak;
#[path = "cluster/staged.rs"]
mod staged;
#[path = "cluster/stragglers.rs"]
mod stragglers;
#[path = "cluster/strikes.rs"]
mod strikes;
#[path = "cluster/taken.rs"]
mod taken;
#[path = "cluster/terminal.rs"]
mod terminal;
#[path = "cluster/trial.rs"]
mod trial;
#[path = "cluster/two_steps.rs"]
mod two_steps;
#[path = "command_line/until.rs"]
mod until;
#[path = "cluster/untold.rs"]
mod untold;
#[path = "cluster/web.rs"]
mod web;
#[path = "cluster/why.rs"]
mod why;
#[path = "cluster/zombies.rs"]
mod zombies;
