//! Notices that the leader's process has ended, and starts an election as soon as the other followers will vote.
//!
//! A leader that does not answer may only be busy, so the election timeout is long. But if nothing listens at the
//! leader's address, its process has ended. In that case a follower waits only until the other followers, too, have
//! heard nothing from the leader for long enough to vote:
//!
//! ```text
//!   last heartbeat of the leader
//!     │ SUSPECTED_AFTER   its address refuses a connection
//!     │ the rest of the leader's lease, and a turn for each master with a lower number
//!     ▼
//!   starts an election
//! ```
//!
//! If the leader's address does not answer at all, the full timeout applies: the leader may be cut off or paused.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Group;
use super::entry::NodeId;
use crate::rpc::client::Fellow;

/// How long the leader must be silent before its address is tried: a few heartbeats, because heartbeats may be late.
const SUSPECTED_AFTER: Duration = Duration::from_millis(250);
/// How long a connection may take to be refused.
const REFUSED_WITHIN: Duration = Duration::from_millis(100);
/// How much later than this node other nodes may have heard from the leader.
const MARGIN: Duration = Duration::from_millis(20);
/// Time between the elections of two candidates, so that they do not split the votes.
const TURN: Duration = Duration::from_millis(60);

impl Group {
    /// Watches the leader until the node ends. A silent leader keeps its lease for `believed`.
    pub(super) async fn watch_leader(self, believed: Duration) {
        let mut leadership = self.leadership();
        let ended = async { while leadership.changed().await.is_ok() {} };
        tokio::select! {
            biased;
            () = ended => {}
            () = self.stand_once_ended(believed) => {}
        }
    }

    async fn stand_once_ended(&self, believed: Duration) {
        let mut heard = self.leader_messages();
        loop {
            match timeout(SUSPECTED_AFTER, heard.changed()).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => return,
                Err(_) => {}
            }
            let Some((leader, address)) = self.other_leader() else {
                // This node leads, or an election is under way.
                if heard.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let fellow = Fellow::connect(&address, self.links());
            if !fellow.is_refused(REFUSED_WITHIN).await {
                continue;
            }
            let rest = believed.saturating_sub(SUSPECTED_AFTER) + MARGIN + self.turn(leader);
            if timeout(rest, heard.changed()).await.is_ok() || !self.follows_still(leader) {
                continue;
            }
            if self.raft().trigger().elect().await.is_err() {
                return;
            }
            sleep(believed).await;
        }
    }

    /// The leader that this node follows, and its address.
    fn other_leader(&self) -> Option<(NodeId, String)> {
        let metrics = self.raft().metrics().borrow().clone();
        let leader = metrics.current_leader.filter(|&leader| leader != metrics.id)?;
        let node = metrics.membership_config.membership().get_node(&leader)?;
        Some((leader, node.addr.clone()))
    }

    fn follows_still(&self, leader: NodeId) -> bool {
        self.other_leader().is_some_and(|(now, _)| now == leader)
    }

    /// How long this node waits for other candidates, which are the voters with a lower number, except the one that
    /// has ended.
    fn turn(&self, gone: NodeId) -> Duration {
        let here = self.identity().node;
        let before = |member: &super::Member| member.votes && member.node < here;
        let members = self.members().into_iter().filter(before);
        let first = members.filter(|member| member.node != gone).count();
        TURN * u32::try_from(first).unwrap_or(u32::MAX)
    }
}
