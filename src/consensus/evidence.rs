//! Detects a master's folder that was restored from an old copy: all masters record each master's starts and last
//! entry.
//!
//! A master that has forgotten votes or entries must not take part: together with a master that lags behind, it could
//! form a majority that agrees on a different history. Each folder counts how often a master was started in it. The
//! log, and therefore every folder, records two facts about each member: the number of its last start, and the last
//! entry that it has acknowledged.
//!
//! ```text
//!   each message ──► from, its start, what the sender knows of the receiver
//!                        │                      │
//!                        │                      └─► higher than the receiver's own: its folder is an old copy, it ends
//!                        └─► higher than what is recorded: the leader records it with the next entry
//! ```
//!
//! These facts also show whether the other masters have agreed on a different history without this one. A leader's log
//! that differs from what this master has applied is refused before openraft sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::entry::{Command, Kind, LogId, NodeId, Notes, Start, Vote};
use super::{Fatal, OnFatal, Unreadable};

/// Length of a number in a snapshot.
const NUMBER_BYTES: usize = 8;

/// The agreed facts about one member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its last start.
    pub(super) start: Start,
    /// The index of the last entry that is known to be on its disk; 0 if none is.
    pub(super) acknowledged: u64,
}

/// What one member knows about all members, by their numbers.
pub(super) type Records = BTreeMap<NodeId, Known>;

/// The envelope around every message between masters, in both directions.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope {
    /// The sender.
    pub(super) from: NodeId,
    /// The sender's start.
    pub(super) start: Start,
    /// What the sender knows about the receiver.
    pub(super) known: Known,
    /// The message, in bincode.
    pub(super) body: Vec<u8>,
}

/// Why an envelope could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unopened {
    /// The bytes are not an envelope, or it contains another message.
    #[error(
        "cannot decode a message from another master: {0}\nhint: run the same version of gristmill on all masters"
    )]
    Unreadable(#[from] bincode::Error),
    /// This master must not take part.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// What this node knows about itself and about the others.
pub(super) struct Evidence {
    node: NodeId,
    own: Start,
    folder: PathBuf,
    on_fatal: OnFatal,
    has_failed: AtomicBool,
    facts: Mutex<Facts>,
    /// Notified when there is something to record that is not in any entry yet.
    news: Notify,
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence").field("own", &self.own).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Facts {
    /// Depends only on the entries that were applied.
    records: Records,
    /// Starts that members have reported, recorded or not.
    heard: BTreeMap<NodeId, Start>,
    /// The last entry that this node has applied.
    applied: Option<LogId>,
    /// The index of the last entry that this node has on its disk.
    last: u64,
    /// The last of this node's entries that each member has acknowledged, while this node leads by this vote.
    acknowledged: BTreeMap<NodeId, (Vote, u64)>,
    /// Whether a member has lost entries that it had acknowledged.
    is_reverted: bool,
}

impl Evidence {
    /// Starts with the last entry on the disk, and with the records of a snapshot if there is one.
    pub(super) fn new(
        node: NodeId,
        own: Start,
        last: u64,
        (folder, on_fatal): (PathBuf, OnFatal),
    ) -> Self {
        let facts = Facts { last, heard: BTreeMap::from([(node, own)]), ..Facts::default() };
        let (has_failed, news) = (AtomicBool::new(false), Notify::new());
        Self { node, own, folder, on_fatal, has_failed, facts: Mutex::new(facts), news }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("code that holds this lock cannot panic")
    }

    /// Puts a message to another node into its envelope.
    pub(super) fn seal(
        &self,
        to: NodeId,
        message: &impl Serialize,
    ) -> Result<Vec<u8>, bincode::Error> {
        let body = bincode::serialize(message)?;
        let known = self.facts().records.get(&to).copied().unwrap_or_default();
        bincode::serialize(&Envelope { from: self.node, start: self.own, known, body })
    }

    /// Takes a call out of its envelope, and returns the node that claims to have sent it.
    ///
    /// # Errors
    /// If it shows that this node's folder is an old copy: the node must end.
    pub(super) fn open<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<(NodeId, T), Unopened> {
        let envelope: Envelope = bincode::deserialize(bytes)?;
        if let Err(what) = self.compare(&envelope) {
            let anew = "restore the newest copy of this folder, or remove this master with `gristmill masters \
                        remove` and join again with an empty folder and another --id";
            return Err(self.fail(format!("this folder is an older copy: {what}"), anew).into());
        }
        Ok((envelope.from, bincode::deserialize(&envelope.body)?))
    }

    /// Takes an answer out of its envelope. The answer came from a member's own address, so the member's start is
    /// recorded. A call may come from any process.
    ///
    /// # Errors
    /// As [`Evidence::open`].
    pub(super) fn open_answer<T: DeserializeOwned>(
        &self,
        from: NodeId,
        bytes: &[u8],
    ) -> Result<T, Unopened> {
        let (_, answer) = self.open(bytes)?;
        let envelope: Envelope = bincode::deserialize(bytes)?;
        if envelope.from == from {
            self.hear(from, envelope.start);
        }
        Ok(answer)
    }

    /// Ends the node.
    pub(super) fn fail(&self, what: String, hint: &str) -> Fatal {
        let message = format!("{what}: {}\nhint: {hint}", self.folder.display());
        let fatal = Fatal { message };
        // Several messages may show this at once, but it is reported only once.
        if !self.has_failed.swap(true, Ordering::SeqCst) {
            (self.on_fatal)(fatal.clone());
        }
        fatal
    }

    /// Records that a member reports its start.
    fn hear(&self, node: NodeId, start: Start) {
        let mut facts = self.facts();
        let heard = facts.heard.entry(node).or_default();
        if start.count > heard.count {
            *heard = start;
        }
        if start.count > facts.records.get(&node).map_or(0, |known| known.start.count) {
            self.news.notify_one();
        }
    }

    /// Compares an envelope with this node's own facts. Returns what is wrong with this node's folder, if anything.
    fn compare(&self, envelope: &Envelope) -> Result<(), String> {
        let facts = self.facts();
        // A majority has let this start take part, so a single master that disagrees is in the minority.
        if facts.records.get(&self.node).is_some_and(|known| known.start == self.own) {
            return Ok(());
        }
        let (Known { start, acknowledged }, from) = (envelope.known, envelope.from);
        let Start { count, incarnation } = start;
        if count > self.own.count {
            return Err(format!(
                "master {from} has recorded start number {count} for this folder, but this is only start number {}",
                self.own.count
            ));
        }
        if count == self.own.count && incarnation != self.own.incarnation {
            return Err(format!(
                "this is start number {count} of this folder, but master {from} has recorded another \
                 process under that number"
            ));
        }
        if acknowledged > facts.last {
            return Err(format!(
                "master {from} knows that entry {acknowledged} was written to this folder, but \
                  the folder's last entry is {}",
                facts.last
            ));
        }
        Ok(())
    }

    /// The facts that the leader adds to its next entry.
    pub(super) fn notes(&self, raft: &openraft::Raft<Kind>) -> Notes {
        // Cloned at once, because openraft waits while it is borrowed.
        let replication = raft.metrics().borrow().replication.clone().unwrap_or_default();
        let far = |(node, id): (NodeId, Option<LogId>)| id.map(|id| (node, id.index));
        let acknowledged = replication.into_iter().filter_map(far).collect();
        Notes { starts: self.unrecorded(), acknowledged }
    }

    /// Records that a member has acknowledged entries up to this one to the leader of this vote.
    pub(super) fn acknowledge(&self, node: NodeId, vote: Vote, index: u64) {
        let mut facts = self.facts();
        let known = facts.acknowledged.entry(node).or_insert((vote, index));
        *known = if known.0 == vote { (vote, known.1.max(index)) } else { (vote, index) };
    }

    /// A member lacks the entry of this index. Returns whether it had acknowledged that entry to the leader of this
    /// vote. If so, this is recorded, so that the member learns of it.
    pub(super) fn is_reverted(&self, node: NodeId, vote: Vote, index: u64) -> bool {
        let mut facts = self.facts();
        let known = facts.acknowledged.get(&node);
        let is_reverted = known.is_some_and(|known| known.0 == vote && known.1 >= index);
        if is_reverted {
            facts.is_reverted = true;
            self.news.notify_one();
        }
        is_reverted
    }

    /// The reported starts that are not recorded yet.
    fn unrecorded(&self) -> Vec<(NodeId, Start)> {
        let facts = self.facts();
        let is_new = |node: &NodeId, start: &Start| {
            start.count > facts.records.get(node).map_or(0, |known| known.start.count)
        };
        let heard = facts.heard.iter().filter(|(node, start)| is_new(node, start));
        heard.map(|(&node, &start)| (node, start)).collect()
    }

    /// Waits until there may be something to record that is not in any entry yet.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Whether there is something to record. Asked once for each loss of entries.
    pub(super) fn has_news(&self) -> bool {
        let is_reverted = std::mem::take(&mut self.facts().is_reverted);
        is_reverted || !self.unrecorded().is_empty()
    }

    /// Records that an entry was applied. Its leader had it on its disk before any other member.
    pub(super) fn apply(&self, log_id: LogId, command: Option<&Command>) {
        let mut facts = self.facts();
        facts.applied = Some(log_id);
        facts.last = facts.last.max(log_id.index);
        let by = facts.records.entry(log_id.leader_id.node_id).or_default();
        by.acknowledged = by.acknowledged.max(log_id.index);
        let Some(Command { notes, .. }) = command else { return };
        for &(node, index) in &notes.acknowledged {
            let known = facts.records.entry(node).or_default();
            known.acknowledged = known.acknowledged.max(index);
        }
        for &(node, start) in &notes.starts {
            let known = facts.records.entry(node).or_default();
            if start.count > known.start.count {
                known.start = start;
            }
        }
    }

    /// Records which entry is now the last one on the disk.
    pub(super) fn set_last(&self, index: u64) {
        self.facts().last = index;
    }

    /// The last entry that was applied.
    pub(super) fn applied(&self) -> Option<LogId> {
        self.facts().applied
    }

    /// Writes the records before the rest of a snapshot.
    pub(super) fn saved(&self, rest: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
        let records = bincode::serialize(&self.facts().records);
        let records = records.map_err(|error| Unreadable(error.to_string()))?;
        let mut body = Vec::with_capacity(NUMBER_BYTES + records.len() + rest.len());
        body.extend((records.len() as u64).to_le_bytes());
        body.extend(records);
        body.extend(rest);
        Ok(body)
    }

    /// Restores the records from a snapshot, and returns the rest of it.
    pub(super) fn load<'b>(
        &self,
        last: Option<LogId>,
        body: &'b [u8],
    ) -> Result<&'b [u8], Unreadable> {
        let (records, rest) = split(body)?;
        let mut facts = self.facts();
        facts.records = records;
        facts.applied = last;
        facts.last = facts.last.max(last.unwrap_or_default().index);
        Ok(rest)
    }

    /// Whether a snapshot's records lack what this node has applied. If they do, the snapshot belongs to a different
    /// history.
    pub(super) fn lacks(&self, theirs: &Records) -> Option<String> {
        let facts = self.facts();
        facts.records.iter().find_map(|(node, ours)| {
            let theirs = theirs.get(node).copied().unwrap_or_default();
            let lacks =
                theirs.start.count < ours.start.count || theirs.acknowledged < ours.acknowledged;
            lacks.then(|| {
                format!(
                    "for master {node}, the leader's snapshot has start count {} and last entry {}, but \
                     this master has recorded start count {} and last entry {}",
                    theirs.start.count, theirs.acknowledged, ours.start.count, ours.acknowledged
                )
            })
        })
    }
}

/// The records in a snapshot, and the bytes after them.
pub(super) fn split(body: &[u8]) -> Result<(Records, &[u8]), Unreadable> {
    let short = || Unreadable("the snapshot is truncated within the masters' records".into());
    let (bytes, rest) = body.split_first_chunk::<NUMBER_BYTES>().ok_or_else(short)?;
    let bytes = usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| short())?;
    let (records, rest) = rest.split_at_checked(bytes).ok_or_else(short)?;
    let records = bincode::deserialize(records).map_err(|error| Unreadable(error.to_string()))?;
    Ok((records, rest))
}
