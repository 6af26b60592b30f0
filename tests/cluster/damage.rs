//! A flipped byte in a job's files on disk is found, blamed on the worker that holds it, and repaired.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::attempts::Attempts;
use crate::commands::Result;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::{Odd, filled};
use crate::trial::counted;
use crate::until::until;

/// Two parts, and map inputs of one kilobyte.
const FLAGS: &str = "in.txt --split-size 1KiB -r 2";
/// Bytes of a spill file's footer, which follows its index, and bytes of the index for each part.
const FOOTER_BYTES: u64 = 20;
const ENTRY_BYTES: u64 = 40;
/// Offset of the first block.
const HEADER_BYTES: u64 = 44;

/// If a file holds more fetched bytes than this, a whole segment is among them.
const FETCHED_BYTES_LEAST: u64 = 500;
/// Bytes of a map's input.
const SPLIT_BYTES: usize = 1 << 10;
/// Number of maps that wait neither at the start nor at the gate.
const MAPS: usize = 60;

/// Starts a job whose first maps begin together, one in every slot, and whose last `waiting` maps wait for a gate.
///
/// Without the first maps, the worker that is ready first would make all outputs. The outputs have records for each
/// part.
fn start(fleet: &Fleet, odd: &Odd, slots: usize, waiting: usize) -> Result<String> {
    let line = |number: usize| format!("the {} and the other\n", number % 500);
    let first = |number: usize| if number == 0 { "wait start\n".into() } else { line(number) };
    let firsts: String = (0..slots).map(|_| filled(SPLIT_BYTES, first)).collect();
    let input = firsts
        + &filled(MAPS * SPLIT_BYTES, line)
        + &filled(waiting * SPLIT_BYTES, |_| "wait gate\n".into());
    fs::write(fleet.path("in.txt"), input)?;
    let job = odd.submit(fleet)?;
    odd.waits(fleet, "start", slots)?;
    odd.open(fleet, "start")?;
    odd.waits(fleet, "gate", waiting)?;
    Ok(job)
}

/// A way to damage a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// Flips a byte, at this offset.
    Flip { at: u64 },
    /// Flips a byte, this far before the end.
    FlipBehind { before_end: u64 },
    /// Removes the last byte.
    Cut,
    /// Removes the file.
    Remove,
}

impl Damage {
    fn strike(self, path: &Path) -> Result {
        let file = File::options().read(true).write(true).open(path)?;
        let bytes = file.metadata()?.len();
        let flip = |at: u64| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            file.write_all_at(&[byte[0] ^ 0x10], at)
        };
        match self {
            Damage::Flip { at } => flip(at)?,
            Damage::FlipBehind { before_end } => flip(bytes - before_end)?,
            Damage::Cut => file.set_len(bytes - 1)?,
            Damage::Remove => fs::remove_file(path)?,
        }
        Ok(())
    }
}

/// Returns the files in one folder of each of a worker's jobs, such as `outputs`.
fn files(fleet: &Fleet, worker: usize, place: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for job in fs::read_dir(fleet.data(worker).join("jobs"))? {
        let folder = job?.path().join(place);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            found.push(entry?.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Returns `j1/m12` for a file `m12-1`.
fn task_of(job: &str, file: &Path) -> Result<String> {
    let name = file.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
    let (task, _) = name.split_once('-').ok_or("no attempt's name")?;
    Ok(format!("{job}/{task}"))
}

/// Checks that every failed attempt is a reduce that could not fetch, that these maps have succeeded twice, and that
/// nothing else ran again except reduces that made room for these maps. Returns the number of failed attempts.
fn check_path(fleet: &Fleet, job: &str, attempts: &Attempts, again: &[String]) -> Result<usize> {
    let failed = attempts.all(|attempt| attempt.state == "failed");
    for attempt in &failed {
        assert_eq!((attempt.kind.as_str(), attempt.cause.as_str()), ("reduce", "fetch_failed"));
    }
    let mut again = again.to_vec();
    again.sort_by_key(|task| task.split_once("/m").and_then(|(_, map)| map.parse::<u32>().ok()));
    assert_eq!(attempts.repeated("map"), again);
    for map in &again {
        assert!(attempts.at(map).iter().all(|attempt| attempt.state == "succeeded"));
        assert_eq!(attempts.at(map).len(), 2, "{map}");
    }
    let rerun = counted(fleet, job, "attempts_rerun")?;
    let killed = attempts.all(|attempt| attempt.state == "killed");
    assert!(killed.iter().all(|attempt| attempt.kind == "reduce"), "{killed:?}");
    assert_eq!(rerun, (failed.len() + killed.len() + again.len()) as u64, "{failed:?}");
    Ok(failed.len())
}

#[test]
fn a_map_whose_output_is_damaged_on_its_disk_runs_again() -> Result {
    let fleet = Fleet::start(2, 1)?;
    let odd = Odd::new(FLAGS);
    // Both slots are occupied by waiting maps, so no reduce has begun.
    let job = start(&fleet, &odd, 2, 2)?;
    let (worker, file) = (fleet.id(1)?, files(&fleet, 1, "outputs")?.swap_remove(0));
    Damage::Flip { at: HEADER_BYTES + 10 }.strike(&file)?;
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    let damaged = task_of(&job, &file)?;
    assert_eq!(report.attempts.at(&damaged)[0].worker, worker);
    assert_eq!(check_path(&fleet, &job, &report.attempts, &[damaged])?, 1);
    assert_eq!(
        report.failed()[0].task,
        format!("{job}/r0"),
        "the first block is of the first part"
    );
    assert_eq!(
        fleet.state_of(&worker)?.as_deref(),
        Some("alive"),
        "one damaged output does not make a bad disk"
    );
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn a_damaged_output_that_a_neighbour_reads_where_it_lies_is_made_again() -> Result {
    // The workers read each other's files directly.
    let fleet = Fleet::start_with(2, 1, &[])?;
    let odd = Odd::new(FLAGS);
    let job = start(&fleet, &odd, 2, 2)?;
    // The worker that reduces the first part has one of these files on its own disk, and the other on its neighbour's.
    let mut damaged = Vec::new();
    for worker in [1, 2] {
        let file = files(&fleet, worker, "outputs")?.swap_remove(0);
        Damage::Flip { at: HEADER_BYTES + 10 }.strike(&file)?;
        damaged.push(task_of(&job, &file)?);
    }
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    assert_eq!(check_path(&fleet, &job, &report.attempts, &damaged)?, 1);
    assert_eq!(report.failed()[0].task, format!("{job}/r0"));
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn each_kind_of_damage_is_found_and_a_bad_disk_excludes_its_worker() -> Result {
    let fleet = Fleet::start(2, 1)?;
    let odd = Odd::new(FLAGS);
    let job = start(&fleet, &odd, 2, 2)?;
    let index = FOOTER_BYTES + 2 * ENTRY_BYTES;
    let kinds = [
        Damage::Flip { at: 0 },
        Damage::Flip { at: 9 },
        Damage::Flip { at: 20 },
        Damage::Flip { at: HEADER_BYTES + 4 },
        Damage::FlipBehind { before_end: index + 5 },
        Damage::FlipBehind { before_end: index - 3 },
        Damage::FlipBehind { before_end: FOOTER_BYTES - 2 },
        Damage::FlipBehind { before_end: FOOTER_BYTES - 9 },
        Damage::FlipBehind { before_end: 1 },
        Damage::Cut,
        Damage::Remove,
    ];
    let mut damaged = Vec::new();
    for worker in fleet.numbers() {
        let files = files(&fleet, worker, "outputs")?;
        for (kind, file) in kinds.iter().zip(&files) {
            kind.strike(file)?;
            damaged.push(task_of(&job, file)?);
        }
    }
    // If one worker has made few outputs, the other one has enough for each kind.
    assert!(damaged.len() > kinds.len(), "{damaged:?}");
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    assert!(check_path(&fleet, &job, &report.attempts, &damaged)? > 0);
    let states = [fleet.state_of("w1")?, fleet.state_of("w2")?].map(Option::unwrap_or_default);
    assert!(states.contains(&"excluded".into()) && states.contains(&"alive".into()), "{states:?}");
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

/// Returns the files into which reduces have fetched data, each with its worker.
fn fetched(fleet: &Fleet) -> Result<Vec<(usize, PathBuf)>> {
    let mut found = Vec::new();
    for worker in fleet.numbers() {
        for attempt in files(fleet, worker, "attempts")? {
            let file = attempt.join("fetched");
            if fs::metadata(&file).is_ok_and(|facts| facts.len() > FETCHED_BYTES_LEAST) {
                found.push((worker, file));
            }
        }
    }
    Ok(found)
}

#[test]
fn what_was_fetched_and_then_damaged_is_fetched_again() -> Result {
    let fleet = Fleet::start(2, 2)?;
    let odd = Odd::new(FLAGS);
    let job = start(&fleet, &odd, 4, 1)?;
    until("both reduces have fetched", || Ok(fetched(&fleet)?.len() == 2))?;
    for (_, file) in fetched(&fleet)? {
        Damage::Flip { at: 30 }.strike(&file)?;
    }
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    assert_eq!(check_path(&fleet, &job, &report.attempts, &[])?, 2);
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn an_output_that_is_damaged_after_it_was_checked_is_made_again() -> Result {
    let fleet = Fleet::start(2, 2)?;
    let odd = Odd::new(FLAGS);
    let job = start(&fleet, &odd, 4, 1)?;
    let mut reader = None;
    until("the first reduce has fetched", || {
        let is_its = |(worker, file): (usize, PathBuf)| {
            file.to_string_lossy().contains("/r0-1/").then_some(worker)
        };
        reader = fetched(&fleet)?.into_iter().find_map(is_its);
        Ok(reader.is_some())
    })?;
    // The reduce reads outputs of its own worker directly from the disk.
    let file = files(&fleet, reader.ok_or("no reader")?, "outputs")?.swap_remove(0);
    Damage::Flip { at: HEADER_BYTES + 10 }.strike(&file)?;
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    // The reduce finds the damage. As a rule, the check before the next attempt finds it too.
    let failed = check_path(&fleet, &job, &report.attempts, &[task_of(&job, &file)?])?;
    assert!((1..=2).contains(&failed), "{failed}");
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn a_spill_that_is_damaged_before_its_map_has_merged_it_costs_one_attempt() -> Result {
    let fleet = Fleet::start(1, 1)?;
    // The first lines are more than the map may keep in memory. A gate follows.
    let lines = filled(24 << 20, |number| format!("{number:0199}\n"));
    fs::write(fleet.path("in.txt"), lines + "wait gate\n")?;
    let odd = Odd::new("in.txt --split-size 1GiB --memory 16MiB -r 2");
    let job = odd.submit(&fleet)?;
    odd.waits(&fleet, "gate", 1)?;
    let spills = files(&fleet, 1, "attempts/m0-1")?;
    let half = fs::metadata(&spills[0])?.len() / 2;
    assert!(half > 1 << 10, "{spills:?}");
    Damage::Flip { at: half }.strike(&spills[0])?;
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    let failed = report.failed();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((failed[0].task.as_str(), failed[0].cause.as_str()), ("j1/m0", "disk"));
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, 1);
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}
