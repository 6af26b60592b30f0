//! Checks that a job and its cluster leave no files and no processes behind.

use std::fs;
use std::net::TcpStream;
use std::path::Path;

use crate::commands::Result;
use crate::faults::add_rows;
use crate::fleet::Fleet;
use crate::until::until;

/// Returns the processes whose executable or working folder is in this folder.
pub(crate) fn strays(folder: &Path) -> Result<Vec<String>> {
    let mut strays = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        // Other entries have neither link, and a process that ends in the meantime loses both.
        let is_in = |link| fs::read_link(process.join(link)).is_ok_and(|at| at.starts_with(folder));
        if is_in("exe") || is_in("cwd") {
            strays.push(process.display().to_string());
        }
    }
    Ok(strays)
}

/// Returns the children of a process, such as a worker's supervisors.
pub(crate) fn children(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // pid (name) state parent …
        let mut facts = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        if facts.nth(1) == Some(&parent.to_string()) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// Returns the executors of a worker. Each one is the child of a supervisor, which is a child of the worker.
pub(crate) fn executors(worker: u32) -> Result<Vec<u32>> {
    let below: Result<Vec<_>> = children(worker)?.into_iter().map(children).collect();
    Ok(below?.concat())
}

/// Returns the names in a folder, sorted, or none if the folder does not exist.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if folder.exists() {
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Checks, once all jobs of a fleet have ended, that nothing is left of them and then of the fleet itself.
///
/// Dead workers are restarted with the same folders first, so that they remove old files there.
pub(crate) fn check_nothing_is_left(mut fleet: Fleet, made: &[&str]) -> Result {
    for number in fleet.numbers() {
        if !fleet.lives(number) && fleet.data(number).exists() {
            fleet.start_again(number)?;
        }
    }
    check_no_job_is_left(&fleet, made)?;

    let workers = fleet.numbers().map(|number| fleet.worker(number));
    let addresses: Vec<String> =
        workers.chain(fleet.masters()).map(|member| member.address.clone()).collect();
    fleet.end()?;
    for address in addresses {
        assert!(TcpStream::connect(&address).is_err(), "somebody still listens at {address}");
    }
    add_rows(fleet)
}

/// Checks that nothing is left of jobs that have ended: no file on a worker or beside the output, and no executor.
pub(crate) fn check_no_job_is_left(fleet: &Fleet, made: &[&str]) -> Result {
    for number in fleet.numbers() {
        let jobs = fleet.data(number).join("jobs");
        until("no worker has files of a job", || Ok(names(&jobs)?.is_empty()))
            .map_err(|error| format!("{error}: {:?}", names(&jobs)))?;
    }
    let folder = fleet.path("").canonicalize()?;
    until("no executor is left", || Ok(strays(&folder)?.is_empty()))
        .map_err(|error| format!("{error}: {:?}", strays(&folder)))?;
    let mut expected = [made, &["data", "in.txt"]].concat();
    expected.sort_unstable();
    until("no staging folder lies beside the output", || Ok(names(&folder)? == expected))
        .map_err(|error| format!("{error}: {:?}", names(&folder)))?;
    Ok(())
}
