//! The whole cluster in one thread and in virtual time: the real master, workers and client, and one seed that decides
//! everything else.
//!
//! A seed is a full report: `GRISTMILL_SEED=17 cargo test --all-features --test simulation` does the same each time.

#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what is played here is part of the tests")]

#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/cluster.rs"]
mod cluster;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/functions.rs"]
mod functions;
#[path = "simulation/history.rs"]
mod history;
#[path = "simulation/host.rs"]
mod host;
#[path = "simulation/invariants/mod.rs"]
mod invariants;
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

use cluster::{Outcome, run};

/// Seeds that are tried where none is asked for.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=8;
/// Lines before the end that are shown of a run in which something did not hold.
const LINES_SHOWN: usize = 30;

/// The one seed that is asked for, if one is.
fn asked() -> Option<u64> {
    let seed = std::env::var("GRISTMILL_SEED").ok()?;
    Some(seed.parse().expect("GRISTMILL_SEED is a number"))
}

fn check(seed: u64, outcome: &Outcome) {
    println!("seed {seed}: {:?}", outcome.struck);
    let Some(broken) = &outcome.broken else { return };
    let from = outcome.lines.len().saturating_sub(LINES_SHOWN);
    outcome.lines[from..].iter().for_each(|line| println!("{line}"));
    panic!(
        "GRISTMILL_SEED={seed} cargo test --all-features --test simulation # {} ms: {broken}",
        outcome.struck["milliseconds"]
    );
}

#[test]
fn whatever_befalls_the_workers_every_job_ends_as_if_nothing_had() {
    let seeds = asked().map_or(SEEDS, |seed| seed..=seed);
    for seed in seeds.clone() {
        let outcome = run(seed);
        check(seed, &outcome);
        // Otherwise it would be no wonder.
        for what in ["attempts run again", "mishaps", "workers lost"] {
            assert!(outcome.struck[what] > 0, "seed {seed}: no {what}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_commands_and_effects_and_another_seed_others() {
    let seed = asked().unwrap_or(*SEEDS.start());
    let (once, again, other) = (run(seed), run(seed), run(seed + 1));
    let differs = once.lines.iter().zip(&again.lines).position(|(one, two)| one != two);
    if let Some(at) = differs {
        panic!(
            "seed {seed} differs from itself at line {at}:\n{}\n{}",
            once.lines[at], again.lines[at]
        );
    }
    assert_eq!(once.lines.len(), again.lines.len());
    assert_ne!(once.lines, other.lines);
}
