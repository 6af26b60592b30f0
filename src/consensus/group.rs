//! A node's view of its group: lists the members, checks whether the node still leads, and adds members.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use openraft::error::{
    ChangeMembershipError, CheckIsLeaderError, ClientWriteError, ForwardToLeader, RaftError,
};
use openraft::{BasicNode, ChangeMembers, Raft};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{sleep, timeout};

use super::entry::{Command, Kind, NodeId};
use super::evidence::Evidence;
use super::identity::Identity;
use super::incoming::Incoming;
use super::leadership::{leader, leads};
use super::removed_members::RemovedMembers;
use super::tables::Tables;
use super::{Leadership, ProposeError};
use crate::rpc::client;

/// How long a majority may take to confirm that a leader still leads.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);
/// Pause between two requests for that.
const CONFIRM_PAUSE: Duration = Duration::from_millis(20);
/// How long a new member may take to catch up.
const ADMIT_WITHIN: Duration = Duration::from_secs(30);
/// How long the members may then take to agree on it.
pub(super) const DECIDE_WITHIN: Duration = Duration::from_secs(5);

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub node: u64,
    /// Where others reach it.
    pub address: String,
    /// Whether it votes. A member that is being admitted does not vote yet.
    pub votes: bool,
}

/// A node's role and progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it believes that it leads.
    pub leads: bool,
    /// Its term.
    pub term: u64,
    /// The index of the last entry that it has applied.
    pub applied: u64,
}

/// A node's view of its group. Clones share it.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    raft: Raft<Kind>,
    identity: Identity,
    folder: PathBuf,
    leadership: watch::Receiver<Leadership>,
    removed_members: Arc<RemovedMembers>,
    evidence: Arc<Evidence>,
    /// The log, while the node is open.
    tables: Weak<Tables>,
    /// Counts the calls of [`Group::confirm`].
    asked: AtomicU64,
    round: Mutex<Round>,
    incoming: Incoming,
    changing: Mutex<()>,
    /// Changes with each message from a leader.
    heard: watch::Sender<()>,
    /// True while this node hands leadership over.
    yields: AtomicBool,
    /// How to connect to other masters.
    links: client::Options,
}

/// The last round in which a majority was asked whether this node leads.
struct Round {
    /// How many calls had been made before the round began. It answers those.
    answers: u64,
    answer: Result<(), ProposeError>,
}

impl Group {
    pub(super) fn new(
        raft: Raft<Kind>,
        (identity, folder): (Identity, PathBuf),
        leadership: watch::Receiver<Leadership>,
        (removed_members, evidence, tables): (Arc<RemovedMembers>, Arc<Evidence>, Weak<Tables>),
        incoming: Incoming,
        links: client::Options,
    ) -> Self {
        let round = Mutex::new(Round { answers: 0, answer: Ok(()) });
        let inner = Inner {
            raft,
            identity,
            folder,
            leadership,
            removed_members,
            evidence,
            tables,
            asked: AtomicU64::new(0),
            round,
            incoming,
            changing: Mutex::default(),
            heard: watch::Sender::new(()),
            yields: AtomicBool::new(false),
            links,
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn raft(&self) -> &Raft<Kind> {
        &self.inner.raft
    }

    /// Records that a message from a leader has arrived.
    pub(super) fn hear(&self) {
        self.inner.heard.send_replace(());
    }

    pub(super) fn leader_messages(&self) -> watch::Receiver<()> {
        self.inner.heard.subscribe()
    }

    pub(super) fn incoming(&self) -> &Incoming {
        &self.inner.incoming
    }

    pub(super) fn removed_members(&self) -> &RemovedMembers {
        &self.inner.removed_members
    }

    pub(super) fn evidence(&self) -> &Evidence {
        &self.inner.evidence
    }

    pub(super) fn tables(&self) -> Option<Arc<Tables>> {
        self.inner.tables.upgrade()
    }

    /// Records what members report about themselves, while this node leads and until it ends.
    pub(super) async fn record_news(self) {
        let mut leadership = self.leadership();
        let ended = async { while leadership.changed().await.is_ok() {} };
        let recording = async {
            loop {
                self.evidence().news().await;
                if !self.standing().leads
                    || self.yields().load(Ordering::SeqCst)
                    || !self.evidence().has_news()
                {
                    continue;
                }
                let notes = self.evidence().notes(self.raft());
                let written = self.raft().client_write(Command { notes, ..Command::default() });
                // If this is not committed in time, the member's next message triggers it again.
                let _recorded_or_later = timeout(DECIDE_WITHIN, written).await;
            }
        };
        tokio::select! {
            biased;
            () = ended => {}
            () = recording => {}
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Locks the list of members, because changes are made one at a time.
    pub(super) fn one_at_a_time(&self) -> Result<MutexGuard<'_, ()>, ProposeError> {
        self.inner.changing.try_lock().map_err(|_| {
            let what = "another master is being added or removed".to_string();
            ProposeError::Busy { what }
        })
    }

    pub(super) fn links(&self) -> &client::Options {
        &self.inner.links
    }

    /// Whether this node refuses proposals because it is handing leadership over.
    pub(super) fn yields(&self) -> &AtomicBool {
        &self.inner.yields
    }

    /// The answer of a node that does not lead, or is about to stop leading.
    pub(super) fn follows(&self) -> ProposeError {
        ProposeError::NotLeader { leader: leader(&self.raft().metrics().borrow()) }
    }

    /// This node's number.
    pub fn identity(&self) -> Identity {
        self.inner.identity
    }

    /// The node's role, to be watched.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Lists all members, ordered by number.
    pub fn members(&self) -> Vec<Member> {
        let membership = Arc::clone(&self.raft().metrics().borrow().membership_config);
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let member = |(&node, known): (&NodeId, &BasicNode)| Member {
            node,
            address: known.addr.clone(),
            votes: voters.contains(&node),
        };
        membership.nodes().map(member).collect()
    }

    /// Whether this node is the only voter of its group.
    pub fn is_alone(&self) -> bool {
        is_alone(self.raft(), self.identity().node)
    }

    /// Returns this node's role and progress.
    pub fn standing(&self) -> Standing {
        let metrics = self.raft().metrics().borrow().clone();
        Standing {
            leads: leads(&metrics, self.identity().node),
            term: metrics.current_term,
            applied: metrics.last_applied.map_or(0, |id| id.index),
        }
    }

    /// Confirms with a majority that this node has led since the call. Then reads of the machine since the call are
    /// linearizable.
    ///
    /// All callers that come during a round share the next one.
    ///
    /// # Errors
    /// If this node does not lead, or no majority confirms it in time.
    pub async fn confirm(&self) -> Result<(), ProposeError> {
        if self.yields().load(Ordering::SeqCst) {
            return Err(self.follows());
        }
        if self.is_alone() && self.standing().leads {
            return Ok(());
        }
        let count = self.inner.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut round = self.inner.round.lock().await;
        if round.answers < count {
            let answers = self.inner.asked.load(Ordering::SeqCst);
            let asked = timeout(CONFIRM_WITHIN, self.ask()).await;
            *round = Round { answers, answer: asked.unwrap_or_else(|_| Err(self.no_quorum())) };
        }
        round.answer.clone()
    }

    async fn ask(&self) -> Result<(), ProposeError> {
        loop {
            match self.raft().ensure_linearizable().await {
                Ok(_) => return Ok(()),
                Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(other))) => {
                    return Err(not_leader(other));
                }
                Err(RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(_))) => {
                    sleep(CONFIRM_PAUSE).await;
                }
                Err(RaftError::Fatal(fatal)) => {
                    return Err(ProposeError::Stopped { why: fatal.to_string() });
                }
            }
        }
    }

    pub(super) fn no_quorum(&self) -> ProposeError {
        let voters = self.members().into_iter().filter(|member| member.votes);
        let voters: Vec<String> =
            voters.map(|member| format!("m{} {}", member.node, member.address)).collect();
        ProposeError::NoQuorum { voters: voters.join(", ") }
    }

    /// Adds a master: it receives the log, and then votes. May be repeated.
    ///
    /// # Errors
    /// If this node does not lead, the number is taken, or the new member does not catch up in time.
    pub async fn admit(&self, node: u64, address: &str) -> Result<(), ProposeError> {
        let members = self.members();
        let removed = self.removed();
        if removed.contains(&node) {
            let known = members.iter().map(|member| member.node).chain(removed);
            let what = format!(
                "master {node} was removed, and its number is not used again\nhint: give --id {}",
                known.max().unwrap_or_default() + 1
            );
            return Err(ProposeError::Taken { what });
        }
        match members.iter().find(|member| member.node == node) {
            Some(member) if member.address != address => {
                let what = format!(
                    "master {node} already exists at {}\nhint: give another --id",
                    member.address
                );
                return Err(ProposeError::Taken { what });
            }
            Some(member) if member.votes && !self.is_changing() => return Ok(()),
            _ => {}
        }
        if let Some(other) = members.iter().find(|it| it.address == address && it.node != node) {
            let what = format!(
                "{address} already belongs to master {}\nhint: give another --listen",
                other.node
            );
            return Err(ProposeError::Taken { what });
        }
        // The task continues even if the caller gives up: half a change would be worse than none.
        let new = Some((node, address.to_string()));
        let changed = tokio::spawn(self.clone().change(new, ADMIT_WITHIN));
        match timeout(ADMIT_WITHIN + DECIDE_WITHIN, changed).await {
            Ok(changed) => changed
                .unwrap_or_else(|error| Err(ProposeError::Stopped { why: error.to_string() })),
            Err(_) => Err(self.no_quorum()),
        }
    }

    /// Completes a change of the members that an earlier leader has begun. Until then, commits need majorities of both
    /// the old and the new members.
    ///
    /// # Errors
    /// If this node does not lead, or is ending.
    pub async fn end_change(&self) -> Result<(), ProposeError> {
        if self.is_changing() { self.clone().change(None, ADMIT_WITHIN).await } else { Ok(()) }
    }

    /// Whether the members are being changed. Until that is done, majorities of both the old and the new members
    /// decide.
    pub(super) fn is_changing(&self) -> bool {
        let membership = Arc::clone(&self.raft().metrics().borrow().membership_config);
        membership.membership().get_joint_config().len() > 1
    }

    /// Adds a member, if one is named and catches up in time, and completes any change that was begun.
    pub(super) async fn change(
        self,
        new: Option<(NodeId, String)>,
        within: Duration,
    ) -> Result<(), ProposeError> {
        let _one_at_a_time = self.one_at_a_time()?;
        let mut voters = BTreeSet::new();
        if let Some((node, address)) = new {
            // A master that cannot be reached must not prevent others from joining.
            let Ok(caught_up) = timeout(within, self.bring(node, &address)).await else {
                self.confirm().await?;
                let within_s = within.as_secs();
                return Err(ProposeError::Behind { node, address, within_s });
            };
            caught_up?;
            voters.insert(node);
        }
        let changed = self.raft().change_membership(ChangeMembers::AddVoterIds(voters), false);
        changed.await.map(drop).map_err(write_error)
    }

    /// Replicates the log to a new member, however long that takes.
    async fn bring(&self, node: NodeId, address: &str) -> Result<(), ProposeError> {
        // openraft's own wait for this has no deadline, and a timeout around it did not end it.
        let learner = self.raft().add_learner(node, BasicNode::new(address), false);
        let added = Some(learner.await.map_err(write_error)?.log_id);
        let mut metrics = self.raft().metrics();
        let caught_up = metrics.wait_for(|now| {
            let replication = now.replication.as_ref();
            replication.and_then(|all| *all.get(&node)?) >= added
        });
        let stopped = |_| ProposeError::Stopped { why: "its Raft task has ended".to_string() };
        caught_up.await.map(drop).map_err(stopped)
    }
}

pub(super) fn is_alone(raft: &Raft<Kind>, node: NodeId) -> bool {
    raft.metrics().borrow().membership_config.voter_ids().eq([node])
}

fn not_leader(other: ForwardToLeader<NodeId, BasicNode>) -> ProposeError {
    ProposeError::NotLeader { leader: other.leader_node.map(|node| node.addr) }
}

/// Maps an openraft error of a write to ours.
pub(super) fn write_error(
    error: RaftError<NodeId, ClientWriteError<NodeId, BasicNode>>,
) -> ProposeError {
    match error {
        RaftError::Fatal(fatal) => ProposeError::Stopped { why: fatal.to_string() },
        RaftError::APIError(ClientWriteError::ForwardToLeader(other)) => not_leader(other),
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            busy @ ChangeMembershipError::InProgress(_),
        )) => ProposeError::Busy { what: busy.to_string() },
        RaftError::APIError(error) => ProposeError::Stopped { why: error.to_string() },
    }
}
