//! Maps that share an attempt and its output succeed and fail together, and do not change the output.

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::trial::{Trial, counted, reduces};
use crate::until::until;

/// Slots of each worker.
const SLOTS: u32 = 2;

#[test]
fn all_maps_of_an_attempt_run_again_when_its_worker_is_killed() -> Result {
    let mut fleet = Fleet::start(2, SLOTS)?;
    let trial = Trial::new(6, 3, 5).with_joining();
    let job = trial.submit(&fleet)?;
    let victim = fleet.id(1)?;
    until("maps have joined others on the worker", || {
        Ok(Attempts::of(&fleet, &job)?.running_on(&victim).len() > 4 * SLOTS as usize)
    })?;
    fleet.kill(1)?;

    let after = trial.check(&fleet, &job)?;
    let lost = after.lost();
    assert!(lost.len() > SLOTS as usize, "the fault struck what had joined: {lost:?}");
    assert!(lost.iter().all(|lost| lost.worker == victim && lost.cause == "worker_lost"));
    for attempt in &lost {
        let last = after.at(&attempt.task).last().map(|last| last.state.clone());
        assert_eq!(last.as_deref(), Some("succeeded"), "{}", attempt.task);
    }
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn an_output_of_many_maps_is_made_again_of_the_same() -> Result {
    let mut fleet = Fleet::start(3, SLOTS)?;
    // Twice as many reduces as slots: half of them have not begun when the maps are done.
    let trial = Trial::new(2, 12, 100).with_joining();
    let job = trial.submit(&fleet)?;
    reduces(&fleet, &job)?;
    let victim = fleet.id(1)?;
    let before = Attempts::of(&fleet, &job)?;
    let held = before.won_on(&victim, "map");
    let outputs = held.len() as u64;
    assert!(outputs > 2 * u64::from(SLOTS), "the worker holds outputs of many maps: {held:?}");
    fleet.kill(1)?;

    let after = trial.check(&fleet, &job)?;
    let logs = fleet.run(&["logs", &job])?;
    assert_eq!(logs.stdout, "", "nothing was printed, so nobody is named");
    assert!(!logs.stderr.contains("no log of attempt"), "{}", logs.stderr);
    // A map that joined an attempt too late to run in it has an additional attempt, which does not win.
    assert_eq!(after.won_again("map"), held, "exactly what lay on it was made again");
    for map in &held {
        let last = after.at(map).last().map(|last| last.worker.clone());
        assert_ne!(last.as_ref(), Some(&victim), "{:?}", after.at(map));
    }
    let rerun = counted(&fleet, &job, "attempts_rerun")?;
    assert!(rerun >= outputs);
    let started = counted(&fleet, &job, "attempts_started")?;
    assert_eq!(Attempts::started(&fleet, &job)?, started, "lists and counters agree");
    assert_eq!(after.iter().count() as u64, started, "none is left out");
    let why = fleet.json(&["why", &job])?;
    let said = format!("; {rerun} attempts were repeated");
    assert!(why["summary"].as_str().is_some_and(|summary| summary.contains(&said)), "{why:#}");
    let failed = after.all(|attempt| attempt.state == "failed");
    assert!(failed.is_empty(), "nobody was taken for not deterministic: {failed:?}");
    check_nothing_is_left(fleet, &["alone-out", "out"])
}
