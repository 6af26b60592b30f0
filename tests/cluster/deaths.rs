//! Killing workers changes nothing in the output, whatever they were doing.

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::dev::{Dev, lives, send};
use crate::fleet::Fleet;
use crate::leftovers::{check_nothing_is_left, children};
use crate::trial::{Trial, counted, maps_done, reduces, status};
use crate::until::until;

/// Maps of a job that are done when the fault strikes.
const SOME_MAPS: u64 = 40;

#[test]
fn a_worker_that_is_killed_while_mapping_changes_nothing_in_the_output() -> Result {
    let mut fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(6, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, SOME_MAPS)?;
    let victim = fleet.id(1)?;
    fleet.kill(1)?;
    let before = Attempts::of(&fleet, &job)?;

    let after = trial.check(&fleet, &job)?;
    let lost = after.lost();
    assert!(!lost.is_empty(), "the fault struck attempts: {before:?}");
    assert!(lost.iter().all(|lost| lost.worker == victim && lost.cause == "worker_lost"));
    // The maps that the worker had finished ran again, since no reduce had fetched everything.
    let finished = after.first_won_on(&victim, "map");
    assert!(!finished.is_empty());
    assert!(finished.iter().all(|map| after.at(map).len() > 1), "{finished:?}");
    let least = lost.len() + finished.len();
    assert!(counted(&fleet, &job, "attempts_rerun")? >= least as u64);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn maps_of_a_worker_that_is_killed_before_all_are_fetched_run_again() -> Result {
    let mut fleet = Fleet::start(3, 2)?;
    // Twice as many reduces as slots: half of them have not begun when the maps are done.
    let trial = Trial::new(5, 12, 100);
    let job = trial.submit(&fleet)?;
    reduces(&fleet, &job)?;
    let victim = fleet.id(1)?;
    let before = Attempts::of(&fleet, &job)?;
    assert!(!before.running_on(&victim).is_empty(), "the fault strikes attempts");
    let held = before.first_won_on(&victim, "map");
    assert!(!held.is_empty(), "the worker holds map outputs");
    fleet.kill(1)?;

    let after = trial.check(&fleet, &job)?;
    // Only the maps whose outputs were stored there, and the attempts that ran there, ran again.
    assert_eq!(after.repeated("map"), held);
    for map in &held {
        let attempts = after.at(map);
        assert_eq!(attempts[0].worker, victim);
        assert_eq!(attempts[0].state, "succeeded");
        assert!(attempts[1..].iter().all(|attempt| attempt.worker != victim), "{attempts:?}");
    }
    let lost = after.lost();
    assert!(!lost.is_empty());
    assert!(lost.iter().all(|l| l.kind == "reduce" && l.worker == victim), "{lost:?}");
    assert!(lost.iter().all(|l| l.cause == "worker_lost"), "{lost:?}");
    assert!(counted(&fleet, &job, "attempts_rerun")? >= (held.len() + lost.len()) as u64);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn only_the_reduces_of_a_worker_that_holds_no_maps_run_again_when_it_is_killed() -> Result {
    let mut fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(4, 12, 200);
    let job = trial.submit(&fleet)?;
    reduces(&fleet, &job)?;
    // The worker joins too late to run maps.
    let late = fleet.add_worker()?;
    let victim = fleet.id(late)?;
    until("its executors reduce", || {
        let running = Attempts::of(&fleet, &job)?.running_on(&victim).len();
        Ok(running == 2 && children(fleet.worker(late).pid())?.len() == 2)
    })?;
    fleet.kill(late)?;

    let after = trial.check(&fleet, &job)?;
    let lost = after.lost();
    assert!(!lost.is_empty(), "the fault struck attempts");
    for attempt in &lost {
        assert_eq!((attempt.kind.as_str(), attempt.worker.as_str()), ("reduce", victim.as_str()));
        assert_eq!(attempt.cause, "worker_lost");
        assert_eq!(after.at(&attempt.task).len(), 2);
    }
    assert_eq!(after.repeated("map"), [""; 0], "no map output was lost");
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, lost.len() as u64);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_job_goes_on_when_all_workers_have_died_and_one_is_started_again() -> Result {
    let mut fleet = Fleet::start(2, 2)?;
    let trial = Trial::new(6, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, SOME_MAPS)?;
    let (first, second) = (fleet.id(1)?, fleet.id(2)?);
    fleet.kill_workers()?;
    until("the job says that it has no workers", || {
        Ok(status(&fleet, &job)?["reason"] == "no workers")
    })?;
    let before = Attempts::of(&fleet, &job)?;
    assert!(!before.lost().is_empty(), "the fault struck attempts");
    assert!(before.lost().iter().all(|lost| lost.cause == "worker_lost"));
    let (kept, gone) = (before.first_won_on(&first, "map"), before.first_won_on(&second, "map"));
    assert!(!kept.is_empty() && !gone.is_empty());

    fleet.start_again(1)?;
    assert_eq!(fleet.id(1)?, first, "it is the worker that it was");
    let after = trial.check(&fleet, &job)?;
    // The outputs that the restarted worker had finished are still on its disk and are used again. The outputs of the
    // other worker are made again.
    assert!(kept.iter().all(|map| after.at(map).len() == 1), "{kept:?}");
    assert!(gone.iter().all(|map| after.at(map).len() == 2), "{gone:?}");
    let rerun = gone.len() + before.lost().len();
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, rerun as u64);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_cluster_of_one_command_goes_on_with_the_workers_that_are_left() -> Result {
    let dev = Dev::start()?;
    let trial = Trial::new(3, 3, 5);
    let job = trial.submit(&dev)?;
    maps_done(&dev, &job, SOME_MAPS)?;
    send("KILL", dev.pids[1])?;
    until("it is gone", || Ok(!lives(dev.pids[1])))?;

    let after = trial.check(&dev, &job)?;
    let lost = after.lost();
    assert!(!lost.is_empty(), "the fault struck attempts");
    assert!(lost.iter().all(|lost| lost.cause == "worker_lost"), "{lost:?}");
    assert!(counted(&dev, &job, "attempts_rerun")? > 0);
    Ok(())
}
