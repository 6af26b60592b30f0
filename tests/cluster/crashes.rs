//! Kills one process during each job, at a named point of the code, and restarts it if it is a master or worker. No
//! accepted job is lost, no work is repeated needlessly, and no files are left over.
//!
//! The tables below have one row per point; the points themselves are `crash_point!("…")` in `src/`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::attempts::{Attempt, Attempts};
use crate::commands::Result;
use crate::dev::lives;
use crate::faults::now;
use crate::fleet::{Fleet, Who};
use crate::leftovers::{check_no_job_is_left, check_nothing_is_left};
use crate::masters::{caught_up, followers, leader, masters};
use crate::trial::{Trial, counted, maps_done, status};
use crate::until::{until, until_within};

/// Masters and workers of each cluster.
const MASTERS: usize = 3;
const WORKERS: usize = 2;
const SLOTS: u32 = 2;
/// How long it may take until a crash point is reached.
const STRUCK_SECONDS_MAX: u32 = 60;
/// The signal that kills the process at a crash point.
const SIGKILL: Option<i32> = Some(9);
/// Flags that make a master take snapshots often.
const SNAPSHOTS: &[&str] = &["--snapshot-entries", "30"];
/// Maps of the short job that are done when the test acts on it.
const SOME_MAPS: u64 = 5;

/// The process that is struck.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Leader,
    Follower,
    Worker,
    /// An executor of either worker.
    Executor,
}

use Victim::{Executor, Follower, Leader, Worker};

/// What the crash may cost the job.
#[derive(Clone, Copy)]
enum Cost {
    /// Nothing: each task has one attempt.
    Nothing,
    /// One attempt of this kind: the one that was struck.
    OneAttempt(&'static str),
    /// The attempts that ran on the worker, and the map outputs that were stored on it.
    AWorker,
}

use Cost::{AWorker, Nothing, OneAttempt};

/// A crash point, its description, the victim, the passage at which it is struck, and the cost.
type Row = (&'static str, &'static str, Victim, u32, Cost);

/// Points at which masters agree.
const AGREEING: &[Row] = &[
    ("l01", "a job was submitted", Leader, 1, Nothing),
    ("l02", "before a proposal is logged", Leader, 12, Nothing),
    ("l03", "an entry is written, not synced", Leader, 12, Nothing),
    ("l04", "an entry is synced, not sent to the others", Leader, 12, Nothing),
    ("l05", "an entry is agreed on, not applied", Leader, 12, Nothing),
    ("l06", "an entry is applied, not answered", Leader, 12, Nothing),
    ("l07", "an attempt is agreed on, its worker not told", Leader, 6, Nothing),
    ("l08", "a win is reported, not proposed", Leader, 6, Nothing),
    ("l09", "a win is agreed on, its worker not told", Leader, 6, Nothing),
    ("l10", "a commit is agreed on, nothing published", Leader, 1, Nothing),
];

/// Points at which logs and snapshots are written and members change. Followers that vote or lag are struck, too.
const STORING: &[Row] = &[
    ("s03", "a snapshot is written, not named", Leader, 1, Nothing),
    ("s04", "a snapshot is named, its folder not synced", Leader, 1, Nothing),
    ("s05", "before the log is cut", Leader, 1, Nothing),
    ("s06", "the log is cut, that is not noted", Leader, 1, Nothing),
    ("s01", "in the middle of a record of the log", Follower, 12, Nothing),
    ("s02", "in the middle of a vote", Follower, 1, Nothing),
    ("s08", "the members before a change and after it decide", Leader, 1, Nothing),
];

/// Points at which workers and their executors work.
const WORKING: &[Row] = &[
    ("w01", "the job's executable is fetched by half", Worker, 3, AWorker),
    ("w02", "an executor was started", Worker, 1, AWorker),
    ("w03", "in the middle of a spill", Executor, 5, OneAttempt("map")),
    ("w04", "a spill is written, its index not", Executor, 5, OneAttempt("map")),
    ("w05", "a map output is sealed, not reported", Worker, 10, AWorker),
    ("w06", "a map output was reported, the answer lost", Worker, 10, AWorker),
    ("w07", "a fetch is served", Worker, 10, AWorker),
    ("w08", "half of a reduce's input is fetched", Worker, 1, AWorker),
    ("w09", "in the middle of a merge", Executor, 1, OneAttempt("reduce")),
    ("w10", "a part is written, not synced", Executor, 2, OneAttempt("reduce")),
    ("w11", "an executor has reported, and got no answer", Executor, 10, Nothing),
    ("w12", "a reduce has won, its worker not told", Worker, 1, AWorker),
    ("w15", "a job's files are removed by half", Worker, 1, Nothing),
    ("l11", "an output is moved by half", Executor, 3, OneAttempt("commit")),
    ("l12", "an output is moved, not marked as whole", Executor, 1, OneAttempt("commit")),
    ("l13", "an output is published, that is not reported", Executor, 1, OneAttempt("commit")),
    ("l14", "the staging folder is removed by half", Executor, 1, OneAttempt("commit")),
];

/// Points that have their own tests.
const ALONE: &[&str] = &["l15", "s07"];

/// Points of other systems that do not exist here, with the reason.
const ABSENT: &[(&str, &str)] = &[
    ("l16", "there are no sagas: a job has one output, which is published by one rename"),
    ("l17", "the same"),
    ("l18", "the same: nothing is undone"),
    ("w13", "no output goes to a database, so that nothing is prepared there"),
    ("w14", "no output is uploaded: parts are files of a shared file system"),
];

impl Fleet {
    /// Arms a crash point, so that one of these processes dies at this passage of it.
    fn arm(&self, who: Who, point: &str, passage: u32) -> Result {
        let folder = self.points(who);
        fs::create_dir_all(&folder)?;
        let incoming = folder.join("incoming");
        fs::write(&incoming, passage.to_string())?;
        Ok(fs::rename(incoming, folder.join(point))?)
    }

    /// Waits until a process has died at a crash point, and returns its id.
    fn struck(&self, who: Who, point: &str) -> Result<u32> {
        let struck = self.points(who).join(format!("{point}.struck"));
        let mut found = None;
        until_within(STRUCK_SECONDS_MAX, &format!("somebody comes to {point}"), || {
            found = fs::read_to_string(&struck).ok().and_then(|pid| pid.parse().ok());
            Ok(found.is_some_and(|pid| !lives(pid)))
        })?;
        Ok(found.ok_or("nobody")?)
    }

    /// Restarts a member that was killed by SIGKILL. Returns the id that the cluster uses for it, which is the same as
    /// before.
    ///
    /// A leader may be back before the others miss it, and then lead again.
    fn revive(&mut self, who: Who, pid: u32) -> Result<String> {
        assert_eq!(self.signal_of(pid)?, SIGKILL);
        match who {
            Who::Master(number) => {
                self.start_master_of(number)?;
                until("it has caught up", || {
                    let master = masters(self)?[number - 1].clone();
                    Ok(master["role"] != "unreachable" && master["behind"] == 0)
                })?;
                Ok(format!("m{number}"))
            }
            Who::Workers => {
                let mut numbers = self.numbers();
                let struck = numbers.find(|&number| self.worker(number).pid() == pid);
                let number = struck.ok_or("no worker")?;
                self.start_again(number)?;
                self.id(number)
            }
        }
    }
}

fn trial(point: &str) -> Trial {
    let mut trial = Trial::short();
    if point == "w09" {
        // With this little memory, the segments are more than a merge may read at once.
        trial.flags.extend(["--memory", "16MiB"].map(String::from));
    }
    trial
}

/// Returns the counters of user code and framework. The scheduler's counters are left out, because they also count
/// attempts that did not win.
fn winners_counters(fleet: &Fleet, job: &str) -> Result<Value> {
    let mut counters = fleet.json(&["counters", job])?;
    counters.as_object_mut().ok_or("no counters")?.remove("Job Counters");
    assert!(counters.as_object().is_some_and(|groups| !groups.is_empty()), "{counters}");
    Ok(counters)
}

/// Returns the counters of the same job when nothing happens to it.
fn undisturbed(fleet: &Fleet, point: &str) -> Result<Value> {
    let trial = trial(point);
    let job = trial.submit(fleet)?;
    trial.check(fleet, &job)?;
    fs::remove_dir_all(fleet.path("out"))?;
    winners_counters(fleet, &job)
}

/// Takes the steps that some crash points need in order to be reached.
fn provoke(fleet: &mut Fleet, point: &str, job: &str, led: usize) -> Result {
    match point {
        "s02" => {
            maps_done(fleet, job, SOME_MAPS)?;
            let other = format!("m{}", followers(led)[1]);
            let transferred = fleet.run(&["masters", "transfer", &other])?;
            assert_eq!(transferred.code, Some(0), "{}", transferred.stderr);
        }
        "s08" => {
            maps_done(fleet, job, SOME_MAPS)?;
            fleet.add_master()?;
            assert_eq!(masters(fleet)?.len(), MASTERS + 1);
        }
        _ => {}
    }
    Ok(())
}

/// Runs a job, lets a process die during it, and restarts that process.
fn strike(fleet: &mut Fleet, row: &Row, counters: &Value) -> Result {
    let (point, what, victim, passage, cost) = *row;
    let led = leader(fleet)?;
    let who = match victim {
        Leader => Who::Master(led),
        Follower => Who::Master(followers(led)[0]),
        Worker | Executor => Who::Workers,
    };
    let jobs = fleet.json(&["jobs"])?.as_array().map_or(0, Vec::len);
    fleet.arm(who, point, passage)?;
    let trial = trial(point).with_trouble(format!("{point}, {what}"));
    let job = trial.submit(fleet)?;
    provoke(fleet, point, &job, led)?;
    let pid = fleet.struck(who, point)?;
    if AGREEING.iter().any(|row| row.0 == point) {
        until("another one leads", || Ok(leader(fleet)? != led))?;
    }
    let name = if victim == Executor { String::new() } else { fleet.revive(who, pid)? };
    let attempts = trial.check_succeeds(fleet, &job)?;
    check_cost(row, &attempts, &name);
    let rerun = counted(fleet, &job, "attempts_rerun")?;
    // A worker may have been struck while nothing ran there. Its stored outputs are back when it restarts.
    let expected = match cost {
        Nothing => 0..1,
        OneAttempt(_) => 1..2,
        AWorker => 0..u64::MAX,
    };
    assert!(expected.contains(&rerun), "{point}: {rerun} again: {attempts:?}");
    assert_eq!(winners_counters(fleet, &job)?, *counters, "{point}: only winners count");
    let all = fleet.json(&["jobs"])?;
    let all = all.as_array().ok_or("no list")?;
    assert_eq!(all.len(), jobs + 1, "{point}: each is there once: {all:?}");
    assert!(all.iter().all(|job| job["state"] == "succeeded"), "{point}: {all:?}");
    fs::remove_dir_all(fleet.path("out"))?;
    check_no_job_is_left(fleet, &["alone-out"]).map_err(|error| format!("{point}: {error}").into())
}

/// Checks that only those tasks ran again that had to.
fn check_cost(row: &Row, attempts: &Attempts, worker: &str) {
    let (point, _, _, _, cost) = *row;
    let all: Vec<Vec<&Attempt>> = attempts.tasks().iter().map(|task| attempts.at(task)).collect();
    let again: Vec<_> = all.iter().filter(|attempts| attempts.len() > 1).collect();
    let failed = attempts.all(|attempt| attempt.state == "failed");
    match cost {
        Nothing => assert!(again.is_empty(), "{point}: {again:?}"),
        OneAttempt(kind) => {
            assert_eq!(failed.len(), 1, "{point}: {failed:?}");
            let found = (failed[0].kind.as_str(), failed[0].cause.as_str());
            assert_eq!(found, (kind, "signal"), "{point}: {failed:?}");
            assert_eq!(again.len(), 1, "{point}: {again:?}");
            assert_eq!(again[0].len(), 2, "{point}: {again:?}");
        }
        AWorker => {
            attempts.check_ended_well();
            assert!(failed.is_empty(), "{point}: {failed:?}");
            let lost = attempts.lost();
            assert!(lost.iter().all(|lost| lost.worker == worker), "{point}: {worker}: {lost:?}");
            // Attempts that ran there, outputs stored there, and reduces elsewhere that make room for such maps.
            for attempts in again {
                let first = attempts[0];
                let made_room = first.kind == "reduce" && first.cause == "killed";
                assert!(first.worker == worker || made_room, "{point}: {worker}: {attempts:?}");
            }
        }
    }
}

/// Strikes at all points of a table, one after another.
fn strike_all(fleet: &mut Fleet, rows: &[Row]) -> Result {
    let counters = undisturbed(fleet, "")?;
    for row in rows {
        let began = now();
        match row.0 {
            "w09" => strike(fleet, row, &undisturbed(fleet, "w09")?)?,
            _ => strike(fleet, row, &counters)?,
        }
        println!("{}, {}: {:.1} s", row.0, row.1, (now() - began).as_secs_f64());
    }
    Ok(())
}

/// Lets a leader die after the masters have agreed to kill a job, and before any worker receives that.
fn strike_a_kill(fleet: &mut Fleet) -> Result {
    let who = Who::Master(leader(fleet)?);
    let trial = trial("l15").with_trouble("l15, a kill is agreed on, workers not told".into());
    let job = trial.submit(fleet)?;
    maps_done(fleet, &job, SOME_MAPS)?;
    fleet.arm(who, "l15", 1)?;
    let killed = fleet.run(&["kill", &job])?;
    assert_eq!(killed.code, Some(0), "{}", killed.stderr);
    let pid = fleet.struck(who, "l15")?;
    fleet.revive(who, pid)?;
    assert_eq!(status(fleet, &job)?["state"], "cancelled");
    assert!(!fleet.path("out").exists(), "nothing of it is visible");
    fleet.faults().ended(&job, &Attempts::of(fleet, &job)?);
    fleet.faults().found(&job, "none");
    check_no_job_is_left(fleet, &["alone-out"])
}

/// Lets a follower die after it has received a snapshot from the leader and before it has switched to it.
fn strike_an_install(fleet: &mut Fleet) -> Result {
    let behind = followers(leader(fleet)?)[0];
    let who = Who::Master(behind);
    fleet.kill_master_of(behind)?;
    // The job is so long that log entries are removed that this follower does not have.
    let long = Trial::new(1, 4, 1).with_trouble("s07, a follower is away".into());
    let job = long.submit(fleet)?;
    long.check(fleet, &job)?;
    fs::remove_dir_all(fleet.path("out"))?;

    fleet.arm(who, "s07", 1)?;
    let trial = trial("s07").with_trouble("s07, in the middle of taking over a snapshot".into());
    let job = trial.submit(fleet)?;
    // The master may die before it has printed its address.
    let has_begun = fleet.start_master_of(behind).is_ok();
    let pid = fleet.struck(who, "s07")?;
    if has_begun {
        assert_eq!(fleet.signal_of(pid)?, SIGKILL);
    }
    fleet.start_master_of(behind)?;
    caught_up(fleet, behind)?;
    trial.check(fleet, &job)?;
    assert_eq!(counted(fleet, &job, "attempts_rerun")?, 0);
    Ok(fs::remove_dir_all(fleet.path("out"))?)
}

#[test]
fn masters_that_die_while_they_agree_lose_nothing_and_cost_no_attempt() -> Result {
    let mut fleet = Fleet::start_masters(MASTERS, WORKERS, SLOTS)?;
    strike_all(&mut fleet, AGREEING)?;
    strike_a_kill(&mut fleet)?;
    check_nothing_is_left(fleet, &["alone-out"])
}

#[test]
fn masters_that_die_while_they_store_have_all_that_they_answered() -> Result {
    let mut fleet = Fleet::start_masters_with(MASTERS, SNAPSHOTS, WORKERS, SLOTS)?;
    strike_an_install(&mut fleet)?;
    strike_all(&mut fleet, STORING)?;
    check_nothing_is_left(fleet, &["alone-out"])
}

#[test]
fn workers_and_executors_that_die_cost_what_they_had_and_nothing_else() -> Result {
    let mut fleet = Fleet::start_masters(MASTERS, WORKERS, SLOTS)?;
    strike_all(&mut fleet, WORKING)?;
    check_nothing_is_left(fleet, &["alone-out"])
}

/// Collects the names in `crash_point!("…")` below a folder.
fn placed(folder: &Path, names: &mut Vec<String>) -> Result {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            placed(&path, names)?;
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("src/crash.rs")
        {
            let text = fs::read_to_string(&path)?;
            let places = text.split("crash_point!(").skip(1);
            let quoted = places.filter_map(|rest| rest.trim_start().strip_prefix('"'));
            names.extend(quoted.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    Ok(())
}

#[test]
fn every_crash_point_is_tested_or_exempt() -> Result {
    let rows = [AGREEING, STORING, WORKING].concat();
    let mut struck: Vec<&str> = rows.iter().map(|row| row.0).chain(ALONE.iter().copied()).collect();
    struck.sort_unstable();
    let mut names = Vec::new();
    placed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names)?;
    names.sort_unstable();
    assert_eq!(names, struck);

    assert!(ABSENT.iter().all(|(_, reason)| !reason.is_empty()));
    let mut named: Vec<&str> = struck.into_iter().chain(ABSENT.iter().map(|it| it.0)).collect();
    named.sort_unstable();
    let series = |letter, last| (1..=last).map(move |number| format!("{letter}{number:02}"));
    let all: Vec<String> = series('l', 18).chain(series('s', 8)).chain(series('w', 15)).collect();
    assert_eq!(named, all);
    Ok(())
}
