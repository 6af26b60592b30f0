//! A soak test: jobs of many kinds run side by side while random faults are injected, two at a time.
//!
//! `GRISTMILL_SOAK=1800 cargo test --all-features --test cluster soak:: -- --nocapture` runs for half an hour and
//! prints a table. Without that variable, the test runs only a few rounds. `GRISTMILL_SOAK_SEED` decides which jobs run
//! and which faults are injected. `GRISTMILL_SOAK_ONLY=KillWorker,DamageOutput` injects only these faults.
//!
//! ```text
//!   round ── submit jobs ── two faults ── a pause ── heal ── every job ends as it must ── members live
//!   end   ── no file, folder or process is left; memory and descriptors of the masters are flat
//! ```
//!
//! Each master and worker has its own small disk. For that, the test starts itself again in a new mount namespace,
//! which needs root. If control groups of version 1 are mounted, the test also limits the number of processes that a
//! worker may start.

mod chance;
mod faults;
mod files;
mod kinds;
mod limits;
mod old_copy;
mod peers;
mod running;
mod table;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chance::Chance;
use faults::{FAULTS, Fault, Heal, Target, pass};
use kinds::{KINDS, MADE};
use running::Running;
use table::Table;

use crate::commands::Result;
use crate::dev::lives;
use crate::faults::now;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::own_mounts::{inside, with_own_mounts};

/// Variable that sets the seconds of the soak. Without it, the soak has [`ROUNDS`] rounds.
const SECONDS: &str = "GRISTMILL_SOAK";
const ROUNDS: u64 = 4;
/// Variable that sets the seed of the soak, 17 by default.
const SEED: &str = "GRISTMILL_SOAK_SEED";
/// Variable that names the faults to draw from, all by default. At least two of them must not take a master away.
const ONLY: &str = "GRISTMILL_SOAK_ONLY";
/// Variable that holds the temporary folder of the process that has its own mounts. It is set for that process only.
const INSIDE: &str = "GRISTMILL_TEST_SOAK_IN";
const MASTERS: usize = 3;
const WORKERS: usize = 3;
const SLOTS: u32 = 2;
/// Size of a member's disk.
const DISK: &str = "size=256m,mode=700";
/// Limit on the jobs that run at the same time.
const JOBS_MAX: u64 = 5;
/// Repetitions of a command that finds no leader, for about two minutes: elections take long on a busy machine.
const REPEATS: u32 = 24;
/// How much longer than its time a soak may take before it is killed, in seconds.
const REST_SECONDS: u64 = 1_200;

fn number(name: &str) -> Result<Option<u64>> {
    std::env::var(name).ok().map(|value| Ok(value.parse()?)).transpose()
}

struct Soak {
    fleet: Fleet,
    seed: u64,
    /// The faults to draw from.
    faults: Vec<Fault>,
    rounds: u64,
    jobs: u32,
    table: Table,
}

impl Soak {
    fn start(seed: u64) -> Result<Self> {
        let fleet = Fleet::start_in(MASTERS, WORKERS, SLOTS, mount_disks)?;
        fleet.repeat(REPEATS);
        kinds::strip(&fleet)?;
        kinds::write_inputs(&fleet)?;
        KINDS.iter().try_for_each(|kind| kind.run_alone(&fleet))?;
        let only = std::env::var(ONLY).unwrap_or_default();
        let mut faults = FAULTS.to_vec();
        faults.retain(|fault| only.is_empty() || only.contains(&format!("{fault:?}")));
        assert!(faults.iter().filter(|fault| !fault.is_of_master()).count() > 1, "{ONLY}: {only}");
        Ok(Self { fleet, seed, faults, rounds: 0, jobs: 0, table: Table::default() })
    }

    /// Runs some jobs at the same time, with two faults.
    fn round(&mut self) -> Result {
        self.rounds += 1;
        let mut chance = Chance::of_round(self.seed, self.rounds);
        let mut jobs = Vec::new();
        for _ in 0..=chance.below(JOBS_MAX) {
            let kind = &KINDS[chance.place(KINDS.len())];
            self.jobs += 1;
            jobs.push(Running::submit(&self.fleet, kind, self.jobs, chance.below(10))?);
        }
        pass(Duration::from_millis(chance.below(1_000)));
        let faults = two_faults(&self.faults, &mut chance);
        let heals = self.strike(faults, &mut jobs, &mut chance)?;
        // A pause of this length is sometimes longer than a lease.
        let longest = *chance.one_of(&[300, 1_000, 4_500]).ok_or("no pauses")?;
        pass(Duration::from_millis(chance.below(longest)));
        let mut later = Vec::new();
        for heal in heals {
            later.extend(heal.heal(&mut self.fleet)?);
        }
        self.start_ended(&faults)?;
        let healed = now();
        for running in jobs {
            self.end(running, &faults);
        }
        self.table.waited(self.rounds, now() - healed);
        later.into_iter().try_for_each(|heal| heal.finish(&mut self.fleet))?;
        self.table.measure(&self.fleet);
        Ok(())
    }

    /// Injects the faults, each into a different worker if they strike workers. Returns what undoes them, in this
    /// order.
    fn strike(
        &mut self,
        faults: [Fault; 2],
        jobs: &mut [Running],
        chance: &mut Chance,
    ) -> Result<Vec<Heal>> {
        let first = chance.place(WORKERS);
        let mut heals = Vec::new();
        for (at, fault) in faults.into_iter().enumerate() {
            let worker = (first + at) % WORKERS + 1;
            println!("round {}: {fault:?} (worker {worker}, {} jobs)", self.rounds, jobs.len());
            self.table.fault(fault);
            let target = Target { fleet: &mut self.fleet, worker, jobs, chance };
            heals.push(fault.strike(target).map_err(|error| format!("{fault:?}: {error}"))?);
            pass(Duration::from_millis(chance.below(300)));
        }
        heals.sort_by_key(|heal| !heal.is_first());
        Ok(heals)
    }

    /// Restarts members that have ended by themselves. Only a master whose disk is full may do so.
    fn start_ended(&mut self, faults: &[Fault]) -> Result {
        let may_end = faults.contains(&Fault::FillDiskOfMaster);
        for number in 1..=MASTERS {
            let pid = self.fleet.master_of(number).pid();
            if !lives(pid) {
                let signal = self.fleet.signal_of(pid)?;
                let what = format!("master {number} ended under {faults:?}, signal {signal:?}");
                self.table.ended(what, may_end);
                self.fleet.start_master_of(number)?;
            }
        }
        for number in self.fleet.numbers() {
            let pid = self.fleet.worker(number).pid();
            if !lives(pid) && !faults.contains(&Fault::DrainWorker) {
                let signal = self.fleet.signal_of(pid)?;
                let what = format!("worker {number} ended under {faults:?}, signal {signal:?}");
                self.table.ended(what, false);
                self.fleet.start_again(number)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, mut running: Running, faults: &[Fault]) {
        let end = running.end(&self.fleet).map_err(|error| {
            let name = running.kind.name;
            format!("round {}: {name} under {faults:?}: {error}", self.rounds)
        });
        self.table.job(&running, end);
    }
}

/// Draws two different faults. At most one of them strikes a master.
fn two_faults(faults: &[Fault], chance: &mut Chance) -> [Fault; 2] {
    let first = faults[chance.place(faults.len())];
    loop {
        let second = faults[chance.place(faults.len())];
        if second != first && !(first.is_of_master() && second.is_of_master()) {
            return [first, second];
        }
    }
}

/// Gives each member a small disk of its own.
fn mount_disks(folder: &Path) -> Result {
    let masters = (1..=MASTERS).map(|number| format!("data/m{number}"));
    let workers = (1..=WORKERS).map(|number| format!("data/w{number}"));
    for disk in masters.chain(workers) {
        let disk = folder.join(disk);
        fs::create_dir_all(&disk)?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "none"]).arg(&disk).status()?;
        assert!(mounted.success(), "{mounted}; mounting needs root");
    }
    Ok(())
}

#[test]
fn random_faults_lose_no_job_and_change_no_output() -> Result {
    let Some(temporary) = inside(INSIDE)? else {
        // The time for building is not counted.
        kinds::build();
        return with_own_mounts(INSIDE, number(SECONDS)?.unwrap_or(0) + REST_SECONDS);
    };
    let (seconds, seed) = (number(SECONDS)?, number(SEED)?.unwrap_or(17));
    let mut soak = Soak::start(seed)?;
    soak.table.measure(&soak.fleet);
    let began = now();
    let is_over = |rounds| match seconds {
        Some(seconds) => now() - began >= Duration::from_secs(seconds),
        None => rounds >= ROUNDS,
    };
    while !is_over(soak.rounds) {
        if let Err(error) = soak.round() {
            println!("{}", soak.table);
            return Err(format!("round {} of seed {seed}: {error}", soak.rounds).into());
        }
    }
    println!("\nsoak of seed {seed}: {} rounds, {} jobs", soak.rounds, soak.jobs);
    println!("{}", soak.table);
    soak.table.check()?;
    // The fleet's folder holds the mounts, so it is removed later, with the mount namespace.
    let own = soak.fleet.path("").canonicalize()?;
    check_nothing_is_left(soak.fleet, MADE)?;
    for entry in fs::read_dir(temporary)? {
        let path = entry?.path().canonicalize()?;
        assert_eq!(path, own, "a temporary folder or file is left");
    }
    println!("leaked: 0");
    Ok(())
}
