//! A map whose output differs each time it runs: a result never mixes outputs of different attempts.

use std::collections::BTreeSet;
use std::fs;

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::{OUTPUT, Odd, filled};
use crate::trial::{parts, status};
use crate::until::until;

const SPLIT_BYTES: usize = 1 << 10;
/// Number of keys to which each map writes its number.
const KEYS: usize = 48;

/// Starts a job whose input ends with the lines `end`. Before them, one map for each of `slots` slots draws a number.
///
/// These maps wait for each other. Otherwise the first executor to be ready would draw all numbers, and the fault might
/// strike a worker that has drawn none.
pub(crate) fn start(fleet: &Fleet, odd: &Odd, slots: usize, end: &str) -> Result<String> {
    let line = |number: usize| if number == 0 { "tag\n" } else { "wait start\n" }.into();
    let draws: String = (0..slots).map(|_| filled(SPLIT_BYTES, line)).collect();
    let input = draws + end;
    fs::write(fleet.path("in.txt"), input)?;
    let job = odd.submit(fleet)?;
    odd.waits(fleet, "start", slots)?;
    odd.open(fleet, "start")?;
    odd.waits(fleet, "gate", 1)?;
    Ok(job)
}

/// Kills the worker that does not run the waiting task of this kind. Returns the maps that had succeeded there; all of
/// them have drawn a number.
pub(crate) fn strike(fleet: &mut Fleet, job: &str, kind: &str) -> Result<Vec<String>> {
    let attempts = Attempts::of(fleet, job)?;
    let waits = attempts.all(|attempt| attempt.kind == kind && attempt.state == "running");
    assert_eq!(waits.len(), 1, "{waits:?}");
    let other = |&number: &usize| fleet.id(number).is_ok_and(|id| id != waits[0].worker);
    let victim = fleet.numbers().find(other).ok_or("no other worker")?;
    let held = attempts.first_won_on(&fleet.id(victim)?, "map");
    assert!(held.len() > 1, "the fault strikes outputs: {attempts:?}");
    fleet.kill(victim)?;
    Ok(held)
}

/// Checks that every key has the same numbers, one from each map that drew: all parts have read the same output of each
/// map.
fn check_no_mixture(commands: &Commands, maps: usize) -> Result {
    let parts = parts(commands, OUTPUT)?;
    let mut lists = Vec::new();
    for (name, bytes) in &parts {
        let text = String::from_utf8(bytes.clone())?;
        let tags = text.lines().filter(|line| line.starts_with("tag-"));
        let list = |line: &str| line.split_once('\t').map(|(_, numbers)| numbers.to_owned());
        let of_part: Vec<_> = tags.filter_map(list).collect();
        assert!(!of_part.is_empty(), "{name} has keys");
        lists.extend(of_part);
    }
    assert_eq!(lists.len(), KEYS);
    let distinct: BTreeSet<_> = lists.iter().collect();
    assert_eq!(distinct.len(), 1, "{distinct:?}");
    assert_eq!(lists[0].split(' ').collect::<BTreeSet<_>>().len(), maps);
    Ok(())
}

#[test]
fn reduces_restart_if_a_rerun_map_gave_other_output() -> Result {
    let mut fleet = Fleet::start(2, 3)?;
    let odd = Odd::new("in.txt --split-size 1KiB -r 5");
    let job = start(&fleet, &odd, 6, "wait gate\n")?;
    until("all reduces fetch", || {
        let attempts = Attempts::of(&fleet, &job)?;
        Ok(attempts.all(|attempt| attempt.kind == "reduce" && attempt.state == "running").len()
            == 5)
    })?;
    let before = Attempts::of(&fleet, &job)?;
    let held = strike(&mut fleet, &job, "map")?;
    until("all lost outputs were made again", || {
        let attempts = Attempts::of(&fleet, &job)?;
        let is_again =
            |map: &String| attempts.at(map).iter().filter(|a| a.state == "succeeded").count() == 2;
        Ok(held.iter().all(is_again))
    })?;
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    assert_eq!(report.ended.code, Some(0), "{}", report.ended.stderr);
    assert_eq!(report.attempts.repeated("map"), held);
    assert!(report.failed().is_empty(), "{:?}", report.failed());
    for reduce in before.all(|attempt| attempt.kind == "reduce") {
        let attempts = report.attempts.at(&reduce.task);
        let (first, last) = (attempts[0], attempts[attempts.len() - 1]);
        assert!(first.state == "lost" || first.state == "killed", "{attempts:?}");
        assert_eq!(last.state, "succeeded", "{attempts:?}");
    }
    check_no_mixture(&fleet, 6)?;
    fleet.faults().found(&job, "unmixed");
    odd.tidy(&fleet)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn job_fails_if_a_finished_reduce_read_other_output() -> Result {
    let mut fleet = Fleet::start(2, 2)?;
    let odd = Odd::new("in.txt --split-size 1KiB -r 4");
    let job = start(&fleet, &odd, 4, "hold gate\n")?;
    until("all parts but one are finished", || Ok(status(&fleet, &job)?["reduces"]["done"] == 3))?;
    let held = strike(&mut fleet, &job, "reduce")?;

    let report = odd.watch(&fleet, &job)?;
    let said = &report.ended.stderr;
    let line = said.lines().find(|line| line.starts_with("error: ")).ok_or(said.as_str())?;
    let blamed = held.iter().find(|map| {
        line.contains(&format!("error: map is not deterministic: {map}#2 replaced a lost output "))
    });
    assert!(blamed.is_some(), "{held:?}: {line}");
    assert!(line.contains("but the lost output was already used by 3 of 4 reduces"), "{line}");
    odd.check_failed(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}
