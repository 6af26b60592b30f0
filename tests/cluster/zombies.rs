//! A worker that is paused until it is considered lost, and then resumes, does not change the output.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::dev::send;
use crate::fleet::Fleet;
use crate::leftovers::{check_nothing_is_left, children, executors};
use crate::trial::{Trial, counted, maps_done, reduces};
use crate::until::until;

/// Waits until the lease of a stopped worker expires.
fn given_up(fleet: &Fleet, worker: &str) -> Result {
    until("its lease is over", || Ok(fleet.state_of(worker)?.as_deref() == Some("lost")))
}

#[test]
fn a_worker_that_stands_still_while_mapping_and_comes_back_changes_nothing() -> Result {
    let fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(12, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, 40)?;
    let (zombie, pid) = (fleet.id(1)?, fleet.worker(1).pid());
    send("STOP", pid)?;
    let before = Attempts::of(&fleet, &job)?;
    let struck = before.running_on(&zombie);
    assert!(!struck.is_empty(), "the fault strikes attempts");
    given_up(&fleet, &zombie)?;
    let lost = Attempts::of(&fleet, &job)?;
    send("CONT", pid)?;
    until("it is back", || Ok(fleet.state_of(&zombie)?.as_deref() == Some("alive")))?;

    let after = trial.check(&fleet, &job)?;
    let lost = lost.lost().iter().map(|lost| lost.task.clone()).collect::<Vec<_>>();
    assert!(!lost.is_empty());
    for task in &lost {
        let attempts = after.at(task);
        assert_eq!(attempts[0].worker, zombie);
        assert_eq!(attempts[0].cause, "worker_lost", "what it did meanwhile does not count");
        assert!(attempts.len() > 1, "{attempts:?}");
    }
    assert!(counted(&fleet, &job, "attempts_rerun")? >= lost.len() as u64);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_worker_that_comes_back_when_its_job_is_over_changes_nothing() -> Result {
    let fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(4, 6, 80);
    let job = trial.submit(&fleet)?;
    reduces(&fleet, &job)?;
    let (zombie, pid) = (fleet.id(1)?, fleet.worker(1).pid());
    // The worker's supervisors and executors are stopped too, in the middle of their parts.
    let still = [vec![pid], children(pid)?, executors(pid)?].concat();
    still.iter().try_for_each(|&pid| send("STOP", pid))?;
    let before = Attempts::of(&fleet, &job)?;
    assert!(!before.running_on(&zombie).is_empty(), "the fault strikes attempts");

    let after = trial.check(&fleet, &job)?;
    let struck = before.running_on(&zombie);
    assert!(struck.iter().all(|struck| after.at(&struck.task).len() > 1), "{struck:?}");
    assert!(after.lost().iter().all(|lost| lost.cause == "worker_lost"));
    let last_won = |task: &str| {
        let last = after.at(task).last().map(|last| (last.worker.clone(), last.state.clone()));
        last.is_some_and(|(worker, state)| worker != zombie && state == "succeeded")
    };
    assert!(struck.iter().all(|struck| last_won(&struck.task)), "{struck:?}");
    let rerun = counted(&fleet, &job, "attempts_rerun")?;
    assert!(rerun >= struck.len() as u64);

    let published = files(&fleet, trial.output)?;
    still.iter().rev().try_for_each(|&pid| send("CONT", pid))?;
    until("it is back", || Ok(fleet.state_of(&zombie)?.as_deref() == Some("alive")))?;
    until("its executors are gone", || Ok(children(pid)?.is_empty()))?;
    assert_eq!(files(&fleet, trial.output)?, published, "the very same files");
    trial.check_output(&fleet)?;
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, rerun);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

/// Returns what identifies each file of an output: its name, its inode, and the time of its last change.
fn files(commands: &Commands, output: &str) -> Result<Vec<(String, u64, i64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(commands.path(output))? {
        let entry = entry?;
        let facts = entry.metadata()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((name, facts.ino(), facts.mtime_nsec()));
    }
    files.sort_unstable();
    Ok(files)
}
