//! What Ctrl-C does to a submission and to a cluster, and what happens to a cluster when the process that started it
//! dies.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::dev::{Dev, Result, lives, send};
use crate::until::until;

/// A job of many small tasks: long enough to be interrupted, and quick to end when it is killed.
fn long_job(dev: &Dev, more: &[&str]) -> Result<Command> {
    dev.input(200_000)?;
    let wordcount = Dev::job("wordcount");
    // With bad records allowed, maps do not join into one attempt.
    let arguments = ["in.txt", "--split-size", "1KiB", "--max-bad-records", "1", "-o", "out"];
    let mut command = dev.command(&[&["submit"][..], more, &[&wordcount], &arguments].concat());
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
    Ok(command)
}

#[test]
fn ctrl_c_at_submit_detaches_once_and_kills_twice() -> Result {
    let dev = Dev::start()?;
    for (job, presses) in [("j1", 1), ("j2", 2)] {
        let mut submit = long_job(&dev, &[])?.spawn()?;
        until("the job maps", || {
            let ended = dev.run(&["status", job])?;
            Ok(ended.code == Some(0) && ended.stdout.contains("mapping"))
        })?;
        send("INT", submit.id())?;
        let mut said = BufReader::new(submit.stderr.take().ok_or("no standard error")?).lines();
        let detached = loop {
            let line = said.next().ok_or("it ended without a word")??;
            if line.contains("detached; ") {
                break line;
            }
        };
        assert!(detached.contains(&format!("{job} continues")), "{detached}");
        assert!(detached.contains(&format!("gristmill kill {job}")), "{detached}");
        if presses == 2 {
            send("INT", submit.id())?;
        }
        let code = submit.wait()?.code();
        if presses == 1 {
            assert_eq!(code, Some(130));
            assert_eq!(dev.json(&["status", job])?["state"], "mapping");
            assert_eq!(dev.run(&["kill", job])?.code, Some(0));
        } else {
            assert_eq!(code, Some(7));
        }
        let watched = dev.run(&["watch", job])?;
        assert_eq!(watched.code, Some(7), "{}", watched.stderr);
        assert!(!dev.path("out").exists());
    }
    Ok(())
}

#[test]
fn ctrl_c_ends_the_whole_cluster() -> Result {
    let mut dev = Dev::start()?;
    let submit = long_job(&dev, &["--detach"])?.output()?;
    assert!(submit.status.success(), "{}", String::from_utf8_lossy(&submit.stderr));
    assert!(dev.pids.iter().all(|&pid| lives(pid)));
    assert_eq!(dev.end("INT")?, Some(130));
    assert!(!dev.pids.iter().any(|&pid| lives(pid)), "{:?}", dev.pids);
    Ok(())
}

#[test]
fn a_cluster_dies_with_the_process_that_started_it() -> Result {
    let mut dev = Dev::start()?;
    assert_eq!(dev.end("KILL")?, None);
    until("its processes are gone", || Ok(!dev.pids.iter().any(|&pid| lives(pid))))
}
