//! The Raft service: messages between the masters of a cluster.
//!
//! Only masters call this service, and they use separate connections for it. A call may be
//! repeated, delayed or lost: the receiver compares each call with its own state, and the caller
//! retries. Messages are opaque bytes here; only [`consensus`](crate::consensus) decodes them.

use std::future::Future;

use super::refusal::Refusal;

/// A message from one master to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The cluster's random number; messages of other clusters are refused.
    pub cluster: u128,
    /// The number of the called master; another one refuses.
    pub to: u64,
    /// The message.
    pub body: Vec<u8>,
}

/// The service of a master for the others of its cluster.
pub trait Raft: Send + Sync + 'static {
    /// Appends the leader's entries, or records its heartbeat.
    fn append_entries(&self, call: Call) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
    /// Answers a request for a vote.
    fn vote(&self, call: Call) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
    /// Starts an election at once, because the leader hands over. Answers when this master leads.
    fn stand(&self, call: Call) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
    /// Receives a piece of the leader's snapshot; the last one installs it.
    fn install_snapshot(&self, call: Call)
    -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
}
