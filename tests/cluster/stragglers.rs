//! A task that is far slower than others gets a backup attempt, unless backups are turned off.

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::dev::send;
use crate::fleet::Fleet;
use crate::leftovers::{check_nothing_is_left, executors};
use crate::trial::{Trial, counted, maps_done, reduces, status};
use crate::until::until;

/// Number of checks of a job whose straggler must get no backup. They take some seconds, in which it would have got
/// one.
const LOOKS: u32 = 60;

/// Stops an executor of the first worker while it runs an attempt.
fn hold(fleet: &Fleet, job: &str) -> Result<u32> {
    let held = *executors(fleet.worker(1).pid())?.first().ok_or("no executor to be held")?;
    send("STOP", held)?;
    let worker = fleet.id(1)?;
    let running = Attempts::of(fleet, job)?;
    assert!(!running.running_on(&worker).is_empty(), "the fault strikes attempts");
    Ok(held)
}

/// Stops an executor while it runs a map, and waits until that map is the only unfinished one.
fn hold_a_map(fleet: &Fleet, job: &str) -> Result<u32> {
    maps_done(fleet, job, 100)?;
    let held = hold(fleet, job)?;
    until("all other maps are done", || {
        let maps = &status(fleet, job)?["maps"];
        Ok(maps["done"].as_u64() >= maps["total"].as_u64().map(|total| total - 1))
    })?;
    Ok(held)
}

/// Checks that a stopped map gets a backup, which wins.
fn check_map(reducers: u32) -> Result {
    let fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(5, reducers, 5).with_backups();
    let job = trial.submit(&fleet)?;
    let held = hold_a_map(&fleet, &job)?;
    check_backup(fleet, &trial, &job, ("map", held))
}

/// Checks that the stopped attempt gets a backup, which wins, and that this costs the job nothing else.
fn check_backup(fleet: Fleet, trial: &Trial, job: &str, (kind, held): (&str, u32)) -> Result {
    until("a backup is started", || Ok(counted(&fleet, job, "backups_started")? >= 1))?;
    let after = trial.check(&fleet, job)?;
    let losers = after.all(|attempt| attempt.pid == held && attempt.cause == "backup_won");
    assert_eq!(losers.len(), 1, "{:?}", after.all(|attempt| attempt.cause != "none"));
    let loser = losers[0];
    assert_eq!((loser.kind.as_str(), loser.state.as_str()), (kind, "killed"));
    assert_eq!(loser.worker, fleet.id(1)?);
    let both = after.at(&loser.task);
    assert_eq!(both.len(), 2, "{both:?}");
    assert_eq!(both[1].state, "succeeded");
    assert_eq!(both[1].worker, fleet.id(2)?, "the backup ran elsewhere");
    assert!(counted(&fleet, job, "backups_won")? >= 1);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_map_that_stands_still_gets_a_backup_that_wins() -> Result {
    check_map(1)
}

#[test]
fn reduces_that_wait_for_a_map_do_not_keep_a_backup_from_it() -> Result {
    check_map(8)
}

#[test]
fn a_reduce_that_stands_still_gets_a_backup_that_wins() -> Result {
    let fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(4, 8, 120).with_backups();
    let job = trial.submit(&fleet)?;
    reduces(&fleet, &job)?;
    // The usual duration of a reduce is known once some have ended.
    until("some reduces are done", || {
        Ok(status(&fleet, &job)?["reduces"]["done"].as_u64() >= Some(2))
    })?;
    let held = hold(&fleet, &job)?;
    check_backup(fleet, &trial, &job, ("reduce", held))
}

#[test]
fn without_backups_a_job_waits_for_its_slowest_map() -> Result {
    let fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(5, 1, 5);
    let job = trial.submit(&fleet)?;
    let held = hold_a_map(&fleet, &job)?;
    let mut looks = 0;
    until("some seconds have passed", || {
        assert_eq!(counted(&fleet, &job, "backups_started")?, 0);
        looks += 1;
        Ok(looks == LOOKS)
    })?;
    send("CONT", held)?;

    let after = trial.check(&fleet, &job)?;
    assert!(after.iter().all(|attempt| attempt.state == "succeeded"), "{after:?}");
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, 0);
    assert_eq!(counted(&fleet, &job, "backups_started")?, 0);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}
