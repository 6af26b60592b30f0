//! Side files are sent with the job: workers never read the original paths.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use gristmill::rpc::artifacts::ARTIFACT_BYTES_MAX;

use crate::commands::{Commands, Result};
use crate::examples::example;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::trial::parts;
use crate::until::until;

/// Runs the job without a cluster, submits it, and returns its id.
fn submit(commands: &Commands, out: &str) -> Result<String> {
    let (odd, alone) = (example("odd"), format!("alone-{out}"));
    let job = [&odd, "in.txt", "-r", "2", "--leave-out", "left.txt", "-o"];
    let mut command = Command::new(&odd);
    command.args(&job[1..]).args([&alone, "-q"]).current_dir(commands.path(""));
    assert!(command.status()?.success());
    let submitted = commands.run(&[&["submit", "--detach"], &job[..], &[out]].concat())?;
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    Ok(submitted.stdout.trim_end().to_owned())
}

/// Returns the contents of a master's small artifacts, sorted.
fn held(commands: &Commands, master: usize) -> Result<Vec<Vec<u8>>> {
    let mut held = Vec::new();
    for artifact in fs::read_dir(commands.path(&format!("data/m{master}/artifacts")))? {
        let artifact = artifact?;
        if artifact.metadata()?.len() < 10 {
            held.push(fs::read(artifact.path())?);
        }
    }
    held.sort_unstable();
    Ok(held)
}

#[test]
fn tasks_read_what_a_side_file_held_when_the_job_was_submitted() -> Result {
    // There is no worker that could read the files while they exist.
    let mut fleet = Fleet::start_masters(3, 0, 1)?;
    fs::write(fleet.path("in.txt"), "keep\nleave\nkeep\n")?;
    fs::write(fleet.path("left.txt"), "leave\n")?;
    let first = submit(&fleet, "first")?;
    fs::write(fleet.path("left.txt"), "keep\n")?;
    let second = submit(&fleet, "second")?;
    fs::remove_file(fleet.path("left.txt"))?;
    for master in 1..=3 {
        let each_as_it_was = [b"keep\n".to_vec(), b"leave\n".to_vec()];
        until("each master has both", || Ok(held(&fleet, master)? == each_as_it_was))?;
    }
    // The master that received them is no longer needed.
    fleet.kill_master_of(1)?;

    fleet.add_worker()?;
    for (job, out, line) in [(first, "first", "keep\t2\n"), (second, "second", "leave\t1\n")] {
        let watched = fleet.run(&["watch", &job])?;
        assert_eq!(watched.code, Some(0), "{}", watched.stderr);
        assert_eq!(parts(&fleet, out)?, parts(&fleet, &format!("alone-{out}"))?);
        let found = fleet.run(&["cat", out])?;
        assert_eq!(found.stdout, line, "{}", found.stderr);
    }
    // The worker keeps the artifacts only as long as the jobs.
    let cache = fleet.data(1).join("artifacts");
    until("the worker has no artifact", || Ok(fs::read_dir(&cache)?.next().is_none()))?;
    fleet.start_master_of(1)?;
    check_nothing_is_left(fleet, &["alone-first", "alone-second", "first", "second"])
}

#[test]
fn a_side_file_that_cannot_be_sent_is_refused_by_name_before_anything_is() -> Result {
    let fleet = Fleet::start(0, 1)?;
    let odd = example("odd");
    fs::write(fleet.path("in.txt"), "keep\n")?;
    fs::write(fleet.path("fleeting.txt"), "leave\n")?;
    File::create(fleet.path("large.bin"))?.set_len(ARTIFACT_BYTES_MAX + 1)?;
    // The file exists when the flags are read, but is gone when it is uploaded.
    fs::write(fleet.path("removes"), format!("#!/bin/sh\n{odd} \"$@\"\nrm fleeting.txt\n"))?;
    fs::set_permissions(fleet.path("removes"), fs::Permissions::from_mode(0o700))?;
    for (executable, file, code, said) in [
        (odd.as_str(), "none.txt", 2, "cannot read the side file none.txt: No such file"),
        (&odd, "data", 2, "cannot read the side file data: is a directory"),
        (&odd, "large.bin", 5, "larger than the limit of 4294967296 bytes"),
        ("./removes", "fleeting.txt", 2, "cannot send a side file of the job: No such file"),
    ] {
        let job = [executable, "in.txt", "--leave-out", file, "-o", "out"];
        let refused = fleet.run(&[&["submit"], &job[..]].concat())?;
        let line = &refused.stderr;
        assert_eq!(refused.code, Some(code), "{line}");
        assert!(
            line.starts_with("error: ") && line.contains(said) && line.contains(file),
            "{line}"
        );
    }
    assert!(fs::read_dir(fleet.path("data/m1/artifacts"))?.next().is_none());
    assert_eq!(fleet.json(&["jobs"])?.as_array().map(Vec::len), Some(0));
    Ok(())
}
