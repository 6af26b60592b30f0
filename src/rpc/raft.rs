//! What masters of a cluster say to each other so as to agree.
//!
//! Called by masters alone, on a connection of their own. Every call may be repeated, late or lost in any way: the one
//! who is called compares it with what it has, and the one who calls asks again. What is said is bytes here; only
//! [`consensus`](crate::consensus) reads them.

use std::future::Future;

use super::refusal::Refusal;

/// Something that one master says to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The cluster's random number; one of another cluster is refused.
    pub cluster: u128,
    /// The number of the master that is called; another one refuses.
    pub to: u64,
    /// What is said.
    pub body: Vec<u8>,
}

/// What a master does for the others of its cluster.
pub trait Raft: Send + Sync + 'static {
    /// Takes entries over from the leader, or its sign of life.
    fn append_entries(&self, call: Call) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
    /// Gives its vote, or not.
    fn vote(&self, call: Call) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
    /// Stands for election at once, for the leader makes way for it; answers when it leads.
    fn stand(&self, call: Call) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
    /// Takes a piece of the leader's snapshot over; the last one installs it.
    fn install_snapshot(&self, call: Call)
    -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
}
