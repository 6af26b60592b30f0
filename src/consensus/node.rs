//! A node of the group: starts from its folder, proposes commands, and closes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use openraft::{BasicNode, ChangeMembers, Config, Raft, SnapshotPolicy};
use tokio::sync::watch;
use tokio::time::timeout;

use super::apply::Applier;
use super::digest::Digests;
use super::disk_stall::stalled;
use super::entry::{Command, Kind, NodeId, Start, Vote};
use super::evidence::Evidence;
use super::group::{is_alone, write_error};
use super::identity::{INCOMING, Identity};
use super::incoming::Incoming;
use super::leadership::watch_leadership;
use super::log_store::{Growth, LogStore};
use super::network::{Core, Network};
use super::plausible::TERM_MAX;
use super::removal::was_removed;
use super::removed_members::RemovedMembers;
use super::snapshot::{SNAPSHOTS, Snapshots, newest};
use super::tables::{LOG_FILE, Tables, VOTE};
use super::writer::Writer;
use super::{Disk, Error, Fatal, Group, Leadership, Machine, OnFatal, ProposeError, Unreadable};
use crate::crash::crash_point;
use crate::model::{TEXT_CHARS_MAX, escape};
use crate::rpc::client;

/// Milliseconds between a leader's heartbeats, and the time limit of each answer.
const HEARTBEAT_MS: u64 = 100;
/// Tries to open a log that another process, which may be ending, has open.
const IN_USE_LOOKS: u32 = 20;
/// Pause between two of these tries.
const IN_USE_EVERY: Duration = Duration::from_millis(100);
/// How long the first agreement after a start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long one write to the disk may take if other masters can take over.
const SHARED_DISK_PATIENCE: Duration = Duration::from_secs(3);
/// How long a proposal may take if a majority may be gone.
const AGREE_WITHIN: Duration = Duration::from_secs(5);
/// Most names that an error lists of a folder's contents.
const STRANGERS_NAMED: usize = 3;
/// How long it may take until the files are closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// When a node takes snapshots, and when it starts elections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of log after which a snapshot is taken, or the size of the last snapshot if that is larger. So snapshots
    /// cost no more than the log does.
    pub log_bytes: u64,
    /// Entries in the log after which a snapshot is always taken.
    pub log_entries: u64,
    /// Entries before the newest snapshot that are kept for masters that are a little behind.
    pub kept_entries: u64,
    /// Lease of a silent leader, in milliseconds. After it, a follower waits for another half to whole lease, drawn at
    /// random at its start, before it starts an election. It starts one at once if the leader's process is known to
    /// have ended.
    pub believed_ms: u64,
    /// The smallest wait that can be drawn, if not half the lease. A simulation sets it so that only one value can be
    /// drawn.
    pub drawn_ms_least: Option<u64>,
    /// How long one write to the disk may take. In a group of one, no other master can take over, so this is longer
    /// than an election takes.
    pub disk_patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            log_bytes: 16 << 20,
            log_entries: 100_000,
            kept_entries: 64,
            believed_ms: 600,
            drawn_ms_least: None,
            disk_patience: Duration::from_secs(30),
        }
    }
}

/// What a node starts in an empty folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Nothing: the folder is refused.
    Nothing,
    /// A new cluster with this node as its only member.
    Cluster {
        /// Its random number.
        cluster: u128,
    },
    /// A node that waits to be admitted by a member of that cluster.
    Member {
        /// The cluster's random number.
        cluster: u128,
    },
}

/// Options of a node.
#[derive(Clone)]
pub struct Options {
    /// Its folder.
    pub folder: PathBuf,
    /// Its number.
    pub node: u64,
    /// Where other nodes reach it.
    pub address: String,
    /// What to start if the folder is empty.
    pub begin: Begin,
    /// A random number, drawn when this process started.
    pub incarnation: u128,
    /// How other masters are reached.
    pub links: client::Options,
    /// When it takes snapshots and starts elections.
    pub limits: Limits,
    /// Replaces the file under its log, in a simulation.
    pub disk: Option<Arc<dyn Disk>>,
    /// Called when the process must end.
    pub on_fatal: OnFatal,
}

/// A running node. It stops when it is closed.
pub struct Node {
    raft: Raft<Kind>,
    group: Group,
    digests: Arc<Digests>,
    evidence: Arc<Evidence>,
    /// The sender is dropped when the files are closed.
    writes: watch::Receiver<u64>,
}

impl Node {
    /// Starts a node. If it is the only member of its group, it leads when this returns, and the machine has applied
    /// everything that was committed. Otherwise wait for that with [`Group::leadership`].
    ///
    /// # Errors
    /// If the folder is damaged or not this node's, or if the disk of a single node does not answer.
    pub async fn open<M: Machine>(options: Options, machine: Arc<M>) -> Result<Self, Error> {
        let identity = claim(&options)?;
        let digests = Arc::<Digests>::default();
        let removed_members = Arc::<RemovedMembers>::default();
        let started = start(&options, identity, machine, (&digests, &removed_members)).await?;
        let Started { raft, writes, evidence, tables } = started;
        let (tell, leadership) = watch::channel(Leadership::Follows { leader: None });
        let watched = watch_leadership(raft.clone(), identity.node, Arc::clone(&evidence), tell);
        tokio::spawn(watched);
        let incoming = Incoming::at(Snapshots::incoming_path(&options.folder));
        let (whose, links) = ((identity, options.folder.clone()), options.links.clone());
        let records = (removed_members, Arc::clone(&evidence), tables);
        let group = Group::new(raft.clone(), whose, leadership, records, incoming, links);
        let believed = Duration::from_millis(options.limits.believed_ms);
        tokio::spawn(group.clone().watch_leader(believed));
        tokio::spawn(group.clone().record_news());
        let node = Self { raft, group, digests, evidence, writes };
        node.begin(identity, &options).await?;
        Ok(node)
    }

    /// Returns this node's view of its group.
    pub fn group(&self) -> Group {
        self.group.clone()
    }

    /// Proposes a command, and returns the machine's answer once it is committed and applied.
    ///
    /// # Errors
    /// If this node does not lead or has stopped, or if no majority agrees in time: then the command may still be
    /// applied later.
    pub async fn propose(&self, command: Vec<u8>) -> Result<Vec<u8>, ProposeError> {
        if self.group.yields().load(Ordering::SeqCst) {
            return Err(self.group.follows());
        }
        let notes = self.evidence.notes(&self.raft);
        let command = Command { body: command, last_applied: self.digests.last(), notes };
        crash_point!("l02");
        let written = self.raft.client_write(command);
        let within = if self.group.is_alone() { Duration::MAX } else { AGREE_WITHIN };
        match timeout(within, written).await {
            Ok(written) => written.map(|written| written.data.0).map_err(write_error),
            Err(_) => Err(self.group.no_quorum()),
        }
    }

    /// Counts the entries in the log.
    #[cfg(test)]
    pub(super) async fn log_entries(&self) -> u64 {
        let metrics = self.raft.metrics().borrow().clone();
        let purged = metrics.purged.map_or(0, |id| id.index);
        metrics.last_log_index.unwrap_or(0) - purged
    }

    /// Stops, and closes the files.
    pub async fn close(self) {
        let Self { raft, group, mut writes, .. } = self;
        // Whatever the result, the node has stopped afterwards.
        let _joined_or_panicked = raft.shutdown().await;
        drop((raft, group));
        let closed = async { while writes.changed().await.is_ok() {} };
        // A reader may keep the files open a little longer.
        let _closed_or_late = timeout(CLOSE_PATIENCE, closed).await;
    }

    /// Creates a group of one if there is none. The only member of a group waits until it leads.
    async fn begin(&self, identity: Identity, options: &Options) -> Result<(), Error> {
        let stopped = |what: &dyn std::fmt::Display| Error::NoQuorum { what: what.to_string() };
        let is_begun = self.raft.is_initialized().await.map_err(|error| stopped(&error))?;
        let here = BTreeMap::from([(identity.node, BasicNode::new(&options.address))]);
        if !is_begun && !identity.is_guest {
            self.raft.initialize(here.clone()).await.map_err(|error| stopped(&error))?;
        }
        let members = members(&self.raft).await.map_err(|error| stopped(&error))?;
        let known = members.get(&identity.node);
        let has_moved = known.is_some_and(|known| *known != options.address);
        if members.len() == 1 && known.is_some() {
            let mut leadership = self.group.leadership();
            let leads = leadership.wait_for(|now| matches!(now, Leadership::Leads { .. }));
            let waited = timeout(START_PATIENCE, leads).await.map_err(|late| stopped(&late))?;
            drop(waited.map_err(|ended| stopped(&ended))?);
            if has_moved {
                let moved = self.raft.change_membership(ChangeMembers::SetNodes(here), true).await;
                moved.map_err(|error| stopped(&error))?;
            }
        } else if has_moved {
            return Err(Error::Moved {
                path: options.folder.clone(),
                node: identity.node,
                known: known.cloned().unwrap_or_default(),
            });
        }
        Ok(())
    }
}

/// The members' addresses, by their numbers.
async fn members(
    raft: &Raft<Kind>,
) -> Result<BTreeMap<NodeId, String>, openraft::error::Fatal<NodeId>> {
    raft.with_raft_state(|state| {
        let nodes = state.membership_state.effective().nodes();
        nodes.map(|(&node, known)| (node, known.addr.clone())).collect()
    })
    .await
}

/// Finds out which master the folder belongs to, and initializes a new one.
fn claim(options: &Options) -> Result<Identity, Error> {
    let folder = options.folder.as_path();
    let path = folder.to_path_buf();
    let has_log = folder.join(LOG_FILE).exists();
    match (Identity::read(folder)?, options.begin) {
        (Some(found), _) if found.node != options.node => {
            Err(Error::OtherNode { path, found: found.node })
        }
        (Some(found), _) if was_removed(folder) => Err(Error::Removed { path, node: found.node }),
        (Some(found), _) if !has_log => {
            Err(Error::Wiped { path, node: found.node, missing: LOG_FILE.into() })
        }
        (Some(found), _) => Ok(found),
        (None, _) if has_log => Err(Error::Nameless { path, found: LOG_FILE.into() }),
        (None, Begin::Nothing) => Err(Error::Empty { path }),
        (None, _) if let Some(found) = strangers(folder)? => Err(Error::NotEmpty { path, found }),
        (None, Begin::Cluster { cluster }) => {
            let identity = Identity { cluster, node: options.node, is_guest: false };
            make(options, identity).map(|()| identity)
        }
        (None, Begin::Member { cluster }) => {
            let identity = Identity { cluster, node: options.node, is_guest: true };
            make(options, identity).map(|()| identity)
        }
    }
}

/// The names of files in a folder that are neither from an interrupted start nor part of every file system.
fn strangers(folder: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::Disk { what: "read", path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_empty =
            || fs::read_dir(entry.path()).is_ok_and(|mut entries| entries.next().is_none());
        let is_ours =
            name.starts_with(INCOMING) || name == "lost+found" || name == SNAPSHOTS && is_empty();
        if !is_ours {
            names.push(format!("`{}`", escape(name.as_bytes(), TEXT_CHARS_MAX)));
        }
    }
    names.sort();
    let more = names.len().saturating_sub(STRANGERS_NAMED);
    names.truncate(STRANGERS_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok((!names.is_empty()).then(|| names.join(", ") + &more))
}

fn make(options: &Options, identity: Identity) -> Result<(), Error> {
    let folder = options.folder.as_path();
    let snapshots = folder.join(SNAPSHOTS);
    let made = fs::create_dir_all(&snapshots);
    made.map_err(|source| Error::Disk { what: "create the folder", path: snapshots, source })?;
    Tables::make(folder, identity, options.disk.as_deref())?;
    identity.write(folder)
}

/// The parts of a started node.
struct Started {
    raft: Raft<Kind>,
    writes: watch::Receiver<u64>,
    evidence: Arc<Evidence>,
    tables: Weak<Tables>,
}

/// Loads the folder, and starts openraft and the tasks that watch it.
async fn start<M: Machine>(
    options: &Options,
    identity: Identity,
    machine: Arc<M>,
    (digests, removed_members): (&Arc<Digests>, &Arc<RemovedMembers>),
) -> Result<Started, Error> {
    let folder = options.folder.as_path();
    let tables = Arc::new(open_tables(options, identity).await?);
    let newest = newest(folder, &tables, identity.node)?;
    let last = newest.as_ref().and_then(|(newest, _)| newest.meta.last_log_id);
    let found = tables.check(last.as_ref())?;
    let vote: Option<Vote> = tables.fact(VOTE)?;
    if let Some(vote) = vote.filter(|vote| vote.leader_id.term > TERM_MAX) {
        let what = Unreadable(format!("term {} is impossibly high", vote.leader_id.term));
        return Err(unreadable(&folder.join(LOG_FILE), format!("fact `{VOTE}`"), what));
    }
    let growth = Arc::new(Growth::default());
    let own = Start { count: tables.count_start()?, incarnation: options.incarnation };
    let last_entry = tables.last()?.max(last).unwrap_or_default().index;
    let ending = (folder.to_path_buf(), Arc::clone(&options.on_fatal));
    let evidence = Arc::new(Evidence::new(identity.node, own, last_entry, ending));
    if let Some((newest, body)) = &newest {
        growth.begin_anew(body.len());
        let file = folder.join(SNAPSHOTS).join(&newest.file);
        let index = last.unwrap_or_default().index;
        let rest = digests.load(index, body);
        let rest = rest.and_then(|rest| evidence.load(last, rest));
        let state = rest.and_then(|rest| removed_members.load(&newest.meta.last_membership, rest));
        let loaded = state.and_then(|state| machine.load(index, state));
        loaded.map_err(|error| unreadable(&file, "the state in it".into(), error))?;
    }
    growth.bytes.store(found.bytes, Ordering::Relaxed);
    let (under, on_fatal) = (options.disk.clone(), Arc::clone(&options.on_fatal));
    let (writer, writes) = Writer::start(Arc::clone(&tables), under, on_fatal)?;
    let shared = (Arc::downgrade(&tables), Arc::clone(&evidence));
    let log = LogStore::new(tables, writer.clone(), Arc::clone(&growth), Arc::clone(&evidence));
    let snapshots = Snapshots::new(folder, writer);
    let newest = newest.map(|(newest, _)| newest);
    let compared = (Arc::clone(digests), Arc::clone(&options.on_fatal));
    let records = (Arc::clone(removed_members), Arc::clone(&evidence));
    let applier = Applier::new(machine, snapshots, Arc::clone(&growth), compared, records, newest);
    let config = Arc::new(config(options.limits));
    let core = Core::default();
    let links = options.links.clone();
    let network = Network::new(identity.cluster, links, core.clone(), evidence);
    let raft = Raft::new(identity.node, config, network, log, applier).await;
    let raft = raft.map_err(|error| {
        let what = Unreadable(error.to_string());
        unreadable(&folder.join(LOG_FILE), "a committed entry".into(), what)
    })?;
    core.begin(raft.clone());
    let watched = (raft.clone(), identity.node);
    tokio::spawn(watch_over(watched, growth, writes.clone(), options.clone()));
    let (tables, evidence) = shared;
    Ok(Started { raft, writes, evidence, tables })
}

/// Opens the log. If a process is just ending, it may keep the log open for a moment.
async fn open_tables(options: &Options, identity: Identity) -> Result<Tables, Error> {
    let open = || Tables::open(&options.folder, identity, options.disk.as_deref());
    for _ in 0..IN_USE_LOOKS {
        match open() {
            Err(Error::InUse { .. }) => tokio::time::sleep(IN_USE_EVERY).await,
            opened => return opened,
        }
    }
    open()
}

/// Takes snapshots when they are due, and ends the node when its disk stalls or openraft stops.
async fn watch_over(
    (raft, node): (Raft<Kind>, NodeId),
    growth: Arc<Growth>,
    writes: watch::Receiver<u64>,
    options: Options,
) {
    let patience = || match is_alone(&raft, node) {
        true => options.limits.disk_patience,
        false => SHARED_DISK_PATIENCE.min(options.limits.disk_patience),
    };
    let mut metrics = raft.metrics();
    let mut stalled = pin!(stalled(writes, patience));
    let message = loop {
        tokio::select! {
            biased;
            is_stalled = &mut stalled => {
                if !is_stalled {
                    return;
                }
                let others = match is_alone(&raft, node) {
                    true => "",
                    false => "; the other masters continue without it if they are a majority",
                };
                break format!(
                    "the disk has not answered for {:?}: {}\nhint: fix the disk, and start this master again{others}",
                    patience(),
                    options.folder.display()
                );
            }
            () = growth.grown.notified() => {
                if growth.is_due(options.limits.log_bytes) && raft.trigger().snapshot().await.is_err() {
                    return;
                }
            }
            changed = metrics.changed() => {
                // Cloned at once, because openraft waits while it is borrowed.
                let running = metrics.borrow_and_update().running_state.clone();
                match running {
                    Err(openraft::error::Fatal::Stopped) => return,
                    Err(fatal) => break format!(
                        "consensus has stopped: {fatal}: {}\nhint: start this master again",
                        options.folder.display()
                    ),
                    Ok(()) if changed.is_err() => return,
                    Ok(()) => {}
                }
            }
        }
    };
    (options.on_fatal)(Fatal { message });
}

fn unreadable(path: &Path, place: String, error: Unreadable) -> Error {
    Error::Damaged { path: path.into(), place, what: error.to_string() }
}

fn config(limits: Limits) -> Config {
    Config {
        cluster_name: "gristmill".into(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: limits.drawn_ms_least.unwrap_or(limits.believed_ms / 2),
        election_timeout_max: limits.believed_ms,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(limits.log_entries),
        max_in_snapshot_log_to_keep: limits.kept_entries,
        ..Config::default()
    }
}
