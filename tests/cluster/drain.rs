//! Workers that leave: a drained worker costs no rerun, and the tasks of a worker that is asked to exit move to others
//! at once.

use std::fs;

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::dev::send;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::Odd;
use crate::trial::{Trial, counted, maps_done, reduces};
use crate::until::until;

#[test]
fn a_drained_worker_finishes_and_serves_and_leaves_without_a_rerun() -> Result {
    let mut fleet = Fleet::start(2, 2)?;
    // More reduces than slots, so that some begin long after the worker has stopped mapping.
    let trial = Trial::new(6, 8, 30);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, 60)?;
    let drained = fleet.id(1)?;
    let ended = fleet.run(&["workers", "drain", &drained])?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let at_most = on(&Attempts::of(&fleet, &job)?, &drained);
    assert_eq!(fleet.state_of(&drained)?.as_deref(), Some("draining"));

    reduces(&fleet, &job)?;
    let midway = Attempts::of(&fleet, &job)?;
    assert!(midway.running_on(&drained).is_empty(), "it has finished what it ran");
    assert!(!midway.first_won_on(&drained, "map").is_empty());
    assert!(fleet.lives(1), "it serves its map outputs");
    assert_eq!(fleet.state_of(&drained)?.as_deref(), Some("draining"));

    let after = trial.check(&fleet, &job)?;
    assert_eq!(fleet.left(1)?, Some(0), "it leaves by itself");
    until("it has left", || Ok(fleet.state_of(&drained)?.as_deref() == Some("left")))?;
    assert_eq!(on(&after, &drained), at_most, "it gets no further attempt");
    assert!(after.iter().all(|attempt| attempt.state == "succeeded"), "{after:?}");
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, 0);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn worker_that_is_asked_to_end_leaves_and_its_tasks_move_at_once() -> Result {
    let mut fleet = Fleet::start(1, 1)?;
    fs::write(fleet.path("in.txt"), "wait one\nand more\n")?;
    let odd = Odd::new("in.txt -r 1");
    let job = odd.submit(&fleet)?;
    odd.waits(&fleet, "one", 1)?;
    let first = fleet.id(1)?;
    fleet.add_worker()?;
    send("TERM", fleet.worker(1).pid())?;
    assert_eq!(fleet.left(1)?, Some(0), "it ends well");
    assert_eq!(fleet.state_of(&first)?.as_deref(), Some("left"));
    odd.waits(&fleet, "one", 2)?;
    odd.open(&fleet, "one")?;
    let report = odd.watch(&fleet, &job)?;
    let moved =
        report.attempts.all(|attempt| attempt.worker == first && attempt.state != "succeeded");
    let how = moved.iter().map(|it| (it.kind.as_str(), it.state.as_str(), it.cause.as_str()));
    assert_eq!(how.collect::<Vec<_>>(), [("map", "killed", "killed")], "it is not called lost");
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

/// Returns how many attempts a worker was assigned.
fn on(attempts: &Attempts, worker: &str) -> usize {
    attempts.all(|attempt| attempt.worker == worker).len()
}
