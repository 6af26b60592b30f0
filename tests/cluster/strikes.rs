//! Kills the leader, or all processes, in the middle of one job after another. Also checks that a healthy leader stays
//! leader while jobs use every core.
//!
//! `GRISTMILL_STRIKES=100 cargo test --all-features --test cluster strikes:: -- --nocapture` kills the leader in 100 jobs
//! and all processes in another 100 (by default in 2 each), and prints one line for each kill. `GRISTMILL_BUSY=600` runs
//! jobs on every core for ten minutes (by default for 5 s).

use std::fs;
use std::time::Duration;

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::faults::now;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::masters::{caught_up, leader, masters};
use crate::odd::{OUTPUT, Odd, filled};
use crate::slow_words;
use crate::trial::{Trial, counted, status};
use crate::until::{until, until_within};

/// Variable that sets how many jobs are struck, two by default.
const STRIKES: &str = "GRISTMILL_STRIKES";
/// Variable that sets for how many seconds the machine is kept busy, five by default.
const BUSY: &str = "GRISTMILL_BUSY";
/// Input of a job that keeps the machine busy, in bytes.
const BUSY_BYTES: usize = 128 << 20;
const WORKERS: usize = 2;
const SLOTS: u32 = 2;
/// Range of the number of maps that are done when a job of about two hundred is struck.
const MOMENTS: std::ops::Range<u32> = 10..190;
/// How long a job may take, in seconds.
const JOB_SECONDS_MAX: u32 = 120;

fn strikes() -> Result<u32> {
    std::env::var(STRIKES).map_or(Ok(2), |said| Ok(said.parse()?))
}

fn trial() -> Trial {
    Trial::new(8, 6, 40)
}

/// Waits until the job has finished the number of maps at which it is struck, and returns that number. It differs from
/// strike to strike.
fn moment(commands: &Commands, job: &str, strike: u32) -> Result<u64> {
    let maps = u64::from(MOMENTS.start + strike * 61 % MOMENTS.len() as u32);
    until_within(JOB_SECONDS_MAX, "so many maps are done", || {
        Ok(status(commands, job)?["maps"]["done"].as_u64() >= Some(maps))
    })?;
    Ok(maps)
}

fn succeeded(commands: &Commands, job: &str) -> Result {
    until_within(JOB_SECONDS_MAX, "the job succeeds", || {
        let status = status(commands, job)?;
        assert!(status["state"] != "failed" && status["state"] != "cancelled", "{status}");
        Ok(status["state"] == "succeeded")
    })
}

/// Returns how long a job takes when nothing happens to it.
fn undisturbed(fleet: &Fleet) -> Result<Duration> {
    // The first call may have to build the executable.
    slow_words::executable();
    let began = now();
    succeeded(fleet, &trial().submit(fleet)?)?;
    let took = now() - began;
    trial().check_output(fleet)?;
    fs::remove_dir_all(fleet.path("out"))?;
    Ok(took)
}

/// Returns the maps that are done, each with its number of attempts.
fn maps_done(attempts: &Attempts) -> Vec<(String, usize)> {
    let done = attempts.all(|attempt| attempt.kind == "map" && attempt.state == "succeeded");
    done.iter().map(|attempt| (attempt.task.clone(), attempts.at(&attempt.task).len())).collect()
}

/// Returns whether a map ran again after its first `before` attempts. An attempt that began before its worker reported
/// its outputs is stopped before it has an executor, and did not run.
fn ran_again(attempts: &Attempts, map: &str, before: usize) -> bool {
    attempts.at(map)[before..].iter().any(|attempt| attempt.pid != 0)
}

/// Describes durations by their median, 99th percentile and maximum.
fn spread(mut all: Vec<Duration>) -> String {
    all.sort_unstable();
    let at = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1));
    let shown = [50, 99, 100].map(|percent| at(percent).copied().unwrap_or_default());
    let [half, most, longest] = shown.map(|it| format!("{:.2} s", it.as_secs_f64()));
    format!("p50 {half}, p99 {most}, longest {longest}")
}

#[test]
fn a_leader_that_is_killed_in_mid_job_costs_no_attempt_whenever_that_is() -> Result {
    let mut fleet = Fleet::start_masters(3, WORKERS, SLOTS)?;
    let alone = undisturbed(&fleet)?;
    println!("undisturbed: {:.2} s", alone.as_secs_f64());
    let (mut pauses, mut added) = (Vec::new(), Vec::new());
    for strike in 1..=strikes()? {
        let trial = trial();
        let began = now();
        let job = trial.submit(&fleet)?;
        let maps = moment(&fleet, &job, strike)?;
        let leads = leader(&fleet)?;
        let before = Attempts::of(&fleet, &job)?;
        let running = before.all(|attempt| attempt.state == "running").len();
        assert!(running >= 1, "the fault strikes a job at work");
        fleet.kill_master_of(leads)?;
        let struck = now();
        // Attempts may have begun since they were counted, but no more than there are slots.
        let begun = before.iter().count() + WORKERS * SLOTS as usize;
        until("a new leader gives more to do", || {
            Ok(Attempts::of(&fleet, &job)?.iter().count() > begun)
        })?;
        pauses.push(now() - struck);
        succeeded(&fleet, &job)?;
        let took = now() - began;
        added.push(took.saturating_sub(alone));
        trial.check(&fleet, &job)?;
        assert_eq!(counted(&fleet, &job, "attempts_rerun")?, 0);
        println!(
            "m{leads} killed after {maps} maps with {running} attempts in flight: {:.2} s without a leader, {:.2} s in all",
            pauses[pauses.len() - 1].as_secs_f64(),
            took.as_secs_f64(),
        );
        fs::remove_dir_all(fleet.path("out"))?;
        fleet.start_master_of(leads)?;
        caught_up(&fleet, leads)?;
    }
    println!("until more is given to do, at most: {}", spread(pauses));
    println!("added to the job: {}", spread(added));
    check_nothing_is_left(fleet, &["alone-out"])
}

#[test]
fn killing_all_processes_at_any_time_ends_every_job_once() -> Result {
    let mut fleet = Fleet::start_masters(3, WORKERS, SLOTS)?;
    for strike in 1..=strikes()? {
        let trial = trial();
        let job = trial.submit(&fleet)?;
        let maps = moment(&fleet, &job, strike)?;
        let done = maps_done(&Attempts::of(&fleet, &job)?);
        assert!(done.len() as u64 >= maps, "{} of {maps}", done.len());
        fleet.kill_all()?;
        for number in 1..=3 {
            fleet.start_master_of(number)?;
        }
        for number in fleet.numbers() {
            fleet.start_again(number)?;
        }
        let after = trial.check(&fleet, &job)?;
        // The outputs are on the disks of the restarted workers, and are used again.
        let again = done.iter().filter(|(map, before)| ran_again(&after, map, *before));
        assert_eq!(again.count(), 0, "of {} that were done", done.len());
        let jobs = fleet.json(&["jobs"])?;
        let ended = jobs.as_array().ok_or("no list")?.iter();
        assert!(ended.clone().all(|job| job["state"] == "succeeded"), "{jobs}");
        assert_eq!(ended.count(), strike as usize, "{jobs}");
        let again = counted(&fleet, &job, "attempts_rerun")?;
        println!(
            "all killed after {maps} maps: {} kept, none of them ran again; {again} attempts again",
            done.len()
        );
        fs::remove_dir_all(fleet.path("out"))?;
    }
    check_nothing_is_left(fleet, &["alone-out"])
}

/// Returns the processor time of the machine since it started, and how much of it was idle, in hundredths of a second.
fn processors() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().ok_or("no first line")?;
    let parts: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    Ok((parts.iter().take(8).sum(), parts.iter().skip(3).take(2).sum()))
}

#[test]
fn leader_is_kept_while_jobs_use_every_core() -> Result {
    let seconds = std::env::var(BUSY).map_or(Ok(5), |said| said.parse())?;
    let fleet = Fleet::start_masters(3, 4, 1)?;
    let line = |number: usize| format!("word {} of line {}\n", number % 89, number % 10_007);
    fs::write(fleet.path("in.txt"), filled(BUSY_BYTES, line))?;
    let roles = || -> Result<Vec<_>> {
        let said = masters(&fleet)?;
        Ok(said.iter().map(|master| (master["role"].clone(), master["term"].clone())).collect())
    };
    let (before, began, (all, idle)) = (roles()?, now(), processors()?);
    let odd = Odd::new("in.txt -r 4 --split-size 4MiB");
    let mut reports = Vec::new();
    while now() - began < Duration::from_secs(seconds) {
        if !reports.is_empty() {
            fs::remove_dir_all(fleet.path(OUTPUT))?;
        }
        let report = odd.run(&fleet)?;
        assert!(report.failed().is_empty(), "{:?}", report.failed());
        assert_eq!(counted(&fleet, &report.job, "attempts_rerun")?, 0);
        reports.push(report);
    }
    let (all, idle) = (processors()?.0 - all, processors()?.1 - idle);
    println!(
        "{} jobs in {:.0} s, {} % of the processors idle",
        reports.len(),
        (now() - began).as_secs_f64(),
        100 * idle / all.max(1)
    );
    assert_eq!(roles()?, before);
    odd.check_succeeded(&fleet, reports.last().ok_or("no job")?)?;
    check_nothing_is_left(fleet, &[])
}
