//! Submitted jobs give the same output as embedded runs, and can be inspected.

use std::process::Command;

use crate::dev::{Dev, Result};

#[test]
fn a_submitted_job_gives_the_bytes_of_an_embedded_run() -> Result {
    let dev = Dev::start()?;
    dev.input(20_000)?;
    let wordcount = Dev::job("wordcount");
    let arguments = ["in.txt", "-r", "3", "--split-size", "100KiB", "-o"];
    let submitted =
        [&["submit", "--name", "nightly", &wordcount][..], &arguments, &["out"]].concat();
    let ended = dev.run(&submitted)?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("j1 succeeded"), "{}", ended.stderr);
    let alone = Command::new(&wordcount)
        .args(arguments)
        .args(["alone", "-q"])
        .current_dir(dev.path(""))
        .status()?;
    assert!(alone.success());
    assert_eq!(dev.parts("out")?, dev.parts("alone")?);
    assert_eq!(dev.run(&["verify", "out"])?.code, Some(0));

    let jobs = dev.json(&["jobs"])?;
    assert_eq!(jobs[0]["id"], "j1");
    assert_eq!(jobs[0]["name"], "nightly");
    assert_eq!(jobs[0]["state"], "succeeded");
    for key in ["reason", "submitted", "finished"] {
        assert!(jobs[0][key].is_string(), "{key}: {jobs}");
    }
    let status = dev.json(&["status", "j1"])?;
    let maps = status["maps"]["total"].as_u64().ok_or("no maps")?;
    assert!(maps > 1, "{status}");
    assert_eq!(status["maps"]["done"], maps);
    assert_eq!(status["reduces"]["done"], 3);
    assert_eq!(status["progress"], 1.0);
    assert_eq!(status["output"], dev.path("out").display().to_string());
    let counters = dev.json(&["counters", "j1"])?;
    assert_eq!(counters["Job Counters"]["maps"], maps);
    assert_eq!(counters["Job Counters"]["reduces"], 3);
    let tasks = dev.json(&["tasks", "j1"])?;
    let tasks = tasks.as_array().ok_or("no list")?;
    assert_eq!(tasks.len() as u64, 1 + maps + 3 + 1);
    assert!(tasks.iter().all(|task| task["attempts"][0]["state"] == "succeeded"), "{tasks:?}");
    let workers = dev.json(&["workers"])?;
    let mut pids: Vec<u64> =
        workers.as_array().ok_or("no list")?.iter().filter_map(|w| w["pid"].as_u64()).collect();
    let mut started = [u64::from(dev.pids[1]), u64::from(dev.pids[2])];
    // Which of them is w1 is decided by who registers first.
    pids.sort_unstable();
    started.sort_unstable();
    assert_eq!(pids, started);
    Ok(())
}

#[test]
fn the_same_id_is_the_same_job() -> Result {
    let dev = Dev::start()?;
    dev.input(10)?;
    let wordcount = Dev::job("wordcount");
    let submit = |id: &'static str, out| {
        dev.run(&["submit", "--detach", "--id", id, &wordcount, "in.txt", "-o", out])
    };
    let (first, again, other) = (submit("a", "out1")?, submit("a", "out1"), submit("b", "out2")?);
    assert_eq!((first.code, first.stdout.as_str()), (Some(0), "j1\n"), "{}", first.stderr);
    assert_eq!((other.code, other.stdout.as_str()), (Some(0), "j2\n"), "{}", other.stderr);
    let again = again?;
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "j1\n"), "{}", again.stderr);
    for job in ["j1", "j2"] {
        assert_eq!(dev.run(&["watch", job])?.code, Some(0));
    }
    assert_eq!(dev.json(&["jobs"])?.as_array().map(Vec::len), Some(2));
    Ok(())
}
