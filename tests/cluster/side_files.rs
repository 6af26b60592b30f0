//! Side files travel with the job: no worker looks where they were.

use std::fs;

use crate::commands::Result;
use crate::examples::example;
use crate::fleet::Fleet;
use crate::until::until;

#[test]
fn tasks_read_what_a_side_file_held_when_the_job_was_submitted() -> Result {
    let mut fleet = Fleet::start(0, 1)?;
    fs::write(fleet.path("in.txt"), "keep\nleave\nkeep\n")?;
    let odd = example("odd");
    let submit = |out| {
        let job = [&odd, "in.txt", "-r", "2", "--leave-out", "left.txt", "-o", out];
        let submitted = fleet.run(&[&["submit", "--detach"], &job[..]].concat())?;
        assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
        Ok(submitted.stdout.trim_end().to_owned())
    };
    // No worker is there that could look while the files are.
    fs::write(fleet.path("left.txt"), "leave\n")?;
    let first: Result<String> = submit("first");
    fs::write(fleet.path("left.txt"), "keep\n")?;
    let second: Result<String> = submit("second");
    fs::remove_file(fleet.path("left.txt"))?;
    let stored = fleet.path("data/m1/artifacts");
    let mut held = Vec::new();
    for artifact in fs::read_dir(&stored)? {
        let path = artifact?.path();
        if fs::metadata(&path)?.len() < 10 {
            held.push(fs::read_to_string(path)?);
        }
    }
    held.sort_unstable();
    assert_eq!(held, ["keep\n", "leave\n"], "each as it was, one artifact each");

    fleet.add_worker()?;
    for (job, out, expected) in [(first?, "first", "keep\t2\n"), (second?, "second", "leave\t1\n")]
    {
        let watched = fleet.run(&["watch", &job])?;
        assert_eq!(watched.code, Some(0), "{}", watched.stderr);
        let found = fleet.run(&["cat", out])?;
        assert_eq!(found.stdout, expected, "{}", found.stderr);
    }
    // The worker keeps none of it longer than the jobs.
    let cache = fleet.data(1).join("artifacts");
    until("the worker has no artifact", || Ok(fs::read_dir(&cache)?.next().is_none()))?;
    fleet.end()
}

#[test]
fn a_side_file_that_is_not_there_is_refused_before_anything_is_sent() -> Result {
    let fleet = Fleet::start(0, 1)?;
    fs::write(fleet.path("in.txt"), "keep\n")?;
    let job = [&example("odd"), "in.txt", "--leave-out", "none.txt", "-o", "out"];
    let refused = fleet.run(&[&["submit"], &job[..]].concat())?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("cannot read the side file none.txt"), "{}", refused.stderr);
    assert!(fs::read_dir(fleet.path("data/m1/artifacts"))?.next().is_none());
    Ok(())
}
