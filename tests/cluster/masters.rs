//! Several masters: any one may die in the middle of a job, and nothing is lost or repeated.

use std::fs;
use std::process::Child;

use serde_json::Value;

use crate::attempts::Attempts;
use crate::commands::{Commands, Result};
use crate::dev::{Dev, lives, send};
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::trial::{Trial, counted, maps_done, reduces, status};
use crate::until::{until, until_within};

/// Maps of a job that are done when the fault strikes.
const SOME_MAPS: u64 = 40;
/// How long a client may follow a job.
const FOLLOWED_SECONDS_MAX: u32 = 120;

/// Returns what `gristmill masters` reports, in the order of the masters' numbers.
pub(crate) fn masters(commands: &Commands) -> Result<Vec<Value>> {
    Ok(commands.json(&["masters"])?.as_array().ok_or("no list")?.clone())
}

/// Waits until a master leads, and returns its number.
pub(crate) fn leader(fleet: &Commands) -> Result<usize> {
    let mut found = None;
    until("a master leads", || {
        let masters = masters(fleet)?;
        found = masters.iter().position(|master| master["role"] == "leader");
        Ok(found.is_some())
    })?;
    Ok(found.ok_or("none")? + 1)
}

/// Waits until a master has applied as many log entries as the most advanced one.
pub(crate) fn caught_up(fleet: &Fleet, number: usize) -> Result {
    until("it has caught up", || {
        let master = masters(fleet)?[number - 1].clone();
        Ok(master["role"] == "follower" && master["behind"] == 0)
    })
}

/// Returns the followers' numbers.
pub(crate) fn followers(leader: usize) -> [usize; 2] {
    [leader % 3 + 1, (leader + 1) % 3 + 1]
}

/// Starts a job that a client follows, and waits until some of its maps are done.
fn begin(fleet: &Fleet) -> Result<(Trial, Child)> {
    let trial = Trial::new(8, 6, 40);
    let client = trial.follow(fleet)?;
    until("the job is there", || Ok(fleet.run(&["status", "j1"])?.code == Some(0)))?;
    maps_done(fleet, "j1", SOME_MAPS)?;
    let running = Attempts::of(fleet, "j1")?.all(|attempt| attempt.state == "running").len();
    assert!(running >= 1, "the fault strikes a job at work");
    Ok((trial, client))
}

/// Checks that the progress that a client saw never went back. No output was lost, so this must hold across changes of
/// leader.
fn check_shares_only_rose(said: &str) -> Result {
    let share = |text: &str| text.rsplit(' ').next().and_then(|number| number.parse::<u32>().ok());
    // The head of the progress display ends in ` 43 %`, and the bars end in `%]`.
    let heads: Vec<&str> = said.lines().filter(|line| line.contains("j1 ")).collect();
    let shares: Vec<u32> = heads
        .iter()
        .filter_map(|line| line.split_once(" %"))
        .filter_map(|(it, _)| share(it))
        .collect();
    assert!(shares.len() > 4 && shares.is_sorted(), "{shares:?}");
    assert_eq!(shares.last(), Some(&100));
    Ok(())
}

/// Checks that the client has seen the end, that the output is right, and that nothing ran again.
fn check_nothing_ran_again(fleet: &Fleet, trial: &Trial, mut client: Child) -> Result {
    until_within(FOLLOWED_SECONDS_MAX, "the client sees the end", || {
        Ok(client.try_wait()?.is_some())
    })?;
    let said = fs::read_to_string(fleet.path("said.txt"))?;
    assert_eq!(client.wait()?.code(), Some(0), "{said}");
    check_shares_only_rose(&said)?;
    let attempts = trial.check(fleet, "j1")?;
    assert_eq!(counted(fleet, "j1", "attempts_rerun")?, 0);
    let status = status(fleet, "j1")?;
    let tasks = [&status["maps"]["total"], &status["reduces"]["total"]].map(|n| n.as_u64());
    let tasks: u64 = tasks.into_iter().flatten().sum();
    assert!(tasks > 200, "a job of some size: {tasks}");
    assert_eq!(attempts.iter().count() as u64, tasks + 2, "one attempt each, plan and commit too");
    Ok(())
}

#[test]
fn leaders_that_are_killed_in_mid_job_cost_no_attempt_and_catch_up_when_they_are_back() -> Result {
    let mut fleet = Fleet::start_masters(3, 2, 2)?;
    let (trial, client) = begin(&fleet)?;
    let first = leader(&fleet)?;
    fleet.kill_master_of(first)?;
    let again = status(&fleet, "j1")?;
    assert!(again["maps"]["done"].as_u64() >= Some(SOME_MAPS), "what was done is done: {again}");
    let second = leader(&fleet)?;
    assert_ne!(first, second);
    let lines = masters(&fleet)?;
    assert_eq!(lines[first - 1]["role"], "unreachable", "{lines:?}");
    assert_eq!(lines[second - 1]["pid"], fleet.master_of(second).pid());

    fleet.start_master_of(first)?;
    caught_up(&fleet, first)?;
    reduces(&fleet, "j1")?;
    fleet.kill_master_of(second)?;
    check_nothing_ran_again(&fleet, &trial, client)?;
    fleet.start_master_of(second)?;
    caught_up(&fleet, second)?;
    check_nothing_is_left(fleet, &["alone-out", "out", "said.txt"])
}

#[test]
fn resumed_leader_is_not_obeyed() -> Result {
    let fleet = Fleet::start_masters(3, 2, 2)?;
    let (trial, client) = begin(&fleet)?;
    let stopped = leader(&fleet)?;
    send("STOP", fleet.master_of(stopped).pid())?;
    // A client that asks the stopped master waits, and then asks another one.
    let done = status(&fleet, "j1")?["maps"]["done"].as_u64();
    assert_ne!(leader(&fleet)?, stopped);
    until("the job goes on without it", || {
        let status = status(&fleet, "j1")?;
        Ok(status["maps"]["done"].as_u64() > done || status["state"] != "mapping")
    })?;
    send("CONT", fleet.master_of(stopped).pid())?;
    caught_up(&fleet, stopped)?;
    check_nothing_ran_again(&fleet, &trial, client)?;
    check_nothing_is_left(fleet, &["alone-out", "out", "said.txt"])
}

#[test]
fn minority_acknowledges_nothing_and_majority_continues() -> Result {
    let mut fleet = Fleet::start_masters(3, 1, 2)?;
    let trial = Trial::new(10, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, SOME_MAPS)?;
    let [first, second] = followers(leader(&fleet)?);
    fleet.kill_master_of(first)?;
    maps_done(&fleet, &job, SOME_MAPS + 10)?;
    fleet.kill_master_of(second)?;
    for arguments in [&["jobs"][..], &["status", &job], &["kill", "j99"]] {
        let refused = fleet.run(arguments)?;
        assert_eq!(refused.code, Some(4), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.starts_with("error: "), "{}", refused.stderr);
        assert!(refused.stderr.contains(&fleet.master_of(first).address), "{}", refused.stderr);
    }
    let lines = masters(&fleet)?;
    let gone = lines.iter().filter(|line| line["role"] == "unreachable").count();
    assert_eq!(gone, 2, "who is asked need not lead: {lines:?}");

    fleet.start_master_of(first)?;
    trial.check(&fleet, &job)?;
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, 0, "nobody was lost meanwhile");
    fleet.start_master_of(second)?;
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn masters_and_workers_resume_after_power_failure() -> Result {
    let mut fleet = Fleet::start_masters(3, 2, 2)?;
    let trial = Trial::new(8, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, SOME_MAPS)?;
    fleet.kill_all()?;
    // The master that led before stays down at first.
    for number in [2, 3] {
        fleet.start_master_of(number)?;
    }
    for number in fleet.numbers() {
        fleet.start_again(number)?;
    }
    assert_eq!(status(&fleet, &job)?["id"], *job);
    trial.check(&fleet, &job)?;
    fleet.start_master_of(1)?;
    caught_up(&fleet, 1)?;
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_master_whose_folder_is_gone_does_not_join_under_its_old_number() -> Result {
    let mut fleet = Fleet::start_masters(3, 0, 1)?;
    let victim = followers(leader(&fleet)?)[0];
    fleet.kill_master_of(victim)?;
    fs::remove_dir_all(fleet.path(&format!("data/m{victim}")))?;
    let (id, listen) = (victim.to_string(), fleet.master_of(victim).address.clone());
    let data = fleet.path(&format!("data/m{victim}")).display().to_string();
    let cluster = fleet.cluster();
    let arguments = ["master", "--id", &id, "--listen", &listen, "--data", &data];
    let refused = fleet.run(&[&arguments[..], &["--join", &cluster]].concat())?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("has joined this cluster before"), "{}", refused.stderr);
    let refused = fleet.run(&arguments)?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert_eq!(fleet.run(&["jobs"])?.code, Some(0), "the others go on");
    Ok(())
}

#[test]
fn all_masters_can_be_started_again_one_after_the_other_in_mid_job() -> Result {
    let mut fleet = Fleet::start_masters(3, 2, 2)?;
    let (trial, client) = begin(&fleet)?;
    // The current leader is restarted first.
    let first = leader(&fleet)?;
    let others = followers(first);
    for number in [first, others[0], others[1]] {
        assert_eq!(fleet.end_master_of(number)?, Some(0));
        let left = masters(&fleet)?;
        let leads = left.iter().filter(|master| master["role"] == "leader").count();
        assert_eq!(leads, 1, "one that ends makes way before: {left:?}");
        fleet.start_master_of(number)?;
        caught_up(&fleet, number)?;
    }
    assert_ne!(status(&fleet, "j1")?["state"], "succeeded", "the job was under way all the time");
    check_nothing_ran_again(&fleet, &trial, client)?;
    check_nothing_is_left(fleet, &["alone-out", "out", "said.txt"])
}

#[test]
fn leadership_goes_where_it_is_asked_to_go() -> Result {
    let fleet = Fleet::start_masters(3, 1, 2)?;
    let trial = Trial::new(10, 3, 5);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, 10)?;
    for number in [2, 3, 3, 1] {
        let transferred = fleet.run(&["masters", "transfer", &format!("m{number}")])?;
        assert_eq!(transferred.code, Some(0), "{}", transferred.stderr);
        assert_eq!(transferred.stderr, format!("m{number} leads\n"));
        assert_eq!(masters(&fleet)?[number - 1]["role"], "leader");
    }
    let refused = fleet.run(&["masters", "transfer", "m9"])?;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("there is no voting master m9"), "{}", refused.stderr);
    trial.check(&fleet, &job)?;
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, 0);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_dev_cluster_of_three_masters_goes_on_with_two_and_starts_where_it_was() -> Result {
    let mut dev = Dev::start_masters("3")?;
    assert_eq!(dev.address().split(',').count(), 3, "{}", dev.address());
    let trial = Trial::new(8, 3, 5);
    let job = trial.submit(&dev)?;
    maps_done(&dev, &job, 10)?;
    let victim = dev.pids[leader(&dev)? - 1];
    send("KILL", victim)?;
    until("it is gone", || Ok(!lives(victim)))?;
    maps_done(&dev, &job, 20)?;
    assert_eq!(counted(&dev, &job, "attempts_rerun")?, 0);

    dev.end("KILL")?;
    for &pid in &dev.pids {
        until("its processes die with it", || Ok(!lives(pid)))?;
    }
    let before = dev.address().to_owned();
    dev.start_again()?;
    assert_eq!(dev.address(), before, "masters know each other by their addresses");
    trial.check(&dev, &job)?;
    assert_eq!(dev.end("INT")?, Some(130));
    Ok(())
}

#[test]
fn artifacts_outlive_the_master_that_received_them() -> Result {
    let mut fleet = Fleet::start_masters(3, 0, 2)?;
    let trial = Trial::new(1, 3, 1);
    // The client asks the first master first, which accepts the executable whether it leads or not.
    let job = trial.submit(&fleet)?;
    fleet.kill_master_of(1)?;
    fs::remove_dir_all(fleet.path("data/m1"))?;
    fleet.add_worker()?;
    trial.check(&fleet, &job)?;
    until("the other two hold all that it needed, its plan too", || {
        let count = |name: &str| Ok::<_, std::io::Error>(fs::read_dir(fleet.path(name))?.count());
        Ok([count("data/m2/artifacts")?, count("data/m3/artifacts")?] == [3, 3])
    })?;
    check_nothing_is_left(fleet, &["alone-out", "out"])
}
