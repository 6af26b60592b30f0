//! Submitted jobs give the same output as embedded runs, and can be inspected.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::commands::{Ended, GRISTMILL};
use crate::dev::{Dev, Result};
use crate::examples::example;

/// Checks that other users have no access to anything below a folder. Returns the number of entries.
fn check_private(folder: &Path) -> Result<usize> {
    let mut found = 1;
    let mode = folder.symlink_metadata()?.permissions().mode();
    assert_eq!(mode & 0o077, 0, "{}: {mode:o}", folder.display());
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            found += check_private(&entry?.path())?;
        }
    }
    Ok(found)
}

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
    // The worker that registers first becomes `w1`.
    pids.sort_unstable();
    started.sort_unstable();
    assert_eq!(pids, started);
    assert!(
        check_private(&dev.path("data"))? > 10,
        "the master's log, artifacts, and the workers' logs"
    );
    Ok(())
}

/// Returns the parts of an output, sorted by name.
fn parts(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"part-")));
    paths.sort();
    Ok(paths.iter().map(fs::read).collect::<std::io::Result<_>>()?)
}

/// The working folder's name is part of every path and is not valid UTF-8.
#[test]
fn paths_that_are_not_utf8_work_on_a_cluster() -> Result {
    let dev = Dev::start()?;
    let (inverted, join, odd) =
        (Dev::job("inverted-index"), Dev::job("join-orders"), example("odd"));
    let rows: [&[&str]; 4] = [
        &[&inverted, "in.txt", "sub"],
        &[&inverted, "./*.txt", "sub/../sub/", "--split-size", "1KiB"],
        &[&join, "users=sub/users", "orders=sub/orders"],
        &[&odd, "in.txt", "--leave-out", "stop.txt"],
    ];
    for (number, row) in rows.into_iter().enumerate() {
        let name = [&b"\xff\xfe in "[..], number.to_string().as_bytes()].concat();
        let place = dev.path("").join(OsStr::from_bytes(&name));
        fs::create_dir_all(place.join("sub"))?;
        fs::write(place.join("in.txt"), "a word\nstop\n".repeat(300))?;
        fs::write(place.join("stop.txt"), "stop\n")?;
        fs::write(place.join("sub/users"), "u1\tAnn\n")?;
        let order = r#"{"user":"u1","item":"lamp","cents":1}"#;
        fs::write(place.join("sub/orders"), format!("{order}\n"))?;
        let run = |program: &str, first: &[&str], out: &str| -> Result<Ended> {
            let mut command = Command::new(program);
            command.args(first).args(&row[1..]).args(["-o", out, "-q"]).current_dir(&place);
            Ok(command.env("GRISTMILL_CLUSTER", dev.address()).output()?.into())
        };
        let alone = run(row[0], &[], "alone")?;
        assert_eq!(alone.code, Some(0), "{row:?}: {}", alone.stderr);
        let submitted = run(GRISTMILL, &["submit", row[0]], "out")?;
        assert_eq!(submitted.code, Some(0), "{row:?}: {}", submitted.stderr);
        let (alone, out) = (parts(&place.join("alone"))?, parts(&place.join("out"))?);
        assert!(alone == out && alone.iter().any(|bytes| !bytes.is_empty()), "{row:?}");
        let status = dev.json(&["status", &format!("j{}", number + 1)])?;
        let shown = status["output"].as_str().ok_or("no output")?;
        assert!(shown.ends_with(&format!("/\\xff\\xfe in {number}/out")), "{shown}");
    }
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
