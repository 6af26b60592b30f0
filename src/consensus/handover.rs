//! Transfers leadership when the leader ends or is asked to step down, without waiting for an election timeout.
//!
//! openraft 0.9 has no call that transfers leadership, so the transfer consists of smaller steps:
//!
//! ```text
//!   leader                                    successor
//!     accepts no new proposals
//!     waits until the successor has all entries
//!     stops its heartbeats
//!         ─────────── Stand ───────────────►    starts elections until one succeeds
//!         ◄────────── Vote ─────────────────
//!     votes for it, and steps down ─────────►   has a majority with that vote, or once the
//!                                               lease of the old leader has expired
//!         ◄────────── it leads ─────────────
//! ```
//!
//! If a message is lost, another master starts an election after the timeout, as when a leader dies.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::entry::{NodeId, Vote};
use super::group::Member;
use super::{Group, Leadership, ProposeError};
use crate::rpc::client::Fellow;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;

/// How long a successor may take to receive the entries that it lacks.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(1);
/// How long a successor may then take to become leader: longer than the lease of a silent leader.
const STAND_WITHIN: Duration = Duration::from_secs(2);
/// How long a candidate waits for votes before it starts the next election.
const VOTE_PAUSE: Duration = Duration::from_millis(150);

/// While this exists, the node accepts no proposals.
struct Yielding<'g>(&'g Group);

impl<'g> Yielding<'g> {
    fn begin(group: &'g Group) -> Result<Self, ProposeError> {
        if group.yields().swap(true, Ordering::SeqCst) {
            let what = "leadership is being handed over".to_string();
            return Err(ProposeError::Busy { what });
        }
        Ok(Self(group))
    }
}

impl Drop for Yielding<'_> {
    fn drop(&mut self) {
        self.0.raft().runtime_config().heartbeat(true);
        self.0.yields().store(false, Ordering::SeqCst);
    }
}

impl Group {
    /// Transfers leadership to another master: to the given one, or to the one with the most entries. Returns its
    /// number.
    ///
    /// # Errors
    /// If this node does not lead, the voter does not exist, or none takes over in time.
    pub async fn hand_over(&self, to: Option<u64>) -> Result<u64, ProposeError> {
        if !self.standing().leads {
            return Err(self.follows());
        }
        if to == Some(self.identity().node) {
            return Ok(self.identity().node);
        }
        let successors = self.successors(to)?;
        let _yielding = Yielding::begin(self)?;
        let mut last = ProposeError::NoSuccessor { why: "no other master has a vote".into() };
        for successor in successors {
            match self.hand_over_to(&successor).await {
                Ok(()) => return Ok(successor.node),
                Err(refused) => last = refused,
            }
            if !self.standing().leads {
                break;
            }
        }
        Err(last)
    }

    /// The candidates for the next leader, the one with the most entries first.
    fn successors(&self, to: Option<NodeId>) -> Result<Vec<Member>, ProposeError> {
        let known = self.raft().metrics().borrow().replication.clone().unwrap_or_default();
        let voters = self.members().into_iter().filter(|member| member.votes);
        let is_meant = |member: &Member| match to {
            Some(to) => member.node == to,
            None => member.node != self.identity().node,
        };
        let mut successors: Vec<Member> = voters.filter(is_meant).collect();
        successors.sort_by_key(|member| Reverse(known.get(&member.node).copied().flatten()));
        match to {
            Some(to) if successors.is_empty() => {
                let what = format!("there is no voting master m{to}");
                Err(ProposeError::Unknown { what })
            }
            _ => Ok(successors),
        }
    }

    async fn hand_over_to(&self, successor: &Member) -> Result<(), ProposeError> {
        let name = format!("m{} at {}", successor.node, successor.address);
        let not = |why: String| ProposeError::NoSuccessor { why: format!("{name}: {why}") };
        if timeout(CATCH_UP_WITHIN, self.is_level(successor.node)).await.is_err() {
            return Err(not("it lacks entries, and did not catch up in time".into()));
        }
        self.raft().runtime_config().heartbeat(false);
        // Cloned at once, because openraft waits while it is borrowed.
        let vote = self.raft().metrics().borrow().vote;
        let body = self.evidence().seal(successor.node, &vote);
        let body = body.map_err(|error| not(error.to_string()))?;
        let call = Call { cluster: self.identity().cluster, to: successor.node, body };
        let fellow = Fellow::connect(&successor.address, self.links());
        let answered = timeout(STAND_WITHIN, fellow.stand(call)).await;
        // The answer may be lost even if it leads.
        if self.raft().metrics().borrow().current_leader == Some(successor.node) {
            return Ok(());
        }
        match answered {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refused)) => Err(not(refused.to_string())),
            Err(late) => Err(not(late.to_string())),
        }
    }

    /// Waits until a follower has all entries.
    async fn is_level(&self, node: NodeId) {
        let mut metrics = self.raft().metrics();
        loop {
            let now = metrics.borrow_and_update().clone();
            let has =
                now.replication.as_ref().and_then(|known| known.get(&node)?.map(|id| id.index));
            if has >= now.last_log_index || metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Starts an election at once, as the leader of this vote asked. Returns when this node leads.
    pub(super) async fn take_over(&self, from: Vote) -> Result<(), Refusal> {
        let unavailable = |message: String| Refusal::Unavailable { message };
        let leads = || matches!(*self.leadership().borrow(), Leadership::Leads { .. });
        let follows = self.raft().metrics().borrow().vote;
        if follows != from {
            // The call may be repeated.
            let other = format!(
                "the request to take over has vote {from}, but the current vote is {follows}"
            );
            return if leads() { Ok(()) } else { Err(Refusal::Invalid { message: other }) };
        }
        let elected = async {
            loop {
                let elected = self.raft().trigger().elect().await;
                elected.map_err(|stopped| unavailable(stopped.to_string()))?;
                let mut leadership = self.leadership();
                let waited = leadership.wait_for(|now| matches!(now, Leadership::Leads { .. }));
                tokio::select! {
                    biased;
                    waited = waited => {
                        return waited.map(drop).map_err(|ended| unavailable(ended.to_string()));
                    }
                    () = sleep(VOTE_PAUSE) => {}
                }
            }
        };
        let late = |_| unavailable("not elected in time".into());
        timeout(STAND_WITHIN, elected).await.map_err(late)?
    }
}
