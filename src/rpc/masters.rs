//! What masters say of themselves, and how one is taken into a cluster.
//!
//! Every call may be repeated: the first two change nothing, and who has been admitted is admitted.

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::spec::MasterId;

/// What a master is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It decides.
    Leader,
    /// It keeps what is decided, and can take over.
    Follower,
    /// It does not answer.
    Unreachable,
}

impl fmt::Display for Role {
    /// The name that JSON has too, such as `leader`.
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
    /// What it is.
    pub role: Role,
    /// The number of its leadership, or of the one that it follows.
    pub term: u64,
    /// How much of the log it has applied.
    pub applied: u64,
    /// How much the one that has applied most has applied more.
    pub behind: u64,
    /// Whether it has a say; one that is being taken in has none yet.
    pub votes: bool,
    /// Where people and programs reach it over HTTP, if they do: `127.0.0.1:7480`.
    pub web: Option<String>,
}

/// The masters of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterList {
    /// The cluster's random number.
    pub cluster: u128,
    /// All of them, in the order of their numbers.
    pub masters: Vec<MasterLine>,
}

/// A master that wants in: it listens, and its folder is the cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Which cluster.
    pub cluster: u128,
    /// Which master.
    pub id: MasterId,
    /// Where the others reach it.
    pub address: String,
}

/// What a master does for whoever looks after the masters.
pub trait Masters: Send + Sync + 'static {
    /// All masters, by one that need not lead.
    fn masters(&self) -> impl Future<Output = Result<MasterList, Refusal>> + Send;
    /// How far this one is.
    fn standing(&self) -> impl Future<Output = Result<MasterLine, Refusal>> + Send;
    /// Has a master lead.
    fn transfer(&self, master: MasterId) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// Has a master take part.
    fn join(&self, request: Join) -> impl Future<Output = Result<(), Refusal>> + Send;
}
