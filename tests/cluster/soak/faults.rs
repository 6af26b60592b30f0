//! The faults of the soak test: each is injected into a running cluster, and healed a little later.

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::chance::Chance;
use super::limits::{Grouped, Limit, Limited};
use super::peers::{self, Peers};
use super::running::Running;
use super::{files, old_copy};
use crate::commands::Result;
use crate::dev::send;
use crate::fleet::Fleet;
use crate::leftovers::{children, executors};
use crate::masters::{followers, leader};
use crate::until::until_within;

/// How long a drained worker may take to leave, once all jobs have ended.
const LEAVES_WITHIN: u32 = 120;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    KillLeader,
    KillFollower,
    StopLeader,
    StopFollower,
    EndMaster,
    MoveLeadership,
    FillDiskOfMaster,
    LimitDescriptorsOfMaster,
    RestartMasterFromOldCopy,
    KillWorker,
    StopWorker,
    EndWorker,
    DrainWorker,
    KillExecutor,
    StopExecutor,
    FillDiskOfWorker,
    LimitDescriptorsOfWorker,
    LimitFileSizeOfWorker,
    LimitProcessesOfWorker,
    RemoveOutputs,
    RemoveOutput,
    DamageOutput,
    CutOutput,
    PutFifoForOutput,
    KillSubmitter,
    StopSubmitter,
    KillJob,
    RepeatId,
    TakeOutput,
    ReplaceInput,
    ConnectSilently,
    SendSlowly,
    LieAsWorker,
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault::KillLeader,
    Fault::KillFollower,
    Fault::StopLeader,
    Fault::StopFollower,
    Fault::EndMaster,
    Fault::MoveLeadership,
    Fault::FillDiskOfMaster,
    Fault::LimitDescriptorsOfMaster,
    Fault::RestartMasterFromOldCopy,
    Fault::KillWorker,
    Fault::StopWorker,
    Fault::EndWorker,
    Fault::DrainWorker,
    Fault::KillExecutor,
    Fault::StopExecutor,
    Fault::FillDiskOfWorker,
    Fault::LimitDescriptorsOfWorker,
    Fault::LimitFileSizeOfWorker,
    Fault::LimitProcessesOfWorker,
    Fault::RemoveOutputs,
    Fault::RemoveOutput,
    Fault::DamageOutput,
    Fault::CutOutput,
    Fault::PutFifoForOutput,
    Fault::KillSubmitter,
    Fault::StopSubmitter,
    Fault::KillJob,
    Fault::RepeatId,
    Fault::TakeOutput,
    Fault::ReplaceInput,
    Fault::ConnectSilently,
    Fault::SendSlowly,
    Fault::LieAsWorker,
];

/// How to undo a fault.
pub(crate) enum Heal {
    Nothing,
    StartMaster(usize),
    StartWorker(usize),
    Continue(u32),
    Remove(PathBuf),
    Lift(Limited),
    Ungroup(Grouped),
    Disconnect(Peers),
    /// Waits, once all jobs have ended, until the worker leaves, and restarts it.
    Left(usize),
}

/// The members and jobs that a fault strikes.
pub(crate) struct Target<'t> {
    pub(crate) fleet: &'t mut Fleet,
    /// Number of the worker.
    pub(crate) worker: usize,
    pub(crate) jobs: &'t mut [Running],
    pub(crate) chance: &'t mut Chance,
}

/// Waits for this long.
pub(crate) fn pass(time: Duration) {
    let (_never_sends, wait) = channel::<()>();
    let _passed = wait.recv_timeout(time);
}

impl Fault {
    /// Returns whether the fault takes a master away. Two such faults at once would leave no majority.
    pub(crate) fn is_of_master(self) -> bool {
        self <= Self::RestartMasterFromOldCopy
    }

    /// Injects the fault.
    pub(crate) fn strike(self, target: Target) -> Result<Heal> {
        if self.is_of_master() {
            self.strike_master(target.fleet, target.chance)
        } else if self < Self::KillSubmitter {
            self.strike_worker(target)
        } else {
            self.strike_clients(target)
        }
    }

    fn strike_master(self, fleet: &mut Fleet, chance: &mut Chance) -> Result<Heal> {
        let led = leader(fleet)?;
        let follower = followers(led)[chance.place(2)];
        let any = chance.place(3) + 1;
        Ok(match self {
            Self::KillLeader => {
                fleet.kill_master_of(led)?;
                Heal::StartMaster(led)
            }
            Self::KillFollower => {
                fleet.kill_master_of(follower)?;
                Heal::StartMaster(follower)
            }
            Self::StopLeader => stop(fleet.master_of(led).pid()),
            Self::StopFollower => stop(fleet.master_of(follower).pid()),
            Self::EndMaster => {
                let code = fleet.end_master_of(any)?;
                assert_eq!(code, Some(0), "a master that is asked to end exits with 0");
                Heal::StartMaster(any)
            }
            Self::MoveLeadership => {
                let _moved_or_refused =
                    fleet.run(&["masters", "transfer", &format!("m{follower}")])?;
                Heal::Nothing
            }
            Self::FillDiskOfMaster => files::fill(&fleet.path(&format!("data/m{any}")))?,
            Self::LimitDescriptorsOfMaster => {
                Heal::Lift(Limited::set(fleet.master_of(any).pid(), Limit::Descriptors)?)
            }
            _ => old_copy::start_from(fleet, follower)?,
        })
    }

    fn strike_worker(self, target: Target) -> Result<Heal> {
        let Target { fleet, worker, jobs, chance } = target;
        let pid = fleet.worker(worker).pid();
        Ok(match self {
            Self::KillWorker => {
                fleet.kill(worker)?;
                Heal::StartWorker(worker)
            }
            Self::StopWorker => stop(pid),
            Self::EndWorker => {
                send("TERM", pid)?;
                let code = fleet.left(worker)?;
                assert_eq!(code, Some(0), "a worker that is asked to end exits with 0");
                Heal::StartWorker(worker)
            }
            Self::DrainWorker => {
                let drained = fleet.run_again(&["workers", "drain", &fleet.id(worker)?])?;
                assert_eq!(drained.code, Some(0), "{}", drained.stderr);
                Heal::Left(worker)
            }
            // Kills an executor or its supervisor.
            Self::KillExecutor => {
                let processes = [children(pid)?, executors(pid)?].concat();
                if let Some(&process) = chance.one_of(&processes) {
                    jobs.iter_mut().for_each(|running| running.is_executor_killed = true);
                    let _killed_or_gone = send("KILL", process);
                }
                Heal::Nothing
            }
            Self::StopExecutor => {
                chance.one_of(&executors(pid)?).map_or(Heal::Nothing, |&executor| stop(executor))
            }
            Self::FillDiskOfWorker => files::fill(&fleet.data(worker))?,
            Self::LimitDescriptorsOfWorker => Heal::Lift(Limited::set(pid, Limit::Descriptors)?),
            Self::LimitFileSizeOfWorker => Heal::Lift(Limited::set(pid, Limit::FileSize)?),
            Self::LimitProcessesOfWorker => Grouped::set(pid).map_or(Heal::Nothing, Heal::Ungroup),
            Self::RemoveOutputs => {
                files::remove_outputs(&fleet.data(worker));
                Heal::Nothing
            }
            _ => {
                let outputs = files::outputs(&fleet.data(worker));
                if let Some(output) = chance.one_of(&outputs) {
                    // The output may be gone already.
                    let _struck_or_gone = files::harm(output, self);
                }
                Heal::Nothing
            }
        })
    }

    fn strike_clients(self, target: Target) -> Result<Heal> {
        let Target { fleet, worker, jobs, chance } = target;
        let at = chance.place(jobs.len());
        let Some(job) = jobs.get_mut(at) else { return Ok(Heal::Nothing) };
        match self {
            Self::KillSubmitter => job.kill_submitter()?,
            Self::StopSubmitter => return Ok(stop(job.submitter())),
            Self::KillJob => job.kill(fleet)?,
            Self::RepeatId => jobs.iter_mut().try_for_each(|running| running.repeat(fleet))?,
            Self::TakeOutput => job.take_output()?,
            Self::ReplaceInput => job.replace_input()?,
            _ => {
                let members = fleet.masters().chain([fleet.worker(worker)]);
                let addresses: Vec<String> = members.map(|member| member.address.clone()).collect();
                return Ok(Heal::Disconnect(match self {
                    Self::ConnectSilently => peers::silent(&addresses),
                    Self::SendSlowly => peers::slow(addresses),
                    _ => peers::lying(addresses[..3].to_vec(), chance.below(u64::MAX))?,
                }));
            }
        }
        Ok(Heal::Nothing)
    }
}

fn stop(pid: u32) -> Heal {
    let _stopped_or_gone = send("STOP", pid);
    Heal::Continue(pid)
}

impl Heal {
    /// Returns whether it must run before workers are started, which cannot register without a leader.
    pub(crate) fn is_first(&self) -> bool {
        !matches!(self, Self::StartWorker(_) | Self::Left(_))
    }

    /// Undoes the fault, and returns what remains to do once all jobs have ended.
    pub(crate) fn heal(self, fleet: &mut Fleet) -> Result<Option<Self>> {
        match self {
            Self::Nothing => {}
            Self::StartMaster(number) => fleet.start_master_of(number)?,
            Self::StartWorker(number) => fleet.start_again(number)?,
            Self::Continue(pid) => {
                let _continues_or_gone = send("CONT", pid);
            }
            Self::Remove(path) => {
                // The worker may have cleaned its folder.
                let _removed_or_gone = std::fs::remove_file(path);
            }
            Self::Lift(limited) => limited.lift(),
            Self::Ungroup(grouped) => grouped.lift(),
            Self::Disconnect(peers) => peers.end(),
            Self::Left(_) => return Ok(Some(self)),
        }
        Ok(None)
    }

    /// Finishes what had to wait for the end of all jobs.
    pub(crate) fn finish(self, fleet: &mut Fleet) -> Result {
        if let Self::Left(number) = self {
            until_within(LEAVES_WITHIN, "the drained worker leaves", || Ok(!fleet.lives(number)))?;
            assert_eq!(fleet.left(number)?, Some(0), "a drained worker exits with 0");
            fleet.start_again(number)?;
        }
        Ok(())
    }
}
