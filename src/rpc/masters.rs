//! Requests about masters: list, join, remove, and transfer leadership.
//!
//! Every call may be repeated. Read-only calls change nothing, and joining or removing a master
//! twice has the same effect as once.

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::model::MasterId;

/// A master's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It leads.
    Leader,
    /// It replicates the log, and can take over.
    Follower,
    /// It does not answer.
    Unreachable,
}

impl fmt::Display for Role {
    /// Its name in JSON, such as `leader`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Unreachable => "unreachable",
        })
    }
}

/// A master. Its JSON is what `gristmill masters --format json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterLine {
    /// `m1`.
    pub id: MasterId,
    /// Its process; 0 if it does not answer.
    pub pid: u32,
    /// Where it listens.
    pub address: String,
    /// Its role.
    pub role: Role,
    /// Its Raft term.
    pub term: u64,
    /// The index of the last entry that it has applied.
    pub applied: u64,
    /// How many entries it is behind the master that has applied most.
    pub behind: u64,
    /// Whether it votes. A master that is joining does not vote yet.
    pub votes: bool,
    /// Its address for HTTP, if it has one: `127.0.0.1:7480`.
    pub web: Option<String>,
}

/// The masters of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterList {
    /// The cluster's random number.
    pub cluster: u128,
    /// All masters, ordered by number.
    pub masters: Vec<MasterLine>,
}

/// The masters that a cluster has removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedList {
    /// The cluster's random number.
    pub cluster: u128,
    /// Their numbers, ascending. They are not used again.
    pub masters: Vec<MasterId>,
}

/// Asks to add a master, which already listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The cluster to join.
    pub cluster: u128,
    /// The new master's number.
    pub id: MasterId,
    /// Its address for other masters.
    pub address: String,
}

/// The service about the masters of a cluster.
pub trait Masters: Send + Sync + 'static {
    /// Lists all masters. Any master answers.
    fn masters(&self) -> impl Future<Output = Result<MasterList, Refusal>> + Send;
    /// Returns the status of this master.
    fn standing(&self) -> impl Future<Output = Result<MasterLine, Refusal>> + Send;
    /// Lists the removed masters. Any master answers.
    fn removed(&self) -> impl Future<Output = Result<RemovedList, Refusal>> + Send;
    /// Transfers leadership to a master.
    fn transfer(&self, master: MasterId) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// Removes a master. Returns whether it was a member.
    fn remove(&self, master: MasterId) -> impl Future<Output = Result<bool, Refusal>> + Send;
    /// Adds a master.
    fn join(&self, request: Join) -> impl Future<Output = Result<(), Refusal>> + Send;
}
