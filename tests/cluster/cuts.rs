//! Power failures: the disk of a whole cluster loses everything that was not synced, all processes die, and every
//! accepted job still ends exactly once.
//!
//! The disk is a file with an ext4 file system. A power failure shuts this file system down without any further write.
//! The disk holds everything of the cluster, including inputs and outputs.
//!
//! `GRISTMILL_CUTS=20 cargo test --all-features --test cluster cuts:: -- --nocapture` simulates 20 power failures and
//! prints the cost of each.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::commands::Result;
use crate::fleet::Fleet;
use crate::leftovers::{check_nothing_is_left, strays};
use crate::own_mounts::{inside, with_own_mounts};
use crate::slow_words;
use crate::trial::{Trial, counted, status, write_input};
use crate::until::{until, until_within};

/// Variable that sets how often power is lost; once by default.
const CUTS: &str = "GRISTMILL_CUTS";
/// Variable that holds the folder of the disk. It is set for the process that has its own mounts.
const INSIDE: &str = "GRISTMILL_TEST_CUTS_IN";
const MASTERS: usize = 3;
const WORKERS: usize = 2;
const SLOTS: u32 = 2;
/// Size of the disk.
const DISK_BYTES: u64 = 1 << 30;
/// Range of the number of maps that are done when power is lost, in a job of about two hundred.
const MOMENTS: std::ops::Range<u32> = 10..190;
/// How long a job may take to reach such a moment.
const MOMENT_SECONDS_MAX: u32 = 120;
/// Time limit of one cut, including the work before and after it and a share of the setup.
const SECONDS_MAX: u32 = 240;

/// Calls EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: data that is only in memory is not written, and is lost.
const SHUT_DOWN: &str = r#"
    open(my $file, "<", $ARGV[0]) or die "$!";
    my $how = pack("L", 2);
    ioctl($file, 0x8004587d, $how) or die "$!";
"#;

/// A file system that is stored in a file and mounted in a folder.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    fn make(image: PathBuf, at: &Path) -> Result<Self> {
        File::create(&image)?.set_len(DISK_BYTES)?;
        let disk = Self { image, at: at.to_path_buf() };
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.at))
    }

    /// Stops all reads and writes. Data that was not synced is lost.
    fn cut(&self) -> Result {
        run(Command::new("perl").args(["-e", SHUT_DOWN]).arg(self.at.join("in.txt")))
    }

    /// Mounts the disk again, in the state in which a restarted machine finds it.
    fn back(&self) -> Result {
        // A killed process may still be exiting.
        until("the disk is no longer in use", || {
            Ok(run(Command::new("umount").arg(&self.at)).is_ok())
        })?;
        self.mount()
    }
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result {
    let ended = command.output()?;
    let said = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}").into()) }
}

fn cuts() -> Result<u32> {
    std::env::var(CUTS).map_or(Ok(1), |said| Ok(said.parse()?))
}

/// Loses power in the middle of a job and just after another job was accepted, and restarts all members.
fn cut(fleet: &mut Fleet, disk: &Disk, number: u32) -> Result {
    let long = Trial::new(8, 6, 40).with_trouble(format!("{number}, in mid-job"));
    let late = Trial::short().with_trouble(format!("{number}, just accepted"));
    let late = Trial { output: "late", ..late };
    // The files that the test itself has written must survive the cut.
    write_input(fleet)?;
    run(Command::new("sync").arg("--file-system").arg(fleet.path("data")))?;
    let first = long.submit(fleet)?;
    let maps = u64::from(MOMENTS.start + number * 61 % MOMENTS.len() as u32);
    until_within(MOMENT_SECONDS_MAX, "so many maps are done", || {
        Ok(status(fleet, &first)?["maps"]["done"].as_u64() >= Some(maps))
    })?;
    let second = late.submit(fleet)?;
    disk.cut()?;
    fleet.end_all_anyhow();
    let folder = fleet.path("").canonicalize()?;
    until("no executor is left", || Ok(strays(&folder)?.is_empty()))?;
    disk.back()?;

    for number in 1..=MASTERS {
        fleet.start_master_of(number)?;
    }
    for number in fleet.numbers() {
        fleet.start_again(number)?;
    }
    long.check(fleet, &first)?;
    late.check(fleet, &second)?;
    let jobs = fleet.json(&["jobs"])?;
    let jobs = jobs.as_array().ok_or("no list")?;
    assert_eq!(jobs.len(), 2 * number as usize, "{jobs:?}");
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    let again = counted(fleet, &first, "attempts_rerun")?;
    println!("power lost after {maps} maps: {again} attempts again");
    fs::remove_dir_all(fleet.path("out"))?;
    Ok(fs::remove_dir_all(fleet.path("late"))?)
}

#[test]
fn power_failure_loses_nothing_acknowledged() -> Result {
    let Some(folder) = inside(INSIDE)? else {
        // The time for building is not counted.
        slow_words::executable();
        return with_own_mounts(INSIDE, (SECONDS_MAX * cuts()?).into());
    };
    let mut disk = None;
    let mut fleet = Fleet::start_in(MASTERS, WORKERS, SLOTS, |at| {
        disk = Some(Disk::make(folder.join("disk"), at)?);
        Ok(())
    })?;
    let disk = disk.ok_or("it was made")?;
    for number in 1..=cuts()? {
        cut(&mut fleet, &disk, number)?;
    }
    check_nothing_is_left(fleet, &["alone-late", "alone-out", "lost+found"])
}
