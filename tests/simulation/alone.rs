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

/// The file to which a process that runs one seed writes its outcome.
const REPORT: &str = "GRISTMILL_REPORT";
/// The seed that is asked for.
pub(crate) const SEED: &str = "GRISTMILL_SEED";
/// Lines before the end that are shown of a run in which something did not hold, where nothing else is asked for.
const LINES_SHOWN: u64 = 30;

/// What a run has shown.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Every command with its effects, every attempt that began, every fault.
    pub(crate) lines: Vec<String>,
    /// The first thing that did not hold.
    pub(crate) broken: Option<String>,
    /// How often something struck, by name.
    pub(crate) struck: BTreeMap<String, u64>,
}

/// One of the tests here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) course: Course,
}

/// The number that is asked for by this name, if one is.
pub(crate) fn asked(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

impl Test {
    /// If this process is to run one seed of this test: runs it, and says so.
    pub(crate) fn is_run_alone(&self) -> bool {
        let Ok(report) = env::var(REPORT) else { return false };
        let seed = asked(SEED).expect("a report needs the seed");
        let outcome = drawn_from(seed, || cluster::run(seed, self.course));
        fs::write(report, bincode::serialize(&outcome).unwrap()).unwrap();
        true
    }

    /// Runs one seed.
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

    /// The one line that does it again.
    fn again(&self, seed: u64) -> String {
        format!("{SEED}={seed} cargo test --all-features --test simulation {}", self.name)
    }

    fn check(&self, seed: u64, outcome: &Outcome) -> bool {
        let shown = asked("GRISTMILL_LINES");
        let Some(broken) = &outcome.broken else { return true };
        let shown = shown.unwrap_or(LINES_SHOWN) as usize;
        let from = outcome.lines.len().saturating_sub(shown);
        let lines = outcome.lines[from..].join("\n");
        let ms = outcome.struck.get("milliseconds").copied().unwrap_or_default();
        let again = self.again(seed);
        println!("seed {seed}: {:?}\n{lines}\n{again} # {ms} ms: {broken}", outcome.struck);
        false
    }

    /// Runs them all, as many at once as there are processors, and gives how often something struck. Those that fail are
    /// told when all have ended.
    pub(crate) fn run_all(&self, seeds: RangeInclusive<u64>) -> BTreeMap<String, u64> {
        let failures_max = asked("GRISTMILL_FAILURES").unwrap_or(u64::MAX);
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
