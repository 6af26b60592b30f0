//! Adding and removing masters: jobs continue, and a removed master does not return.

use std::fs;
use std::time::Duration;

use crate::commands::{Commands, Ended, Result};
use crate::dev::{Dev, lives, send};
use crate::faults::now;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::masters::{caught_up, leader};
use crate::trial::{Trial, counted, maps_done};
use crate::until::until;

/// Returns the numbers of all masters, as the cluster reports them.
fn numbers(commands: &Commands) -> Result<Vec<u64>> {
    let masters = commands.json(&["masters"])?;
    let ids = masters.as_array().ok_or("no list")?.iter().map(|master| {
        let id = master["id"].as_str().and_then(|id| id.strip_prefix('m'));
        Ok(id.ok_or("no id")?.parse()?)
    });
    ids.collect()
}

fn remove(commands: &Commands, number: usize) -> Result<Ended> {
    commands.run(&["masters", "remove", &format!("m{number}")])
}

fn removed(commands: &Commands, number: usize) -> Result {
    let ended = remove(commands, number)?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said =
        format!("m{number} is removed: its process ends, and its number is not used again\n");
    assert_eq!(ended.stderr, said);
    Ok(())
}

/// Starts the master with this number once more, by hand, and checks that it is refused. Returns its standard error.
fn refused(fleet: &Fleet, number: usize, more: &[&str]) -> Result<String> {
    let (id, listen) = (number.to_string(), fleet.master_of(number).address.clone());
    let data = fleet.path(&format!("data/m{number}")).display().to_string();
    let arguments = ["master", "--id", &id, "--listen", &listen, "--data", &data];
    let ended = fleet.run(&[&arguments[..], more].concat())?;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    Ok(ended.stderr)
}

#[test]
fn masters_that_are_removed_end_by_themselves_and_others_come_while_a_job_runs() -> Result {
    let mut fleet = Fleet::start_masters(3, 2, 2)?;
    let trial = Trial::new(8, 6, 40);
    let job = trial.submit(&fleet)?;
    maps_done(&fleet, &job, 10)?;
    let first = leader(&fleet)?;
    let gone = first % 3 + 1;
    removed(&fleet, gone)?;
    assert_eq!(fleet.master_left(gone)?, Some(0), "it was asked for");
    let again = remove(&fleet, gone)?;
    assert_eq!(
        (again.code, again.stderr),
        (Some(0), format!("m{gone} is not a member of this cluster\n"))
    );
    let unknown = remove(&fleet, 9)?;
    assert_eq!(unknown.code, Some(3), "{}", unknown.stderr);
    assert_eq!(
        unknown.stderr,
        "error: this cluster never had a master m9\nhint: list the masters with `gristmill masters`\n"
    );

    let said = refused(&fleet, gone, &[])?;
    assert!(said.contains("was removed from its cluster, and its number is not used"), "{said}");
    assert!(said.contains("masters add"), "{said}");
    fs::remove_dir_all(fleet.path(&format!("data/m{gone}")))?;
    let said = refused(&fleet, gone, &["--join", &fleet.cluster()])?;
    assert!(said.contains(&format!("master m{gone} was removed, and its number cannot")), "{said}");

    assert_eq!(fleet.add_master_as_told()?, 4);
    caught_up_as(&fleet, 4)?;
    // The leader gives up its leadership, and its successor removes it.
    removed(&fleet, first)?;
    assert_eq!(fleet.master_left(first)?, Some(0));
    let stay: Vec<u64> = [1, 2, 3, 4]
        .into_iter()
        .filter(|&it| it != gone && it != first)
        .map(|it| it as u64)
        .collect();
    assert_eq!(numbers(&fleet)?, stay);
    trial.check(&fleet, &job)?;
    assert_eq!(counted(&fleet, &job, "attempts_rerun")?, 0);
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

/// Waits until the last master of the list has applied as many log entries as any.
fn caught_up_as(fleet: &Fleet, number: usize) -> Result {
    until("the newcomer has caught up", || {
        let masters = fleet.json(&["masters"])?;
        let masters = masters.as_array().ok_or("no list")?;
        let newcomer = masters.iter().find(|it| it["id"] == format!("m{number}"));
        Ok(newcomer.is_some_and(|it| it["behind"] == 0 && it["votes"] == true))
    })
}

#[test]
fn removal_that_would_stop_the_cluster_is_refused() -> Result {
    let mut fleet = Fleet::start_masters(3, 0, 1)?;
    let leads = leader(&fleet)?;
    let (dead, other) = (leads % 3 + 1, (leads + 1) % 3 + 1);
    fleet.kill_master_of(dead)?;
    for lives in [other, leads] {
        let ended = remove(&fleet, lives)?;
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        let address = &fleet.master_of(dead).address;
        let said = format!(
            "removing m{lives} would stop the cluster: too few of the other masters answer (no answer from m{dead} at {address})"
        );
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("`gristmill masters remove m{dead}`")),
            "{}",
            ended.stderr
        );
    }
    removed(&fleet, dead)?;
    // The master was down when it was removed, so its folder does not show that: it asks the others.
    let said = refused(&fleet, dead, &[])?;
    assert!(said.contains("was removed from its cluster, and its number is not used"), "{said}");
    removed(&fleet, other)?;
    assert_eq!(fleet.master_left(other)?, Some(0));
    let ended = remove(&fleet, leads)?;
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("is the only voting master"), "{}", ended.stderr);
    assert_eq!(numbers(&fleet)?, [leads as u64]);
    let added = fleet.json(&["masters", "add"])?;
    assert_eq!((&added["id"], &added["data"]), (&"m4".into(), &"m4".into()), "{added}");
    assert_eq!(added["join"], *fleet.master_of(leads).address, "{added}");
    Ok(())
}

#[test]
fn a_master_stays_until_the_others_hold_what_a_job_needs() -> Result {
    let mut fleet = Fleet::start_masters(3, 0, 1)?;
    let trial = Trial::new(1, 3, 1);
    let job = trial.submit(&fleet)?;
    let leads = leader(&fleet)?;
    let (goes, broken) = (leads % 3 + 1, (leads + 1) % 3 + 1);
    caught_up(&fleet, broken)?;
    // The artifacts of this master are gone, and it cannot store new ones.
    let folder = fleet.path(&format!("data/m{broken}/artifacts"));
    let kept = fleet.path("kept");
    fs::rename(&folder, &kept)?;
    fs::write(&folder, "")?;
    let ended = remove(&fleet, goes)?;
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("no majority of the masters holds artifact"), "{}", ended.stderr);
    assert_eq!(numbers(&fleet)?, [1, 2, 3]);
    fs::remove_file(&folder)?;
    fs::rename(&kept, &folder)?;
    removed(&fleet, goes)?;
    assert_eq!(fleet.master_left(goes)?, Some(0));
    fleet.add_worker()?;
    trial.check(&fleet, &job)?;
    check_nothing_is_left(fleet, &["alone-out", "out"])
}

#[test]
fn a_dev_cluster_goes_on_without_a_master_that_was_removed_and_starts_without_it() -> Result {
    let mut dev = Dev::start_masters("3")?;
    let trial = Trial::new(8, 3, 5);
    let job = trial.submit(&dev)?;
    maps_done(&dev, &job, 10)?;
    removed(&dev, 3)?;
    let gone = dev.pids[2];
    until("it is gone", || Ok(!lives(gone)))?;
    maps_done(&dev, &job, 20)?;
    dev.end("KILL")?;
    for &pid in &dev.pids {
        until("its processes die with it", || Ok(!lives(pid)))?;
    }
    dev.start_again()?;
    assert_eq!(dev.pids.len(), 4, "two masters and two workers");
    assert_eq!(numbers(&dev)?, [1, 2]);
    trial.check(&dev, &job)?;
    removed(&dev, 2)?;
    let last = dev.pids[1];
    until("it is gone", || Ok(!lives(last)))?;
    assert_eq!(numbers(&dev)?, [1], "one is a cluster, too");
    assert_eq!(dev.end("INT")?, Some(130));
    Ok(())
}

#[test]
fn dev_cluster_survives_a_leaving_worker_and_a_lost_master() -> Result {
    let mut dev = Dev::start_masters("3")?;
    send("KILL", dev.pids[2])?;
    until("it is gone", || Ok(!lives(dev.pids[2])))?;
    for goes in [3, 2] {
        removed(&dev, goes)?;
    }
    let leaves = dev.pids[3];
    let workers = dev.json(&["workers"])?;
    let of_it = |line: &&serde_json::Value| line["pid"].as_u64() == Some(leaves.into());
    let worker = workers.as_array().and_then(|lines| lines.iter().find(of_it));
    let worker = worker.and_then(|line| line["id"].as_str()).ok_or("it is not listed")?;
    assert_eq!(dev.run(&["workers", "drain", worker])?.code, Some(0));
    until("it is gone", || Ok(!lives(leaves)))?;
    let trial = Trial::new(4, 2, 5);
    let job = trial.submit(&dev)?;
    trial.check(&dev, &job)?;
    assert_eq!(numbers(&dev)?, [1]);
    assert_eq!(dev.end("INT")?, Some(130));
    Ok(())
}

#[test]
fn a_worker_whose_folder_is_of_another_cluster_is_refused() -> Result {
    let mut fleet = Fleet::start(1, 1)?;
    fleet.kill(1)?;
    let kept = fleet.path("kept");
    fs::rename(fleet.data(1), &kept)?;
    fleet.begin_anew(0)?;
    let cluster = fleet.cluster();
    let data = kept.display().to_string();
    let ended = fleet.run(&["worker", "--cluster", &cluster, "--data", &data])?;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the worker's data folder belongs to cluster"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--data DIR"), "{}", ended.stderr);
    Ok(())
}

#[test]
fn stalled_master_delays_no_artifact() -> Result {
    let fleet = Fleet::start_masters(3, 1, 2)?;
    let transferred = fleet.run(&["masters", "transfer", "m3"])?;
    assert_eq!(transferred.code, Some(0), "{}", transferred.stderr);
    fs::write(fleet.path("in.txt"), "a b a\n")?;
    let wordcount = Dev::job("wordcount");
    // The second master accepts the executable, and the third one, the leader, fetches it from there.
    let others = format!("{},{}", fleet.master_of(2).address, fleet.master_of(3).address);
    send("STOP", fleet.master_of(1).pid())?;
    let began = now();
    let arguments = ["submit", "--detach", "--cluster", &others, &wordcount, "in.txt", "-o", "out"];
    let ended = fleet.run(&arguments)?;
    let took = now() - began;
    send("CONT", fleet.master_of(1).pid())?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The limit is how long a master waits for another one that does not answer.
    assert!(took < Duration::from_secs(5), "{took:?}");
    Ok(())
}
