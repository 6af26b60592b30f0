//! Reports whether this node leads, once that is certain.

use std::sync::Arc;
use std::time::Duration;

use openraft::{BasicNode, Raft, RaftMetrics};
use tokio::sync::watch;
use tokio::time::timeout;

use super::entry::{Command, Kind, NodeId};
use super::evidence::Evidence;

/// How long a new leader waits for its first entry to be committed before it checks again whether it still leads.
const FIRST_WITHIN: Duration = Duration::from_secs(1);
/// Pause before the next try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A node's role in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leadership {
    /// It leads, and has applied all entries that were committed before.
    Leads {
        /// The index of the first entry of this leadership. It is unique, and rises with each leadership.
        since: u64,
    },
    /// Another node leads, or none does.
    Follows {
        /// Where the leader listens, if it is known.
        leader: Option<String>,
    },
}

/// Reports the node's role until it ends.
pub(super) async fn watch_leadership(
    raft: Raft<Kind>,
    node: NodeId,
    evidence: Arc<Evidence>,
    tell: watch::Sender<Leadership>,
) {
    let mut metrics = raft.metrics();
    let mut announced = None;
    loop {
        // Cloned at once, because openraft waits while it is borrowed.
        let now = metrics.borrow_and_update().clone();
        if !leads(&now, node) {
            announced = None;
            let leader = leader(&now);
            tell.send_if_modified(|told| replace(told, Leadership::Follows { leader }));
        } else if announced != Some(now.current_term) {
            // Once this entry is applied, so are all earlier ones.
            let first = Command { notes: evidence.notes(&raft), ..Command::default() };
            match timeout(FIRST_WITHIN, raft.client_write(first)).await {
                Ok(Ok(written)) => {
                    announced = Some(written.log_id.leader_id.term);
                    let since = written.log_id.index;
                    tell.send_if_modified(|told| replace(told, Leadership::Leads { since }));
                }
                Ok(Err(_)) | Err(_) => tokio::time::sleep(FIRST_PAUSE).await,
            }
            continue;
        }
        if metrics.changed().await.is_err() {
            break;
        }
    }
    tell.send_if_modified(|told| replace(told, Leadership::Follows { leader: None }));
}

fn replace(told: &mut Leadership, now: Leadership) -> bool {
    let is_news = *told != now;
    *told = now;
    is_news
}

pub(super) fn leads(metrics: &RaftMetrics<NodeId, BasicNode>, node: NodeId) -> bool {
    metrics.running_state.is_ok()
        && metrics.state.is_leader()
        && metrics.current_leader == Some(node)
}

/// Where the leader listens.
pub(super) fn leader(metrics: &RaftMetrics<NodeId, BasicNode>) -> Option<String> {
    let leader = metrics.current_leader.filter(|&leader| leader != metrics.id)?;
    let node = metrics.membership_config.membership().get_node(&leader);
    node.map(|node| node.addr.clone())
}
