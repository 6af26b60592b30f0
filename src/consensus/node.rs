//! A node: starts from what lies in its folder, proposes, and ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::error::{ClientWriteError, RaftError};
use openraft::{BasicNode, Config, Raft, SnapshotPolicy};
use tokio::sync::watch;

use super::alone::Alone;
use super::apply::Applier;
use super::entry::{Command, Kind};
use super::identity::Identity;
use super::log_store::{Growth, LogStore};
use super::snapshot::{SNAPSHOTS, Snapshots, newest};
use super::stall::stalled;
use super::tables::{LOG_FILE, Tables};
use super::writer::Writer;
use super::{Error, Fatal, Machine, ProposeError, Unreadable};

/// How often a leader is heard of, in milliseconds.
const HEARTBEAT_MS: u64 = 250;
/// Silence after which a follower stands for election, in milliseconds, drawn anew each time.
const ELECTION_MS: std::ops::Range<u64> = 1_000..2_000;
/// Entries behind the newest snapshot that are kept for masters that are a little behind.
const KEPT_ENTRIES: u64 = 64;
/// Looks at a log that another process has open, until that has ended.
const IN_USE_LOOKS: u32 = 20;
/// Between two of them.
const IN_USE_EVERY: Duration = Duration::from_millis(100);
/// How long the first agreement after a start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long the files may take to be closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Told, once, that the node has stopped saying yes. The process has to end.
pub type OnFatal = Arc<dyn Fn(Fatal) + Send + Sync>;

/// When a node does what by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of log after which a snapshot is taken, or the last snapshot's size if that is more: so
    /// snapshots cost no more than the log does.
    pub log_bytes: u64,
    /// Entries of log after which a snapshot is taken in any case.
    pub log_entries: u64,
    /// How long one write to the disk may take. A group of one has nobody who could take over: it is
    /// given longer than an election takes.
    pub disk_patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { log_bytes: 16 << 20, log_entries: 100_000, disk_patience: Duration::from_secs(30) }
    }
}

/// What a node is started with.
#[derive(Clone)]
pub struct Options {
    /// Its folder.
    pub folder: PathBuf,
    /// Its number.
    pub node: u64,
    /// Where others reach it.
    pub address: String,
    /// The random number of the cluster that is to begin here, if the folder is empty.
    pub begin: Option<u128>,
    /// When it does what by itself.
    pub limits: Limits,
    /// Told that the process has to end.
    pub on_fatal: OnFatal,
}

/// A running node, to be asked for agreement. It stops when it is closed.
pub struct Node {
    raft: Raft<Kind>,
    /// Its sender is gone when the files are closed.
    writes: watch::Receiver<u64>,
}

impl Node {
    /// Starts a node: when this returns, the machine has applied all that was ever agreed on.
    ///
    /// # Errors
    /// When the folder is not whole or not this node's, and when no majority agrees.
    pub async fn open<M: Machine>(options: Options, machine: Arc<M>) -> Result<Self, Error> {
        let identity = claim(&options)?;
        let (raft, writes) = start(&options, identity, machine).await?;
        let node = Self { raft, writes };
        node.begin(identity, &options).await?;
        Ok(node)
    }

    /// Has a command agreed on and applied, and gives what the machine answered.
    ///
    /// # Errors
    /// When this node does not lead, or has stopped.
    pub async fn propose(&self, command: Vec<u8>) -> Result<Vec<u8>, ProposeError> {
        match self.raft.client_write(Command(command)).await {
            Ok(written) => Ok(written.data.0),
            Err(RaftError::Fatal(fatal)) => Err(ProposeError::Stopped { why: fatal.to_string() }),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(other))) => {
                Err(ProposeError::NotLeader { leader: other.leader_node.map(|node| node.addr) })
            }
            Err(RaftError::APIError(error)) => {
                Err(ProposeError::Stopped { why: error.to_string() })
            }
        }
    }

    /// How many entries there are in the log.
    #[cfg(test)]
    pub(super) async fn log_entries(&self) -> u64 {
        let metrics = self.raft.metrics().borrow().clone();
        let purged = metrics.purged.map_or(0, |id| id.index);
        metrics.last_log_index.unwrap_or(0) - purged
    }

    /// Stops, and closes the files.
    pub async fn close(self) {
        let Self { raft, mut writes } = self;
        // It has stopped in any case.
        let _joined_or_panicked = raft.shutdown().await;
        drop(raft);
        let closed = async { while writes.changed().await.is_ok() {} };
        // Whoever still reads keeps them open a little longer.
        let _closed_or_late = tokio::time::timeout(CLOSE_PATIENCE, closed).await;
    }

    /// Founds a group of one if there is none, and has something agreed on: then all before it is.
    async fn begin(&self, identity: Identity, options: &Options) -> Result<(), Error> {
        let stopped = |what: &dyn std::fmt::Display| Error::NoQuorum { what: what.to_string() };
        if !self.raft.is_initialized().await.map_err(|error| stopped(&error))? {
            let founder = BTreeMap::from([(identity.node, BasicNode::new(&options.address))]);
            self.raft.initialize(founder).await.map_err(|error| stopped(&error))?;
        }
        let leads = |metrics: &openraft::RaftMetrics<u64, BasicNode>| {
            metrics.current_leader == Some(identity.node)
        };
        let waited = self.raft.wait(Some(START_PATIENCE)).metrics(leads, "to lead").await;
        waited.map_err(|error| stopped(&error))?;
        let agreed = tokio::time::timeout(START_PATIENCE, self.propose(Vec::new())).await;
        let agreed = agreed.map_err(|late| stopped(&late))?;
        agreed.map(drop).map_err(|error| stopped(&error))
    }
}

/// Finds out whose folder it is, and makes it ours if it is new.
fn claim(options: &Options) -> Result<Identity, Error> {
    let folder = options.folder.as_path();
    let path = folder.to_path_buf();
    let has_log = folder.join(LOG_FILE).exists();
    match (Identity::read(folder)?, options.begin) {
        (Some(found), _) if found.node != options.node => {
            Err(Error::OtherNode { path, found: found.node })
        }
        (Some(found), _) if !has_log => {
            Err(Error::Wiped { path, node: found.node, missing: LOG_FILE.into() })
        }
        (Some(found), _) => Ok(found),
        (None, _) if has_log => {
            Err(Error::Nameless { path, found: format!("{LOG_FILE} of some master") })
        }
        (None, None) => Err(Error::Empty { path }),
        (None, Some(cluster)) => {
            let identity = Identity { cluster, node: options.node };
            make(folder, identity).map(|()| identity)
        }
    }
}

fn make(folder: &Path, identity: Identity) -> Result<(), Error> {
    let snapshots = folder.join(SNAPSHOTS);
    let made = fs::create_dir_all(&snapshots);
    made.map_err(|source| Error::Disk { what: "make", path: snapshots, source })?;
    Tables::make(folder, identity)?;
    identity.write(folder)
}

/// Loads what is there, and starts openraft and the two that watch over it.
async fn start<M: Machine>(
    options: &Options,
    identity: Identity,
    machine: Arc<M>,
) -> Result<(Raft<Kind>, watch::Receiver<u64>), Error> {
    let folder = options.folder.as_path();
    let tables = Arc::new(open_tables(folder, identity).await?);
    let newest = newest(folder, &tables, identity.node)?;
    let last = newest.as_ref().and_then(|(newest, _)| newest.meta.last_log_id);
    let found = tables.check(last.as_ref())?;
    let growth = Arc::new(Growth::default());
    if let Some((newest, body)) = &newest {
        growth.begin_anew(body.len());
        let place = format!("snapshot {}", newest.file);
        machine.load(body).map_err(|error| unreadable(folder, place, error))?;
    }
    growth.bytes.store(found.bytes, Ordering::Relaxed);
    let (writer, writes) = Writer::start(Arc::clone(&tables), Arc::clone(&options.on_fatal))?;
    let log = LogStore::new(tables, writer.clone(), Arc::clone(&growth));
    let snapshots = Snapshots::new(folder, writer);
    let newest = newest.map(|(newest, _)| newest);
    let applier = Applier::new(machine, snapshots, Arc::clone(&growth), newest);
    let config = Arc::new(config(options.limits));
    let raft = Raft::new(identity.node, config, Alone, log, applier).await;
    let raft = raft.map_err(|error| {
        let what = Unreadable(error.to_string());
        unreadable(folder, "what was agreed on".into(), what)
    })?;
    tokio::spawn(watch_over(raft.clone(), growth, writes.clone(), options.clone()));
    Ok((raft, writes))
}

/// Opens the log; a process that is just ending may have it for a moment longer.
async fn open_tables(folder: &Path, identity: Identity) -> Result<Tables, Error> {
    for _ in 0..IN_USE_LOOKS {
        match Tables::open(folder, identity) {
            Err(Error::InUse { .. }) => tokio::time::sleep(IN_USE_EVERY).await,
            opened => return opened,
        }
    }
    Tables::open(folder, identity)
}

/// Takes snapshots when they are due, and notices what a node must not go on with.
async fn watch_over(
    raft: Raft<Kind>,
    growth: Arc<Growth>,
    writes: watch::Receiver<u64>,
    options: Options,
) {
    let patience = options.limits.disk_patience;
    let mut metrics = raft.metrics();
    let mut stalled = pin!(stalled(writes, patience));
    let message = loop {
        tokio::select! {
            is_stalled = &mut stalled => {
                if !is_stalled {
                    return;
                }
                break format!(
                    "the disk has not answered for {patience:?}; {}; this master makes way for \
                     others: mend the disk, and start it again", options.folder.display()
                );
            }
            () = growth.grown.notified() => {
                if growth.is_due(options.limits.log_bytes) && raft.trigger().snapshot().await.is_err() {
                    return;
                }
            }
            changed = metrics.changed() => {
                // Cloned at once: openraft waits for whoever holds it.
                let running = metrics.borrow_and_update().running_state.clone();
                match running {
                    Err(openraft::error::Fatal::Stopped) => return,
                    Err(fatal) => break format!(
                        "agreement has stopped: {fatal}; {}; start this master again",
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

fn unreadable(folder: &Path, place: String, error: Unreadable) -> Error {
    Error::Damaged { path: folder.to_path_buf(), place, what: error.to_string() }
}

fn config(limits: Limits) -> Config {
    Config {
        cluster_name: "gristmill".into(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS.start,
        election_timeout_max: ELECTION_MS.end,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(limits.log_entries),
        max_in_snapshot_log_to_keep: KEPT_ENTRIES,
        ..Config::default()
    }
}
