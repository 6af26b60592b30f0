//! A soak: jobs of many kinds run one after the other and side by side, while random faults strike two at a time.
//!
//! `GRISTMILL_SOAK=1800 cargo test --all-features --test cluster soak:: -- --nocapture` runs for half an hour and prints
//! a table. `GRISTMILL_SOAK_SEED` decides which jobs run and which faults strike. Workers have small disks of their own,
//! so the test runs itself again in a mount namespace, which needs root.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::commands::{Result, alone};
use crate::dev::Dev;
use crate::examples::example;
use crate::faults::now;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::soak_chance::Chance;
use crate::soak_faults::{FAULTS, Fault, Heal, pass};
use crate::soak_jobs::{End, KINDS, Running, made, write_inputs};

/// Seconds of the soak, if not 20.
const SECONDS: &str = "GRISTMILL_SOAK";
/// Seed of the soak, if not 17.
const SEED: &str = "GRISTMILL_SOAK_SEED";
/// Set, to its temporary folder, for the process that has its own mounts.
const INSIDE: &str = "GRISTMILL_TEST_SOAK_IN";
const MASTERS: usize = 3;
const WORKERS: usize = 3;
const SLOTS: u32 = 2;
/// Size of a worker's disk.
const DISK: &str = "size=512m";
/// Most jobs side by side.
const JOBS_MAX: u64 = 3;
/// How long after the end of the soak the test may take for its last jobs and checks.
const REST_SECONDS: u64 = 600;

fn number(name: &str, default: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(default), |value| Ok(value.parse()?))
}

/// Counts of one soak.
#[derive(Default)]
struct Table {
    faults: BTreeMap<String, u32>,
    ends: BTreeMap<(&'static str, &'static str), u32>,
    /// What must not happen.
    wrong: Vec<String>,
}

struct Soak {
    fleet: Fleet,
    chance: Chance,
    table: Table,
    jobs: u32,
}

impl Soak {
    fn start(seed: u64) -> Result<Self> {
        let mount_disks = |folder: &std::path::Path| {
            for number in 1..=WORKERS {
                let disk = folder.join(format!("data/w{number}"));
                fs::create_dir_all(&disk)?;
                let mount = Command::new("mount")
                    .args(["-t", "tmpfs", "-o", DISK, "none"])
                    .arg(&disk)
                    .status()?;
                assert!(mount.success(), "mounting needs root");
            }
            Ok(())
        };
        let fleet = Fleet::start_in(MASTERS, WORKERS, SLOTS, mount_disks)?;
        write_inputs(&fleet)?;
        KINDS.iter().try_for_each(|kind| kind.run_alone(&fleet))?;
        Ok(Self { fleet, chance: Chance::new(seed), table: Table::default(), jobs: 0 })
    }

    /// Runs some jobs side by side, under two faults.
    fn round(&mut self) -> Result {
        let mut jobs = Vec::new();
        for _ in 0..=self.chance.below(JOBS_MAX) {
            let (kind, priority) = (self.chance.one_of(KINDS), self.chance.below(10));
            self.jobs += 1;
            jobs.push(kind.submit(&self.fleet, self.jobs, priority)?);
        }
        pass(Duration::from_millis(self.chance.below(400)));
        let faults = self.two_faults();
        let first = usize::try_from(self.chance.below(WORKERS as u64))?;
        let mut heals = Vec::new();
        for (place, fault) in faults.into_iter().enumerate() {
            let worker = (first + place) % WORKERS + 1;
            *self.table.faults.entry(format!("{fault:?}")).or_default() += 1;
            heals.push(fault.strike(&mut self.fleet, worker, &mut jobs, &mut self.chance)?);
            pass(Duration::from_millis(self.chance.below(300)));
        }
        // Longer than a lease, now and then.
        let longest = self.chance.one_of(&[300, 1_000, 4_500]);
        pass(Duration::from_millis(self.chance.below(longest)));
        let mut later: Vec<Heal> = Vec::new();
        for heal in heals {
            later.extend(heal.heal(&mut self.fleet)?);
        }
        for running in &jobs {
            self.end(running, faults);
        }
        later.into_iter().try_for_each(|heal| heal.finish(&mut self.fleet))
    }

    /// Draws two different faults, at most one of them of a master.
    fn two_faults(&mut self) -> [Fault; 2] {
        let first = self.chance.one_of(FAULTS);
        loop {
            let second = self.chance.one_of(FAULTS);
            if second != first && !(first.is_of_master() && second.is_of_master()) {
                return [first, second];
            }
        }
    }

    fn end(&mut self, running: &Running, faults: [Fault; 2]) {
        let (name, job) = (running.kind.name, &running.job);
        let end = match running.end(&self.fleet) {
            Ok(End::Succeeded) => "succeeded",
            Ok(End::Failed) => "failed",
            Ok(End::Cancelled) => "cancelled",
            Err(error) => {
                let line = format!("{job} ({name}) under {faults:?}: {error}");
                println!("{line}");
                self.table.wrong.push(line);
                "WRONG"
            }
        };
        *self.table.ends.entry((name, end)).or_default() += 1;
    }

    fn print(&self, rounds: u32, seed: u64) {
        let faults: u32 = self.table.faults.values().sum();
        println!("\nsoak of seed {seed}: {rounds} rounds, {} jobs, {faults} faults", self.jobs);
        for (fault, times) in &self.table.faults {
            println!("  {fault:<24} {times:>6}");
        }
        for ((name, end), times) in &self.table.ends {
            println!("  {name:<24} {times:>6} {end}");
        }
        println!("  wrong or stuck           {:>6}", self.table.wrong.len());
    }
}

/// Runs this test again in a process with its own mounts, which end with it.
fn with_own_mounts(test: &str) -> Result {
    let _one = alone();
    // Builds the executables if needed, which takes time.
    example("odd");
    Dev::job("wordcount");
    let folder = tempfile::tempdir()?;
    let seconds = number(SECONDS, 20)? + REST_SECONDS;
    let status = Command::new("timeout")
        .args(["-k", "5", &seconds.to_string(), "unshare", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, folder.path())
        .env("TMPDIR", folder.path())
        .status()?;
    assert!(status.success(), "{status}");
    Ok(())
}

#[test]
fn random_faults_lose_no_job_and_change_no_output() -> Result {
    if std::env::var_os(INSIDE).is_none() {
        return with_own_mounts("soak::random_faults_lose_no_job_and_change_no_output");
    }
    let (seconds, seed) = (number(SECONDS, 20)?, number(SEED, 17)?);
    let mut soak = Soak::start(seed)?;
    let (began, mut rounds) = (now(), 0);
    while now() - began < Duration::from_secs(seconds) {
        let round = soak.round();
        rounds += 1;
        if let Err(error) = round {
            soak.print(rounds, seed);
            return Err(format!("round {rounds} of seed {seed}: {error}").into());
        }
    }
    soak.print(rounds, seed);
    assert!(soak.table.wrong.is_empty(), "seed {seed}: {:#?}", soak.table.wrong);
    let made = made();
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    check_nothing_is_left(soak.fleet, &made)?;
    println!("  leaked                        0");
    Ok(())
}
