//! Two jobs with the same output folder, an output path that another program takes while a job runs, and repeated
//! submissions with the same id.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::commands::{Commands, Ended, Result};
use crate::dev::Dev;
use crate::examples::example;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::{OUTPUT, Odd};
use crate::until::until;

/// Submits a job that waits in its reduce until a gate is open.
fn held(fleet: &Fleet) -> Result<(Odd, String)> {
    fs::write(fleet.path("in.txt"), "hold gate\na line\n")?;
    let odd = Odd::new("in.txt -r 1");
    let job = odd.submit(fleet)?;
    odd.waits(fleet, "gate", 1)?;
    Ok((odd, job))
}

fn state(commands: &Commands, job: &str) -> Result<String> {
    Ok(commands.json(&["status", job])?["state"].as_str().unwrap_or_default().to_owned())
}

/// Returns the names beside the output that belong to a job's staging.
pub(crate) fn staging(fleet: &Fleet) -> Result<Vec<String>> {
    let entries = fs::read_dir(fleet.path(""))?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<_> = entries.collect::<std::io::Result<_>>()?;
    let names = names.iter().map(|name| name.to_string_lossy().into_owned());
    Ok(names.filter(|name| name.contains(".gristmill-")).collect())
}

#[test]
fn output_of_running_job_is_refused_by_any_path() -> Result {
    let fleet = Fleet::start(1, 1)?;
    let (odd, job) = held(&fleet)?;
    let place = fleet.path(".").canonicalize()?;
    fs::create_dir(fleet.path("folder"))?;
    symlink(&place, fleet.path("link"))?;
    symlink("link", fleet.path("link-to-link"))?;
    symlink("../out", fleet.path("folder/dangles"))?;
    let whole = place.join(OUTPUT).display().to_string();
    for (out, said) in [
        ("out", "overlaps the output of job"),
        ("./folder/../out/", "overlaps the output of job"),
        ("link/out", "overlaps the output of job"),
        ("link-to-link/folder/../out", "overlaps the output of job"),
        (whole.as_str(), "overlaps the output of job"),
        ("folder/dangles", "link"),
        // The folder does not exist until the job has published it.
        ("out/within", "parent folder does not exist"),
    ] {
        let ended = fleet.run(&["submit", &example("odd"), "in.txt", "-r", "1", "-o", out])?;
        assert_eq!(ended.code, Some(2), "{out}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{out}: {}", ended.stderr);
    }
    odd.open(&fleet, "gate")?;
    let report = odd.watch(&fleet, &job)?;
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &["folder", "link", "link-to-link"])
}

/// Lets the job publish, and checks that it fails at once, names what is in the way, and leaves it unchanged.
fn check_fails(
    taken: impl FnOnce(&Path) -> Result,
    said: &str,
    is_kept: fn(&Path) -> bool,
) -> Result {
    let fleet = Fleet::start(1, 1)?;
    let (odd, job) = held(&fleet)?;
    let out = fleet.path(OUTPUT);
    taken(&out)?;
    odd.open(&fleet, "gate")?;
    let report = odd.watch(&fleet, &job)?;
    let stderr = &report.ended.stderr;
    assert_eq!(report.ended.code, Some(1), "{stderr}");
    assert!(stderr.contains(said), "{stderr}");
    let commits = report.attempts.all(|attempt| attempt.kind == "commit");
    assert_eq!(commits.len(), 1, "another commit could not do better: {commits:?}");
    assert_eq!(fleet.json(&["why", &job])?["kind"], "output");
    assert!(is_kept(&out), "what another program made is changed");
    until("the staging folder is removed", || Ok(staging(&fleet)?.is_empty()))?;
    match out.is_dir() && !out.is_symlink() {
        true => fs::remove_dir_all(&out)?,
        false => fs::remove_file(&out)?,
    }
    fs::remove_dir_all(fleet.path("marks"))?;
    let made: &[&str] = if fleet.path("elsewhere").exists() { &["elsewhere"] } else { &[] };
    check_nothing_is_left(fleet, made)
}

#[test]
fn job_fails_when_a_file_takes_its_place() -> Result {
    let taken = |out: &Path| -> Result { Ok(fs::write(out, "mine")?) };
    check_fails(taken, "not a folder", |out| fs::read(out).is_ok_and(|bytes| bytes == b"mine"))
}

#[test]
fn job_fails_when_a_full_folder_takes_its_place() -> Result {
    let taken = |out: &Path| -> Result {
        fs::create_dir(out)?;
        Ok(fs::write(out.join("mine"), "")?)
    };
    check_fails(taken, "not empty: it holds mine", |out| out.join("mine").exists())
}

#[test]
fn job_fails_when_a_link_to_a_full_folder_takes_its_place() -> Result {
    let taken = |out: &Path| -> Result {
        let elsewhere = out.with_file_name("elsewhere");
        fs::create_dir(&elsewhere)?;
        fs::write(elsewhere.join("mine"), "")?;
        Ok(symlink("elsewhere", out)?)
    };
    check_fails(taken, "not a folder", |out| out.is_symlink() && out.join("mine").exists())
}

#[test]
fn job_fails_when_its_tasks_together_set_aside_too_many_records() -> Result {
    let fleet = Fleet::start(2, 1)?;
    let line = |number| if number % 200 == 100 { "trouble\n" } else { "a line\n" };
    fs::write(fleet.path("in.txt"), (0..800).map(line).collect::<String>())?;
    let odd = Odd::new("in.txt --split-size 1KiB -r 2 --max-bad-records 1");
    let report = odd.with_trouble("--trouble refuse").run(&fleet)?;
    let stderr = &report.ended.stderr;
    assert_eq!(report.ended.code, Some(1), "{stderr}");
    assert!(stderr.contains("bad records were set aside: 4, but the limit is 1"), "{stderr}");
    let commits = report.attempts.all(|attempt| attempt.kind == "commit");
    assert_eq!(commits.len(), 1, "another commit would count the same: {commits:?}");
    fs::remove_dir_all(fleet.path("marks"))?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn empty_folder_that_appears_is_replaced() -> Result {
    let fleet = Fleet::start(1, 1)?;
    let (odd, job) = held(&fleet)?;
    fs::create_dir(fleet.path(OUTPUT))?;
    odd.open(&fleet, "gate")?;
    let report = odd.watch(&fleet, &job)?;
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

/// A file system in memory that is mounted until this value is dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Mounts the file system with these options, such as `size=1m`.
    pub(crate) fn with(folder: PathBuf, options: &str) -> Result<Self> {
        let mut command = Command::new("mount");
        let status = command.args(["-t", "tmpfs", "-o", options, "none"]).arg(&folder).status()?;
        if status.success() { Ok(Self(folder)) } else { Err("mount needs root".into()) }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone_or_not = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn kill_works_while_a_commit_is_retried() -> Result {
    let fleet = Fleet::start(1, 1)?;
    let (odd, job) = held(&fleet)?;
    fs::create_dir(fleet.path(OUTPUT))?;
    // The file system may be unmounted at any time, so the commit is retried.
    let mounted = Mounted::with(fleet.path(OUTPUT), "size=1m")?;
    odd.open(&fleet, "gate")?;
    until("a commit has failed", || {
        let tasks = fleet.json(&["tasks", &job])?;
        let commits =
            tasks.as_array().into_iter().flatten().filter(|task| task["kind"] == "commit");
        let mut attempts =
            commits.flat_map(|task| task["attempts"].as_array().into_iter().flatten());
        Ok(attempts.any(|attempt| attempt["state"] == "failed"))
    })?;
    assert_eq!(state(&fleet, &job)?, "committing");
    let killed = fleet.run(&["kill", &job])?;
    assert_eq!(killed.code, Some(0), "{}", killed.stderr);
    until("it is cancelled", || Ok(state(&fleet, &job)? == "cancelled"))?;
    until("the staging folder is removed", || Ok(staging(&fleet)?.is_empty()))?;
    drop(mounted);
    let out = fleet.path(OUTPUT);
    until("the folder is unmounted", || Ok(fs::remove_dir(&out).is_ok()))?;
    odd.tidy(&fleet)?;
    check_nothing_is_left(fleet, &[])
}

/// Submits a job under an id and follows it.
fn submit(commands: &Commands, id: &str, rest: &[&str]) -> Result<Ended> {
    commands.run(&[&["submit", "--id", id], rest].concat())
}

#[test]
fn repeated_id_gives_the_end_of_the_job() -> Result {
    let dev = Dev::start()?;
    dev.input(10)?;
    fs::create_dir(dev.path("marks"))?;
    fs::write(dev.path("bad.txt"), "trouble\n")?;
    fs::write(dev.path("waits.txt"), "wait for-ever\n")?;
    let (wordcount, odd) = (Dev::job("wordcount"), example("odd"));
    let marks = dev.path("marks").display().to_string();
    let good = [wordcount.as_str(), "in.txt", "-o", "out"];
    let bad = [&odd, "bad.txt", "--trouble", "refuse", "--marks", &marks, "-o", "none"];
    let long = [&odd, "waits.txt", "--marks", &marks, "-o", "late"];
    assert_eq!(submit(&dev, "good", &good)?.code, Some(0));
    assert_eq!(submit(&dev, "bad", &bad)?.code, Some(1));
    let detached = dev.run(&[&["submit", "--detach", "--id", "long"], &long[..]].concat())?;
    assert_eq!(detached.stdout, "j3\n", "{}", detached.stderr);
    assert_eq!(dev.run(&["kill", "j3"])?.code, Some(0));

    for (id, job, command, code, said) in [
        ("good", "j1", &good[..], 0, "j1 succeeded"),
        ("bad", "j2", &bad, 1, "not to my taste"),
        ("long", "j3", &long, 7, "j3 was cancelled"),
    ] {
        let again = submit(&dev, id, command)?;
        assert_eq!(again.code, Some(code), "{id}: {}", again.stderr);
        let before = format!("{job} was already submitted with this --id");
        assert!(again.stderr.contains(&before), "{}", again.stderr);
        assert!(again.stderr.contains(said), "{}", again.stderr);
        let detached = dev.run(&[&["submit", "--detach", "--id", id], command].concat())?;
        let (code, id) = (detached.code, detached.stdout.trim_end());
        assert_eq!((code, id), (Some(0), job), "{}", detached.stderr);
    }
    // Another job under that id is refused, though its output exists as well.
    let other = submit(&dev, "good", &[&wordcount, "in.txt", "-r", "7", "-o", "out"])?;
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("belongs to another job: j1"), "{}", other.stderr);
    // The input is gone, so the command line can no longer be compared with the job.
    fs::remove_file(dev.path("in.txt"))?;
    let gone = submit(&dev, "good", &good)?;
    assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    assert!(
        gone.stderr.contains("note: --id good belongs to j1; cannot check that this command line describes the same job"),
        "{}",
        gone.stderr
    );
    assert!(gone.stderr.contains("j1 succeeded"), "{}", gone.stderr);
    assert_eq!(dev.json(&["jobs"])?.as_array().map(Vec::len), Some(3));
    Ok(())
}
