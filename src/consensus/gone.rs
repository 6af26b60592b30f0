//! Notices that the leader's process is gone, and stands for election as soon as nobody believes in it any more.
//!
//! By silence alone a follower must wait long: who is silent may be busy. But where nothing listens at the leader's
//! address any more, its process has ended, and all that is to be waited for is that the other followers have not heard
//! of it for long enough to give their votes:
//!
//! ```text
//!   last word of the leader
//!     │ SUSPECTED_AFTER   its address refuses a connection
//!     │ the rest of the time for which a leader is believed, and a turn for each master that comes first
//!     ▼
//!   stands for election
//! ```
//!
//! Whoever does not answer at all is waited for as ever: it may have been cut off, or stopped for a while.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Group;
use super::entry::NodeId;
use crate::rpc::client::Fellow;

/// Silence after which the leader's address is looked at: some of its signs of life, which may be late.
const SUSPECTED_AFTER: Duration = Duration::from_millis(250);
/// How long a connection may take to be refused.
const REFUSED_WITHIN: Duration = Duration::from_millis(100);
/// How much later than this one others may have heard of the leader.
const MARGIN: Duration = Duration::from_millis(20);
/// Between two who stand for election, so that they do not take each other's votes.
const TURN: Duration = Duration::from_millis(60);

impl Group {
    /// Watches the leader until the node ends. A leader that says nothing is believed for `believed`.
    pub(super) async fn watch_leader(self, believed: Duration) {
        let mut leadership = self.leadership();
        let ended = async { while leadership.changed().await.is_ok() {} };
        tokio::select! {
            biased;
            () = ended => {}
            () = self.stand_once_gone(believed) => {}
        }
    }

    async fn stand_once_gone(&self, believed: Duration) {
        let mut heard = self.heard();
        loop {
            match timeout(SUSPECTED_AFTER, heard.changed()).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => return,
                Err(_) => {}
            }
            let Some((leader, address)) = self.other_leader() else {
                // Nobody to be missed: this node leads, or an election goes on.
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

    /// Whom this node follows, and where that one listens.
    fn other_leader(&self) -> Option<(NodeId, String)> {
        let metrics = self.raft().metrics().borrow().clone();
        let leader = metrics.current_leader.filter(|&leader| leader != metrics.id)?;
        let node = metrics.membership_config.membership().get_node(&leader)?;
        Some((leader, node.addr.clone()))
    }

    fn follows_still(&self, leader: NodeId) -> bool {
        self.other_leader().is_some_and(|(now, _)| now == leader)
    }

    /// How long this node lets others stand first: those with a say and a lower number, but for who is gone.
    fn turn(&self, gone: NodeId) -> Duration {
        let here = self.identity().node;
        let before = |member: &super::Member| member.votes && member.node < here;
        let members = self.members().into_iter().filter(before);
        let first = members.filter(|member| member.node != gone).count();
        TURN * u32::try_from(first).unwrap_or(u32::MAX)
    }
}
