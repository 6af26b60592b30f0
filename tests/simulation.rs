//! The whole cluster in one thread and in virtual time: the real masters, workers and client, and one seed that
//! decides everything else.
//!
//! A seed is a complete bug report: `GRISTMILL_SEED=17 cargo test --all-features --test simulation` repeats exactly the
//! same run. `GRISTMILL_SEEDS=5000` tries 5000 seeds, `GRISTMILL_LINES=5000` prints the last 5000 lines of a failed
//! run's history, and `GRISTMILL_FAILURES=1` stops after the first failure.

#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what is played here is part of the tests")]

#[path = "simulation/alone.rs"]
mod alone;
#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/cluster.rs"]
mod cluster;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/entropy.rs"]
mod entropy;
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
#[path = "simulation/moody.rs"]
mod moody;
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

use std::ops::RangeInclusive;

use alone::{SEED, Test, env_number};
use faults::Course;

/// Number of seeds that are tried with each course, unless a variable changes this.
const SEEDS: u64 = 120;
const SEEDS_OF_MASTERS_ALONE: u64 = 80;
/// Number of seeds that are run twice.
const SEEDS_AGAIN: u64 = 5;

/// Returns the seeds to try: the one seed or the number of seeds that a variable sets, or `default` seeds.
fn seeds(default: u64) -> RangeInclusive<u64> {
    match env_number(SEED) {
        Some(seed) => seed..=seed,
        None => 1..=env_number("GRISTMILL_SEEDS").unwrap_or(default),
    }
}

#[test]
fn jobs_succeed_despite_faults_of_masters_and_workers() {
    let name = "jobs_succeed_despite_faults_of_masters_and_workers";
    let test = Test { name, course: Course::Rough };
    if test.is_run_alone() {
        return;
    }
    let seeds = seeds(SEEDS);
    let struck = test.run_all(seeds.clone());
    let runs = 1 + seeds.end() - seeds.start();
    if runs == 1 {
        return;
    }
    // Without these faults, the success would prove nothing.
    for what in ["attempts run again", "mishaps", "workers lost", "masters back"] {
        assert!(struck[what] > 0, "no {what}");
    }
    assert!(struck["leaders"] > runs, "{struck:?}");
}

#[test]
fn faults_of_masters_alone_repeat_no_work() {
    let name = "faults_of_masters_alone_repeat_no_work";
    let test = Test { name, course: Course::MastersAlone };
    if test.is_run_alone() {
        return;
    }
    let seeds = seeds(SEEDS_OF_MASTERS_ALONE);
    let struck = test.run_all(seeds.clone());
    let runs = 1 + seeds.end() - seeds.start();
    assert!(runs == 1 || struck["leaders"] > runs && struck["masters back"] > 0, "{struck:?}");
}

#[test]
fn the_same_seed_gives_the_same_commands_and_effects_and_another_seed_others() {
    let name = "the_same_seed_gives_the_same_commands_and_effects_and_another_seed_others";
    let test = Test { name, course: Course::Rough };
    if test.is_run_alone() {
        return;
    }
    let first = env_number(SEED).unwrap_or(1);
    for seed in first..first + SEEDS_AGAIN {
        let (once, again) = (test.run(seed), test.run(seed));
        let differs = once.lines.iter().zip(&again.lines).position(|(one, two)| one != two);
        if let Some(at) = differs {
            panic!(
                "seed {seed} differs from itself at line {at}:\n{}\n{}",
                once.lines[at], again.lines[at]
            );
        }
        assert_eq!(once.lines.len(), again.lines.len());
        assert_ne!(once.lines, test.run(seed + 1).lines);
    }
}
