//! A master that is killed and restarted still has everything that it acknowledged, and running attempts continue.

use std::fs;

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::dev::{Dev, lives};
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::trial::{Trial, counted, maps_done, reduces, status};
use crate::until::{until, until_within};

/// Maps of a job that are done when the fault strikes.
const SOME_MAPS: u64 = 40;
/// How long a client may follow a job.
const FOLLOWED_SECONDS_MAX: u32 = 120;

/// Returns how many attempts are running.
fn running(fleet: &Fleet) -> Result<usize> {
    Ok(Attempts::of(fleet, "j1")?.all(|attempt| attempt.state == "running").len())
}

#[test]
fn a_master_that_is_killed_twice_in_a_job_runs_nothing_again_and_its_client_sees_the_end() -> Result
{
    let mut fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(8, 6, 40);
    let mut client = trial.follow(&fleet)?;
    until("the job is there", || Ok(fleet.run(&["status", "j1"])?.code == Some(0)))?;
    maps_done(&fleet, "j1", SOME_MAPS)?;
    assert!(running(&fleet)? >= 1, "the fault strikes a job at work");
    fleet.kill_master()?;
    fleet.start_master_again()?;
    let again = status(&fleet, "j1")?;
    assert!(again["maps"]["done"].as_u64() >= Some(SOME_MAPS), "what was done is done: {again}");

    reduces(&fleet, "j1")?;
    assert!(running(&fleet)? >= 1, "and once more");
    fleet.kill_master()?;
    fleet.start_master_again()?;

    until_within(FOLLOWED_SECONDS_MAX, "the client sees the end", || {
        Ok(client.try_wait()?.is_some())
    })?;
    let said = fs::read_to_string(fleet.path("said.txt"))?;
    assert_eq!(client.wait()?.code(), Some(0), "{said}");
    let attempts = trial.check(&fleet, "j1")?;
    assert_eq!(counted(&fleet, "j1", "attempts_rerun")?, 0);
    let tasks = status(&fleet, "j1")?;
    let tasks = [&tasks["maps"]["total"], &tasks["reduces"]["total"]].map(|n| n.as_u64());
    let tasks: u64 = tasks.into_iter().flatten().sum();
    assert!(tasks > 200, "a job of some size: {tasks}");
    assert_eq!(attempts.iter().count() as u64, tasks + 2, "one attempt each, plan and commit too");
    check_nothing_is_left(fleet, &["alone-out", "out", "said.txt"])
}

#[test]
fn after_a_loss_of_power_the_job_goes_on_with_the_map_outputs_that_are_whole() -> Result {
    let mut fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(8, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, SOME_MAPS)?;
    let before = Attempts::of(&fleet, &job)?;
    let done = before.all(|attempt| attempt.kind == "map" && attempt.state == "succeeded").len();
    fleet.kill_all()?;
    fleet.start_master_again()?;
    for number in fleet.numbers() {
        fleet.start_again(number)?;
    }
    assert_eq!(status(&fleet, &job)?["id"], *job);
    let after = trial.check(&fleet, &job)?;
    // Attempts that ran were lost. Finished outputs are on the workers' disks and are used again. If a new attempt
    // began before its worker reported the output, it is stopped before it has an executor.
    for map in after.repeated("map") {
        let again = &after.at(&map)[1..];
        let first = after.at(&map)[0];
        let is_kept = first.state == "succeeded";
        assert!(!is_kept || again.iter().all(|again| again.pid == 0), "{map}: {again:?}");
    }
    let kept = after.iter().filter(|attempt| attempt.kind == "map" && attempt.state == "succeeded");
    assert!(kept.count() >= done, "{done}");
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_job_that_was_accepted_or_killed_stays_so_over_restarts() -> Result {
    let mut fleet = Fleet::start(1, 1)?;
    let trial = Trial::new(20, 2, 5);
    let job = trial.submit(&fleet)?;
    fleet.kill_master()?;
    fleet.start_master_again()?;
    maps_done(&fleet, &job, 2)?;
    assert_eq!(fleet.run(&["kill", &job])?.code, Some(0));
    fleet.kill_master()?;
    fleet.start_master_again()?;
    assert_eq!(status(&fleet, &job)?["state"], "cancelled");
    until("its executors are gone", || Ok(fleet.json(&["workers"])?[0]["running"] == 0))?;
    assert!(!fleet.path("out").exists(), "nothing of it is visible");
    until("what it left beside its output is swept", || {
        let mut entries = fs::read_dir(fleet.path(""))?.flatten();
        Ok(!entries.any(|entry| entry.file_name().to_string_lossy().contains(".gristmill-")))
    })?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn a_dev_cluster_that_is_killed_whole_starts_where_it_was() -> Result {
    let mut dev = Dev::start()?;
    let trial = Trial::new(8, 3, 5);
    let job = trial.submit(&dev)?;
    maps_done(&dev, &job, SOME_MAPS)?;
    dev.end("KILL")?;
    for &pid in &dev.pids {
        until("its processes die with it", || Ok(!lives(pid)))?;
    }
    dev.start_again()?;
    trial.check(&dev, &job)?;
    assert_eq!(dev.end("INT")?, Some(130));
    Ok(())
}
