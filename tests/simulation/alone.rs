//! Runs each seed in its own process, because tokio's random choices depend on how many runtimes the process has
//! created.
//!
//! Each process runs this same executable. Environment variables name the test, the seed and the file for its report.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs, thread};

use serde::{Deserialize, Serialize};

use crate::cluster;
use crate::entropy::drawn_from;
use crate::faults::Course;

/// Variable that names the file to which a process that runs one seed writes its outcome.
const REPORT: &str = "GRISTMILL_REPORT";
/// Variable that selects one seed.
pub(crate) const SEED: &str = "GRISTMILL_SEED";
/// Number of last lines that are shown of a failed run, unless a variable changes this.
const LINES_SHOWN: u64 = 30;

/// The result of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Lines for every command with its effects, every attempt that began, and every fault.
    pub(crate) lines: Vec<String>,
    /// The first invariant that did not hold.
    pub(crate) broken: Option<String>,
    /// How often each kind of event happened, by name.
    pub(crate) struck: BTreeMap<String, u64>,
}

/// A test of the simulation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) course: Course,
}

/// Returns the number in the variable of this name, if it is set.
pub(crate) fn env_number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

impl Test {
    /// Runs one seed of this test if this process was started for that. Returns whether it was.
    pub(crate) fn is_run_alone(&self) -> bool {
        let Ok(report) = env::var(REPORT) else { return false };
        let seed = env_number(SEED).expect("a report needs the seed");
        let outcome = drawn_from(seed, || cluster::run(seed, self.course));
        fs::write(report, bincode::serialize(&outcome).unwrap()).unwrap();
        true
    }

    /// Runs one seed in a process of its own.
    pub(crate) fn run(&self, seed: u64) -> Outcome {
        let report = tempfile::NamedTempFile::new().unwrap();
        let ran = Command::new(env::current_exe().unwrap())
            .args(["--exact", self.name, "--nocapture"])
            .env(SEED, seed.to_string())
            .env(REPORT, report.path())
            .output()
            .unwrap();
        let read = fs::read(report.path()).unwrap();
        bincode::deserialize(&read).unwrap_or_else(|_| {
            let said = String::from_utf8_lossy(&ran.stderr);
            let panic = said.lines().skip_while(|line| !line.contains("panicked at"));
            let panic = panic.take(2).collect::<Vec<_>>().join(" ");
            let lines = said.lines().map(str::to_owned).collect();
            let broken = Some(format!("nothing_panics: {panic}"));
            Outcome { lines, broken, struck: BTreeMap::new() }
        })
    }

    /// Returns the command line that repeats the run.
    fn again(&self, seed: u64) -> String {
        format!("{SEED}={seed} cargo test --all-features --test simulation {}", self.name)
    }

    fn check(&self, seed: u64, outcome: &Outcome) -> bool {
        let shown = env_number("GRISTMILL_LINES");
        let Some(broken) = &outcome.broken else { return true };
        let shown = shown.unwrap_or(LINES_SHOWN) as usize;
        let from = outcome.lines.len().saturating_sub(shown);
        let lines = outcome.lines[from..].join("\n");
        let ms = outcome.struck.get("milliseconds").copied().unwrap_or_default();
        let again = self.again(seed);
        println!("seed {seed}: {:?}\n{lines}\n{again} # {ms} ms: {broken}", outcome.struck);
        false
    }

    /// Runs all seeds, as many at once as there are processors. Returns how often each kind of event happened. Fails at
    /// the end if any seed failed.
    pub(crate) fn run_all(&self, seeds: RangeInclusive<u64>) -> BTreeMap<String, u64> {
        let failures_max = env_number("GRISTMILL_FAILURES").unwrap_or(u64::MAX);
        let next = Mutex::new(seeds);
        let sums = Mutex::new((BTreeMap::new(), Vec::new()));
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let run_some = || {
                loop {
                    let Some(seed) = next.lock().unwrap().next() else { return };
                    if sums.lock().unwrap().1.len() as u64 >= failures_max {
                        return;
                    }
                    let outcome = self.run(seed);
                    let mut sums = sums.lock().unwrap();
                    if !self.check(seed, &outcome) {
                        sums.1.push(seed);
                    }
                    for (what, times) in outcome.struck {
                        *sums.0.entry(what).or_default() += times;
                    }
                }
            };
            (0..threads).for_each(|_| drop(scope.spawn(run_some)));
        });
        let (struck, failed) = sums.into_inner().unwrap();
        println!("{struck:?}");
        assert!(failed.is_empty(), "seeds {failed:?} of {} failed, as shown above", self.name);
        struck
    }
}
