//! Full disks: a worker with a full disk gets no more attempts, a master removes artifacts of ended jobs, and errors
//! name the machine whose disk is full.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::attempts::Attempts;
use crate::commands::{Commands, Ended, GRISTMILL, Result};
use crate::examples::example;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::{Odd, Report, filled};
use crate::taken::Mounted;
use crate::trial::counted;
use crate::until::until;

/// Script that mounts a small disk, with room for the outputs of at most two maps.
pub(crate) const SMALL_DISK: &str =
    "umask 077; mkdir -p $DATA/jobs; mount -t tmpfs -o size=256k,mode=700 none $DATA/jobs";
/// Bytes of a map's input. Its output is almost as large, since nothing in it repeats.
const SPLIT_BYTES: usize = 128 << 10;
const FLAGS: &str = "in.txt --split-size 128KiB -r 2";
/// Number of maps with such an output.
const MAPS: usize = 20;

/// Returns splits of lines that compress badly.
pub(crate) fn noise() -> String {
    let digest = |number: usize| {
        let hash = |salt: u64| gristmill::record::hash::hash(&(number as u64 ^ salt).to_le_bytes());
        format!("{:016x}{:016x}\n", hash(0), hash(1 << 40))
    };
    filled(MAPS * SPLIT_BYTES, digest)
}

fn write_input(commands: &Commands, input: &str) -> Result {
    Ok(fs::write(commands.path("in.txt"), input)?)
}

/// Returns the jobs folder of a worker that has its own mounts.
fn jobs_of(fleet: &Fleet, worker: usize) -> PathBuf {
    let jobs = fleet.data(worker).join("jobs");
    let seen_by_it = PathBuf::from(format!("/proc/{}/root", fleet.worker(worker).pid()));
    seen_by_it.join(jobs.strip_prefix("/").unwrap_or(&jobs))
}

fn check_small_disk_is_empty(fleet: &Fleet, worker: usize) -> Result {
    let jobs = jobs_of(fleet, worker);
    until("the small disk is empty", || Ok(fs::read_dir(&jobs)?.next().is_none()))
}

/// Checks that two attempts of this kind found no room on this worker, that it was then excluded, and that all other
/// attempts succeeded.
fn check_left_out(fleet: &Fleet, report: &Report, kind: &str, worker: &str) -> Result {
    let failed = report.failed();
    assert_eq!(failed.len(), 2, "{failed:?}");
    for attempt in &failed {
        assert_eq!((attempt.kind.as_str(), attempt.worker.as_str()), (kind, worker));
        assert_eq!(attempt.cause, "disk");
    }
    assert_eq!(fleet.state_of(worker)?.as_deref(), Some("excluded"));
    assert_eq!(counted(fleet, &report.job, "attempts_rerun")?, 2);
    Ok(())
}

#[test]
fn maps_that_find_a_full_disk_run_elsewhere() -> Result {
    let mut fleet = Fleet::start(1, 1)?;
    let small = fleet.add_worker_with_mounts(SMALL_DISK)?;
    // Both maps begin, and the one on the large disk waits until the small disk is full.
    let gates = ["first", "second"];
    let waits = |gate| filled(SPLIT_BYTES, |_| format!("wait {gate}\n"));
    write_input(&fleet, &(gates.map(waits).concat() + &noise()))?;
    let odd = Odd::new(FLAGS);
    let job = odd.submit(&fleet)?;
    gates.iter().try_for_each(|gate| odd.waits(&fleet, gate, 1))?;
    let id = fleet.id(small)?;
    let is_second = Attempts::of(&fleet, &job)?.running_on(&id)[0].task.ends_with("/m1");
    let [small_gate, large_gate] = if is_second { ["second", "first"] } else { gates };
    odd.open(&fleet, small_gate)?;
    until("it is left out", || Ok(fleet.state_of(&id)?.as_deref() == Some("excluded")))?;
    odd.open(&fleet, large_gate)?;

    let report = odd.watch(&fleet, &job)?;
    check_left_out(&fleet, &report, "map", &id)?;
    odd.check_succeeded(&fleet, &report)?;
    check_small_disk_is_empty(&fleet, small)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn a_reduce_that_has_no_room_for_what_it_fetches_runs_elsewhere() -> Result {
    let mut fleet = Fleet::start(1, 1)?;
    write_input(&fleet, &(noise() + "wait gate\n"))?;
    let odd = Odd::new(FLAGS);
    let job = odd.submit(&fleet)?;
    odd.waits(&fleet, "gate", 1)?;
    // The worker joins too late to run maps.
    let small = fleet.add_worker_with_mounts(SMALL_DISK)?;
    let id = fleet.id(small)?;
    until("it is left out", || Ok(fleet.state_of(&id)?.as_deref() == Some("excluded")))?;
    odd.open(&fleet, "gate")?;

    let report = odd.watch(&fleet, &job)?;
    check_left_out(&fleet, &report, "reduce", &id)?;
    odd.check_succeeded(&fleet, &report)?;
    check_small_disk_is_empty(&fleet, small)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn worker_without_inodes_says_so() -> Result {
    let mut fleet = Fleet::start(0, 1)?;
    let script = "umask 077; mkdir -p $DATA/jobs; mount -t tmpfs -o size=64m,nr_inodes=3,mode=700 none $DATA/jobs";
    let small = fleet.add_worker_with_mounts(script)?;
    write_input(&fleet, "a line\n")?;
    let odd = Odd::new(FLAGS).with_options("--max-attempts 1");
    let report = odd.run(&fleet)?;
    let said = &report.ended.stderr;
    assert!(said.contains("no inodes left") && said.contains(" (disk)"), "{said}");
    assert!(said.contains("--data") || said.contains("df -i"), "{said}");
    odd.check_failed(&fleet, &report)?;
    check_small_disk_is_empty(&fleet, small)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn a_job_that_finds_no_room_anywhere_says_so_and_makes_room_for_the_next() -> Result {
    let mut fleet = Fleet::start(0, 1)?;
    let small = fleet.add_worker_with_mounts(SMALL_DISK)?;
    write_input(&fleet, &noise())?;
    let large = Odd::new(FLAGS);
    let report = large.run(&fleet)?;
    let said = &report.ended.stderr;
    assert!(
        said.contains("No space left on device") || said.contains("no space left for"),
        "{said}"
    );
    assert!(said.contains("--data") && said.contains(" (disk)"), "{said}");
    // The last worker is never excluded, however often attempts fail on it. Tasks take turns, because each pauses after
    // a failure.
    let failed = report.failed();
    assert!(failed.iter().all(|attempt| attempt.cause == "disk"), "{failed:?}");
    let mut times = BTreeMap::<&str, usize>::new();
    failed.iter().for_each(|attempt| *times.entry(&attempt.task).or_default() += 1);
    assert_eq!(times.values().max(), Some(&8), "{times:?}");
    large.check_failed(&fleet, &report)?;
    check_small_disk_is_empty(&fleet, small)?;

    write_input(&fleet, "a line\n")?;
    let little = Odd::new(FLAGS);
    let report = little.run(&fleet)?;
    little.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

/// Bytes of each job's side file, so large that a few of them fill the disk of a master.
const SIDE_FILE_BYTES: usize = 8 << 20;
/// Size of a master's disk: room for side files, the executable, the log and pending uploads.
const MASTER_DISK_BYTES: u64 = 64 << 20;
/// Number of jobs whose side files do not fit at the same time.
const JOBS: usize = 10;

/// Submits a job with its own side file.
fn submit_with_side_file(fleet: &Fleet, number: usize, input: &str) -> Result<Ended> {
    let (file, out) = (format!("left-{number}"), format!("out-{number}"));
    let line = format!("{number:08}");
    fs::write(fleet.path(&file), filled(SIDE_FILE_BYTES, |_| line.clone() + "\n"))?;
    let (odd, marks) = (example("odd"), fleet.path("marks").display().to_string());
    let job = [&odd, input, "-r", "1", "--leave-out", &file, "--marks", &marks, "-o", &out];
    fleet.run(&[&["submit", "--detach"], &job[..]].concat())
}

#[test]
fn master_with_a_full_disk_drops_artifacts_of_ended_jobs_and_keeps_those_of_live_ones() -> Result {
    let executable = fs::metadata(example("odd"))?.len();
    let mut mounted = None;
    let mut fleet = Fleet::start_in(1, 1, 2, |folder| {
        let data = folder.join("data/m1");
        fs::create_dir_all(&data)?;
        let options = format!("size={},mode=755", executable + MASTER_DISK_BYTES);
        mounted = Some(Mounted::with(data, &options)?);
        Ok(())
    })?;
    fs::create_dir(fleet.path("marks"))?;
    write_input(&fleet, "a line\n")?;
    fs::write(fleet.path("waits.txt"), "wait gate\n")?;
    let first = submit_with_side_file(&fleet, 0, "waits.txt")?;
    assert_eq!(first.stdout, "j1\n", "{}", first.stderr);
    for number in 1..=JOBS {
        let submitted = submit_with_side_file(&fleet, number, "in.txt")?;
        assert_eq!(submitted.code, Some(0), "job {number}: {}", submitted.stderr);
        let watched = fleet.run(&["watch", submitted.stdout.trim_end()])?;
        assert_eq!(watched.code, Some(0), "{}", watched.stderr);
    }
    let files = fs::read_dir(fleet.path("data/m1/artifacts"))?.count();
    assert!(files < 2 * JOBS, "the oldest artifacts are gone: {files}");

    // Artifacts of live jobs are never dropped. Finally a submission is refused, and the refusal names the disk.
    let mut waiting = Vec::new();
    let refused = loop {
        let number = JOBS + 1 + waiting.len();
        let submitted = submit_with_side_file(&fleet, number, "waits.txt")?;
        if submitted.code != Some(0) {
            break submitted;
        }
        waiting.push(submitted.stdout.trim_end().to_owned());
        assert!(waiting.len() <= JOBS, "the disk is never full");
    };
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    assert!(refused.stderr.contains("the disk of master m1 is full"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: free space on that disk"), "{}", refused.stderr);
    fs::write(fleet.path("marks/gate"), "")?;
    for job in ["j1".to_owned()].iter().chain(&waiting) {
        let watched = fleet.run(&["watch", job])?;
        assert_eq!(watched.code, Some(0), "{job}: {}", watched.stderr);
    }
    let again = submit_with_side_file(&fleet, JOBS + 1 + waiting.len(), "in.txt")?;
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let watched = fleet.run(&["watch", again.stdout.trim_end()])?;
    assert_eq!(watched.code, Some(0), "{}", watched.stderr);
    // The folder is removed with the fleet, but must be unmounted before that.
    fleet.end()?;
    drop(mounted);
    Ok(())
}

#[test]
fn data_folder_that_runs_no_executables_is_refused_at_once() -> Result {
    let folder = tempfile::tempdir()?;
    let mount = "mount -t tmpfs -o noexec,mode=700 none \"$DATA\"; exec \"$@\" --data \"$DATA\"";
    for command in [&["worker", "--cluster", "127.0.0.1:1"][..], &["dev"]] {
        let mut shell = Command::new("unshare");
        shell.args(["-Urm", "bash", "-ec", mount, "bash", GRISTMILL]).args(command);
        let ended = shell.env("DATA", folder.path()).output()?;
        let said = String::from_utf8(ended.stderr)?;
        assert_eq!(ended.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("mounted with noexec: "), "{command:?}: {said}");
        assert!(said.contains(folder.path().to_str().ok_or("a path")?), "{command:?}: {said}");
    }
    Ok(())
}
