//! The whole cluster in one thread and in virtual time: the real masters, workers and client, and one seed that decides
//! everything else.
//!
//! A seed is a full report: `GRISTMILL_SEED=17 cargo test --all-features --test simulation` does the same each time.
//! `GRISTMILL_SEEDS=5000` tries so many, `GRISTMILL_LINES=5000` shows so many lines of one that fails.

#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what is played here is part of the tests")]

#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/cluster.rs"]
mod cluster;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/fellows.rs"]
mod fellows;
#[path = "simulation/functions.rs"]
mod functions;
#[path = "simulation/history.rs"]
mod history;
#[path = "simulation/host.rs"]
mod host;
#[path = "simulation/invariants/mod.rs"]
mod invariants;
#[path = "simulation/link.rs"]
mod link;
#[path = "simulation/machines.rs"]
mod machines;
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/programs.rs"]
mod programs;
#[path = "simulation/wire.rs"]
mod wire;
#[path = "../jobs/wordcount/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod wordcount;
#[path = "simulation/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::thread;

use cluster::{Outcome, run};
use faults::Course;

/// Seeds that are tried of each course, where nothing else is asked for.
const SEEDS: u64 = 32;
const SEEDS_OF_MASTERS_ALONE: u64 = 24;
/// Lines before the end that are shown of a run in which something did not hold, where nothing else is asked for.
const LINES_SHOWN: u64 = 30;

/// The number that is asked for by this name, if one is.
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// The seeds to try: the one that is asked for, or as many as are, or so many.
fn seeds(default: u64) -> RangeInclusive<u64> {
    match asked("GRISTMILL_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=asked("GRISTMILL_SEEDS").unwrap_or(default),
    }
}

fn check(seed: u64, outcome: &Outcome, test: &str) {
    let Some(broken) = &outcome.broken else { return };
    println!("seed {seed}: {:?}", outcome.struck);
    let shown = asked("GRISTMILL_LINES").unwrap_or(LINES_SHOWN) as usize;
    let from = outcome.lines.len().saturating_sub(shown);
    outcome.lines[from..].iter().for_each(|line| println!("{line}"));
    panic!(
        "GRISTMILL_SEED={seed} cargo test --all-features --test simulation {test} # {} ms: {broken}",
        outcome.struck["milliseconds"]
    );
}

/// Runs them all, as many at once as there are processors, and gives how often something struck. The first that fails
/// ends it.
fn run_all(test: &str, course: Course, seeds: RangeInclusive<u64>) -> BTreeMap<&'static str, u64> {
    let next = Mutex::new(seeds);
    let sums = Mutex::new(BTreeMap::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let run_some = || {
            loop {
                let Some(seed) = next.lock().unwrap().next() else { return };
                let outcome = run(seed, course);
                check(seed, &outcome, test);
                let mut sums = sums.lock().unwrap();
                for (what, times) in outcome.struck {
                    *sums.entry(what).or_default() += times;
                }
            }
        };
        (0..threads).for_each(|_| drop(scope.spawn(run_some)));
    });
    let sums = sums.into_inner().unwrap();
    println!("{sums:?}");
    sums
}

#[test]
fn whatever_befalls_masters_and_workers_every_job_ends_as_if_nothing_had() {
    let test = "whatever_befalls";
    let seeds = seeds(SEEDS);
    let struck = run_all(test, Course::Rough, seeds.clone());
    // Otherwise it would be no wonder.
    for what in ["attempts run again", "mishaps", "workers lost"] {
        assert!(seeds.start() == seeds.end() || struck[what] > 0, "no {what}");
    }
    let runs = 1 + seeds.end() - seeds.start();
    assert!(runs == 1 || struck["leaders"] > runs && struck["masters back"] > 0, "{struck:?}");
}

#[test]
fn where_only_masters_come_and_go_nothing_runs_again() {
    let test = "where_only_masters";
    let seeds = seeds(SEEDS_OF_MASTERS_ALONE);
    let struck = run_all(test, Course::MastersAlone, seeds.clone());
    let runs = 1 + seeds.end() - seeds.start();
    assert!(runs == 1 || struck["leaders"] > runs && struck["masters back"] > 0, "{struck:?}");
}

#[test]
fn the_same_seed_gives_the_same_commands_and_effects_and_another_seed_others() {
    let first = asked("GRISTMILL_SEED").unwrap_or(1);
    for seed in first..first + 5 {
        let (once, again) = (run(seed, Course::Rough), run(seed, Course::Rough));
        let differs = once.lines.iter().zip(&again.lines).position(|(one, two)| one != two);
        if let Some(at) = differs {
            panic!(
                "seed {seed} differs from itself at line {at}:\n{}\n{}",
                once.lines[at], again.lines[at]
            );
        }
        assert_eq!(once.lines.len(), again.lines.len());
        assert_ne!(once.lines, run(seed + 1, Course::Rough).lines);
    }
}
