//! The faults of the soak: each is injected into a running cluster, and healed a little later.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::commands::Result;
use crate::dev::send;
use crate::fleet::Fleet;
use crate::leftovers::children;
use crate::masters::{followers, leader};
use crate::soak_chance::Chance;
use crate::soak_jobs::Running;
use crate::until::until_within;

/// Connections of a silent client.
const SILENT: usize = 60;
/// How long a drained worker may take to leave, once all jobs have ended.
const LEAVES_WITHIN: u32 = 60;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    KillLeader,
    KillFollower,
    StopLeader,
    EndMaster,
    MoveLeadership,
    KillWorker,
    StopWorker,
    EndWorker,
    DrainWorker,
    KillExecutor,
    StopExecutor,
    FillDisk,
    RemoveOutputs,
    ConnectSilently,
    KillJob,
    RepeatId,
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault::KillLeader,
    Fault::KillFollower,
    Fault::StopLeader,
    Fault::EndMaster,
    Fault::MoveLeadership,
    Fault::KillWorker,
    Fault::StopWorker,
    Fault::EndWorker,
    Fault::DrainWorker,
    Fault::KillExecutor,
    Fault::StopExecutor,
    Fault::FillDisk,
    Fault::RemoveOutputs,
    Fault::ConnectSilently,
    Fault::KillJob,
    Fault::RepeatId,
];

/// What undoes a fault.
pub(crate) enum Heal {
    Nothing,
    StartMaster(usize),
    StartWorker(usize),
    Continue(Vec<u32>),
    Remove(PathBuf),
    Disconnect(Vec<TcpStream>),
    /// Once all jobs have ended: the worker leaves, and is started again.
    Left(usize),
}

/// Waits for this long.
pub(crate) fn pass(time: Duration) {
    let (_never_sends, wait) = channel::<()>();
    let _passed = wait.recv_timeout(time);
}

impl Fault {
    /// Whether the fault takes a master away. Two at once would leave no majority.
    pub(crate) fn is_of_master(self) -> bool {
        self <= Self::MoveLeadership
    }

    /// Injects the fault, into this worker if it concerns one.
    pub(crate) fn strike(
        self,
        fleet: &mut Fleet,
        worker: usize,
        jobs: &mut [Running],
        chance: &mut Chance,
    ) -> Result<Heal> {
        let pid = fleet.worker(worker).pid();
        Ok(match self {
            Self::KillLeader => {
                let led = leader(fleet)?;
                fleet.kill_master_of(led)?;
                Heal::StartMaster(led)
            }
            Self::KillFollower => {
                let follower = chance.one_of(&followers(leader(fleet)?));
                fleet.kill_master_of(follower)?;
                Heal::StartMaster(follower)
            }
            Self::EndMaster => {
                let number = chance.one_of(&[1, 2, 3]);
                let code = fleet.end_master_of(number)?;
                assert_eq!(code, Some(0), "a master ends well when it is asked to");
                Heal::StartMaster(number)
            }
            Self::StopLeader => stop(vec![fleet.master_of(leader(fleet)?).pid()])?,
            Self::MoveLeadership => {
                let to = format!("m{}", chance.one_of(&followers(leader(fleet)?)));
                let _moved_or_refused = fleet.run(&["masters", "transfer", &to])?;
                Heal::Nothing
            }
            Self::KillWorker => {
                fleet.kill(worker)?;
                Heal::StartWorker(worker)
            }
            Self::StopWorker => stop(vec![pid])?,
            Self::EndWorker => {
                send("TERM", pid)?;
                assert_eq!(fleet.left(worker)?, Some(0), "a worker ends well when it is asked to");
                Heal::StartWorker(worker)
            }
            Self::DrainWorker => {
                let drained = fleet.run(&["workers", "drain", &fleet.id(worker)?])?;
                assert_eq!(drained.code, Some(0), "{}", drained.stderr);
                Heal::Left(worker)
            }
            Self::KillExecutor | Self::StopExecutor => match executor(pid, chance)? {
                Some(executor) if self == Self::KillExecutor => {
                    let _struck_or_gone = send("KILL", executor);
                    Heal::Nothing
                }
                Some(executor) => stop(vec![executor])?,
                None => Heal::Nothing,
            },
            Self::FillDisk => fill(fleet, worker)?,
            Self::RemoveOutputs => {
                remove_outputs(fleet, worker)?;
                Heal::Nothing
            }
            Self::ConnectSilently => connect(fleet, worker)?,
            Self::KillJob => {
                if let Some(running) = jobs.first_mut() {
                    running.is_killed = true;
                    let _killed_or_too_late = fleet.run(&["kill", &running.job])?;
                }
                Heal::Nothing
            }
            Self::RepeatId => {
                jobs.iter().try_for_each(|running| running.repeat(fleet))?;
                Heal::Nothing
            }
        })
    }
}

fn stop(pids: Vec<u32>) -> Result<Heal> {
    for &pid in &pids {
        let _stopped_or_gone = send("STOP", pid);
    }
    Ok(Heal::Continue(pids))
}

fn executor(worker: u32, chance: &mut Chance) -> Result<Option<u32>> {
    let executors = children(worker)?;
    Ok(if executors.is_empty() { None } else { Some(chance.one_of(&executors)) })
}

/// Fills the small disk of a worker.
fn fill(fleet: &Fleet, worker: usize) -> Result<Heal> {
    let path = fleet.data(worker).join("filler");
    let mut file = File::create(&path)?;
    let piece = vec![0; 1 << 16];
    while file.write_all(&piece).is_ok() {}
    Ok(Heal::Remove(path))
}

/// Removes the map outputs that a worker has for one of its jobs.
fn remove_outputs(fleet: &Fleet, worker: usize) -> Result {
    let jobs = fleet.data(worker).join("jobs");
    for job in fs::read_dir(jobs)? {
        let _removed_or_gone = fs::remove_dir_all(job?.path().join("outputs"));
    }
    Ok(())
}

/// Connects to a worker and all masters, and says nothing, or only the beginning of a request.
fn connect(fleet: &Fleet, worker: usize) -> Result<Heal> {
    let members = fleet.masters().chain([fleet.worker(worker)]);
    let mut connections = Vec::new();
    for member in members {
        for number in 0..SILENT {
            let Ok(mut connection) = TcpStream::connect(&member.address) else { continue };
            if number % 2 == 0 {
                connection.write_all(b"PRI * HTTP/2.0\r\n")?;
            }
            connections.push(connection);
        }
    }
    Ok(Heal::Disconnect(connections))
}

impl Heal {
    /// Undoes the fault; returns what is left to do once all jobs have ended.
    pub(crate) fn heal(self, fleet: &mut Fleet) -> Result<Option<Self>> {
        match self {
            Self::Nothing => {}
            Self::StartMaster(number) => fleet.start_master_of(number)?,
            Self::StartWorker(number) => fleet.start_again(number)?,
            Self::Continue(pids) => {
                for pid in pids {
                    let _continues_or_gone = send("CONT", pid);
                }
            }
            Self::Remove(path) => {
                // The worker may have cleaned its folder.
                let _removed_or_gone = fs::remove_file(path);
            }
            Self::Disconnect(connections) => drop(connections),
            Self::Left(_) => return Ok(Some(self)),
        }
        Ok(None)
    }

    /// Finishes what had to wait for the end of all jobs.
    pub(crate) fn finish(self, fleet: &mut Fleet) -> Result {
        if let Self::Left(number) = self {
            until_within(LEAVES_WITHIN, "the drained worker leaves", || Ok(!fleet.lives(number)))?;
            assert_eq!(fleet.left(number)?, Some(0));
            fleet.start_again(number)?;
        }
        Ok(())
    }
}
