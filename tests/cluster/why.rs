//! `gristmill why` for jobs with injected faults: the cause, the evidence, and what to do.

use std::fs;

use serde_json::Value;

use crate::attempts::Attempts;
use crate::chance::{start, strike};
use crate::commands::Result;
use crate::disks::{SMALL_DISK, noise};
use crate::examples::example;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::{Odd, filled};
use crate::proxy::Proxy;
use crate::trial::status;
use crate::until::until;

/// Bytes of each map's input.
const SPLIT_BYTES: usize = 1 << 10;
const FLAGS: &str = "in.txt --split-size 1KiB -r 2";
/// Flags of each worker: they set the memory of all its attempts together. The slots below are the attempts that run at
/// once.
const MEMORY: &[&str] = &["--no-local-reads", "--memory", "192MiB"];
const SLOTS: u32 = 2;

/// A way to damage a job.
type Injure = fn(&mut Fleet) -> Result<Injured>;

/// A job that was damaged.
struct Injured {
    job: String,
    /// The submission whose output and marks must be removed before the next job.
    odd: Option<Odd>,
}

/// A cause, and what `why` must report about it.
struct Row {
    name: &'static str,
    injure: Injure,
    kind: &'static str,
    /// Parts of the summary. `$JOB` is the job, and `$DIR` is the folder of its files.
    said: Vec<String>,
    /// Part of the suggestion.
    to_do: &'static str,
    /// Kind of the task that is named and replayed, or `-` if there is none.
    task: char,
}

impl Row {
    fn check(&self, fleet: &mut Fleet) -> Result {
        let Injured { job, odd } = (self.injure)(fleet)?;
        let mut why = Value::Null;
        until("why knows it", || {
            why = fleet.json(&["why", &job])?;
            Ok(why["kind"] == self.kind)
        })
        .map_err(|error| format!("{}: {error}: {why}", self.name))?;
        let folder = fleet.path("").canonicalize()?.display().to_string();
        let summary = why["summary"].as_str().ok_or("no paragraph")?;
        for part in &self.said {
            let part = part.replace("$JOB", &job).replace("$DIR", &folder);
            assert!(summary.contains(&part), "{}: {part}: {why:#}", self.name);
        }
        let to_do = why["suggestion"].as_str().ok_or("nothing to do")?;
        assert!(to_do.contains(self.to_do), "{}: {why:#}", self.name);
        let text = fleet.run(&["why", &job])?;
        assert_eq!(text.code, Some(0), "{}", text.stderr);
        // The summary of a running job may have changed in the meantime.
        let is_over = why["state"] == "failed";
        assert!(!is_over || text.stdout.starts_with(summary), "{}: {}", self.name, text.stdout);
        assert!(text.stdout.contains(&format!("to do: {to_do}\n")), "{}", text.stdout);
        if self.task != '-' {
            let task = format!("{job}/{}", self.task);
            assert!(why["task"].as_str().is_some_and(|named| named.starts_with(&task)), "{why:#}");
            assert!(!why["attempts"].as_array().ok_or("no attempts")?.is_empty(), "{why:#}");
            let last = text.stdout.lines().next_back().unwrap_or_default();
            assert!(last.contains(&format!("gristmill replay {task}")), "{}", text.stdout);
        }
        println!("\n== {}\n{}", self.name, text.stdout);
        if fleet.json(&["status", &job])?["finished"].is_null() {
            assert_eq!(fleet.run(&["kill", &job])?.code, Some(0));
        }
        if let Some(odd) = odd {
            odd.tidy(fleet)?;
        }
        Ok(())
    }
}

/// Writes five hundred good lines with a bad one in the middle.
fn write_trouble(fleet: &Fleet) -> Result {
    Ok(fs::write(fleet.path("in.txt"), lines() + "trouble\n" + &lines())?)
}

fn lines() -> String {
    (0..250).map(|number| format!("the {} and the other\n", number % 100)).collect()
}

/// Runs a job whose user code makes this trouble on one line.
fn trouble(fleet: &Fleet, trouble: &str, options: &str) -> Result<Injured> {
    write_trouble(fleet)?;
    let odd = Odd::new(FLAGS).with_options(options).with_trouble(&format!("--trouble {trouble}"));
    let report = odd.run(fleet)?;
    assert_eq!(report.ended.code, Some(1), "{}", report.ended.stderr);
    Ok(Injured { job: report.job, odd: Some(odd) })
}

fn panic(fleet: &mut Fleet) -> Result<Injured> {
    trouble(fleet, "say,panic", "")
}

fn bad_record(fleet: &mut Fleet) -> Result<Injured> {
    trouble(fleet, "refuse", "")
}

fn exit(fleet: &mut Fleet) -> Result<Injured> {
    let injured = trouble(fleet, "say,exit3", "--max-attempts 2")?;
    let why = fleet.json(&["why", &injured.job])?;
    assert_eq!(why["log"], serde_json::json!(["the last words"]), "{why:#}");
    Ok(injured)
}

fn segfault(fleet: &mut Fleet) -> Result<Injured> {
    trouble(fleet, "segfault", "--max-attempts 2")
}

fn memory(fleet: &mut Fleet) -> Result<Injured> {
    trouble(fleet, "eat", "--max-attempts 1")
}

fn timeout(fleet: &mut Fleet) -> Result<Injured> {
    trouble(fleet, "hang", "--task-timeout 1s --max-attempts 1")
}

/// Removes the input of a job while the job waits for slots that another job occupies.
fn missing_input(fleet: &mut Fleet) -> Result<Injured> {
    let waits = filled(SPLIT_BYTES, |_| "wait gate\n".into());
    fs::write(fleet.path("in.txt"), waits.repeat(fleet.numbers().count() * SLOTS as usize))?;
    let first = Odd::new(FLAGS);
    let blocker = first.submit(fleet)?;
    first.waits(fleet, "gate", fleet.numbers().count() * SLOTS as usize)?;
    fs::write(fleet.path("gone.txt"), "soon\n")?;
    let odd = example("odd");
    let arguments = ["submit", "--detach", "--max-attempts", "1", &odd, "gone.txt", "-o", "other"];
    let submitted = fleet.run(&arguments)?;
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    let job = submitted.stdout.trim_end().to_owned();
    let why = fleet.json(&["why", &job])?;
    let waits =
        format!("{job} odd is waiting for slots. Of 4 slots on 2 workers, {blocker} has 4.");
    assert_eq!((&why["kind"], &why["summary"]), (&"waiting".into(), &waits.into()));

    fs::remove_file(fleet.path("gone.txt"))?;
    first.open(fleet, "gate")?;
    until("it has failed", || Ok(status(fleet, &job)?["state"] == "failed"))?;
    let report = first.watch(fleet, &blocker)?;
    assert_eq!(report.ended.code, Some(0), "{}", report.ended.stderr);
    let why = fleet.json(&["why", &blocker])?;
    assert_eq!(why["kind"], "none");
    assert!(why["summary"].as_str().is_some_and(|said| said.contains(" succeeded at ")), "{why:#}");
    Ok(Injured { job, odd: Some(first) })
}

fn version_skew(fleet: &mut Fleet) -> Result<Injured> {
    fs::write(fleet.path("in.txt"), "a line\n")?;
    let skewed = example("skewed");
    let arguments = ["submit", "--detach", "--max-attempts", "1", &skewed, "in.txt", "-o", "out"];
    let submitted = fleet.run(&arguments)?;
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    Ok(Injured { job: submitted.stdout.trim_end().to_owned(), odd: None })
}

/// Kills a worker whose map has drawn a number, when part of the output has already used that number.
fn nondeterministic_map(fleet: &mut Fleet) -> Result<Injured> {
    let odd = Odd::new("in.txt --split-size 1KiB -r 4");
    let job = start(fleet, &odd, 4, "hold gate\n")?;
    until("all parts but one are finished", || Ok(status(fleet, &job)?["reduces"]["done"] == 3))?;
    strike(fleet, &job, "reduce")?;
    until("it has failed", || Ok(status(fleet, &job)?["state"] == "failed"))?;
    Ok(Injured { job, odd: Some(odd) })
}

/// Adds a worker that reports an address at which it cannot be reached.
fn fetch_blocked(fleet: &mut Fleet) -> Result<Injured> {
    let proxy = Proxy::start_with(&fleet.master().address, Some(("127.0.0.1:", "127.0.0.9:")))?;
    let hidden = fleet.add_worker_at(proxy.address())?;
    let id = fleet.id(hidden)?;
    let alive: Vec<usize> = fleet.numbers().filter(|&number| fleet.lives(number)).collect();
    let slots = alive.len() * SLOTS as usize;
    let waits = filled(SPLIT_BYTES, |_| "wait gate\n".into());
    fs::write(fleet.path("in.txt"), waits.repeat(slots))?;
    let odd = Odd::new("in.txt --split-size 1KiB -r 1");
    let job = odd.submit(fleet)?;
    odd.waits(fleet, "gate", slots)?;
    assert!(!Attempts::of(fleet, &job)?.running_on(&id).is_empty());
    odd.open(fleet, "gate")?;
    until("a reduce has failed", || {
        let attempts = Attempts::of(fleet, &job)?;
        Ok(!attempts.all(|attempt| attempt.cause == "fetch_failed").is_empty())
    })?;
    // The summary is read while the job still runs, because it shows the worker's address only while the worker is
    // alive.
    let why = fleet.json(&["why", &job])?;
    assert!(why["summary"].as_str().is_some_and(|said| said.contains(&id)), "{why:#}");
    Ok(Injured { job, odd: Some(odd) })
}

/// Kills all workers, and adds one whose disk is too small.
fn disk_full(fleet: &mut Fleet) -> Result<Injured> {
    for number in fleet.numbers().filter(|&number| fleet.lives(number)).collect::<Vec<_>>() {
        fleet.kill(number)?;
    }
    fleet.add_worker_with_mounts(SMALL_DISK)?;
    fs::write(fleet.path("in.txt"), noise())?;
    let odd = Odd::new("in.txt --split-size 128KiB -r 2").with_options("--max-attempts 1");
    let report = odd.run(fleet)?;
    assert_eq!(report.ended.code, Some(1), "{}", report.ended.stderr);
    Ok(Injured { job: report.job, odd: Some(odd) })
}

/// Kills the last worker.
fn worker_lost(fleet: &mut Fleet) -> Result<Injured> {
    fs::write(fleet.path("in.txt"), "wait gate\n")?;
    let odd = Odd::new(FLAGS);
    let job = odd.submit(fleet)?;
    odd.waits(fleet, "gate", 1)?;
    let last = fleet.numbers().last().ok_or("no worker")?;
    fleet.kill(last)?;
    Ok(Injured { job, odd: Some(odd) })
}

/// Returns `tests/jobs/odd.rs:12`, the place of the line that contains this text.
fn place(text: &str) -> String {
    let line = include_str!("../jobs/odd.rs").lines().position(|line| line.contains(text));
    format!("tests/jobs/odd.rs:{}", line.map_or(0, |line| line + 1))
}

fn record() -> String {
    let offset = lines().len();
    format!("The record begins at byte {offset} of $DIR/in.txt: `trouble`.")
}

fn row(
    name: &'static str,
    injure: Injure,
    kind: &'static str,
    said: &[&str],
    to_do: &'static str,
) -> Row {
    let said = said.iter().map(ToString::to_string).collect();
    Row { name, injure, kind, said, to_do, task: 'm' }
}

/// Causes that lie in the job's own code.
fn of_code() -> Vec<Row> {
    let panicked = format!("user code panicked at {}: no luck.", place("panic!(\"no luck\")"));
    let refused =
        format!("user code returned an error at {}: not to my taste.", place("not to my taste"));
    let attempts = " attempts at $JOB/m";
    let over = ["it used ", "an attempt may use at most 96MiB"];
    vec![
        row("panic", panic, "panic", &[&panicked, &record(), attempts], "--max-bad-records"),
        row("bad record", bad_record, "bad_record", &[&refused, &record()], "fix the record, or"),
        row("exit 3", exit, "exit", &["exited with code 3", attempts], "what ends the process"),
        row("SIGSEGV", segfault, "signal", &["died of SIGSEGV (signal 11)"], "core dump"),
        row("memory", memory, "memory", &over, "raise the worker's"),
        row("timeout", timeout, "timeout", &["no progress for 1"], "--task-timeout"),
    ]
}

/// Causes that lie outside the job. Those that cost workers come last.
fn of_the_cluster() -> Vec<Row> {
    let missing = ["input does not exist: $DIR/gone.txt"];
    let skew = ["uses version ", "this worker uses version"];
    let other = ["map is not deterministic: $JOB/m", "already used by 3 of 4 reduces"];
    let blocked = ["of an unfinished task was in ", ": failed to fetch ", " at 127.0.0.9:"];
    let full = ["o space left", "/jobs/"];
    let lost = ["waits: there are no workers. w", " was lost at ", "together with $JOB/m0#1."];
    let (version, way) =
        ("from the same version of gristmill", "the workers can reach each other at the addresses");
    let numbers = "no random numbers";
    vec![
        Row {
            task: 'p',
            ..row("missing input", missing_input, "input", &missing, "check the spelling")
        },
        Row { task: 'p', ..row("version skew", version_skew, "version_skew", &skew, version) },
        row("non-deterministic map", nondeterministic_map, "nondeterministic_map", &other, numbers),
        Row { task: 'r', ..row("fetch blocked", fetch_blocked, "fetch_failed", &blocked, way) },
        row("disk full", disk_full, "disk_full", &full, "free some space"),
        Row {
            task: '-',
            ..row("worker lost", worker_lost, "worker_lost", &lost, "with the same --data")
        },
    ]
}

#[test]
fn why_names_each_cause_and_what_to_do() -> Result {
    let mut fleet = Fleet::start_with(2, SLOTS, MEMORY)?;
    for row in of_code().into_iter().chain(of_the_cluster()) {
        row.check(&mut fleet)?;
    }
    fleet.faults().leave_out();
    check_nothing_is_left(fleet, &[])
}
