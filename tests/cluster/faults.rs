//! Workers that die change nothing in the output.

use std::process::Command;

use crate::dev::{Dev, Result, lives, send};
use crate::until::until;

/// Input of so many lines, in splits of a kilobyte: some two hundred maps.
const LINES: usize = 9_000;

#[test]
fn a_worker_that_is_killed_while_mapping_changes_nothing_in_the_output() -> Result {
    let dev = Dev::start()?;
    dev.input(LINES)?;
    let wordcount = Dev::job("wordcount");
    let arguments = ["in.txt", "-r", "3", "--split-size", "1KiB", "-o"];
    let detached = [&["submit", "--detach", &wordcount][..], &arguments, &["out"]].concat();
    let submitted = dev.run(&detached)?;
    assert_eq!((submitted.code, submitted.stdout.as_str()), (Some(0), "j1\n"));
    until("some maps are done", || {
        Ok(dev.json(&["status", "j1"])?["maps"]["done"].as_u64() > Some(20))
    })?;

    let (victim, slots) = (dev.pids[1], dev.json(&["workers"])?);
    let running = slots.as_array().ok_or("no list")?.iter();
    let victim_runs = running.filter(|worker| worker["pid"] == victim).map(|w| &w["running"]);
    assert_eq!(victim_runs.collect::<Vec<_>>(), [1], "the fault strikes an attempt");
    send("KILL", victim)?;
    until("it is gone", || Ok(!lives(victim)))?;

    let watched = dev.run(&["watch", "j1"])?;
    assert_eq!(watched.code, Some(0), "{}", watched.stderr);
    let counters = dev.json(&["counters", "j1"])?;
    assert!(counters["Job Counters"]["attempts_rerun"].as_u64() > Some(0), "{counters}");
    let tasks = dev.json(&["tasks", "j1"])?.to_string();
    assert!(tasks.contains("\"worker_lost\""), "{tasks}");

    let alone = Command::new(&wordcount)
        .args(arguments)
        .args(["alone", "-q"])
        .current_dir(dev.path(""))
        .status()?;
    assert!(alone.success());
    assert_eq!(dev.parts("out")?, dev.parts("alone")?);
    Ok(())
}
