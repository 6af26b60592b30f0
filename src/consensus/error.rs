//! Errors of a node: why it cannot start, why it must end, or why a proposal was not answered.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What to do if a folder can no longer be used.
const ANEW: &str = "start with an empty folder. If the cluster has other masters, join them with another --id N and \
                    --join ADDR. Otherwise start a new cluster with --init";

/// Called once when the node has stopped acknowledging. The process must end.
pub type OnFatal = Arc<dyn Fn(Fatal) + Send + Sync>;

/// Why a node cannot start. Each message says what was found and where, and has a hint.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is missing or empty, and neither `--init` nor `--join` was given.
    #[error(
        "this is not the folder of a master: {}\nhint: give --init to start a new cluster, or --join ADDR to join one",
        path.display()
    )]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A new master's folder must be empty.
    #[error(
        "the folder is not empty: it holds {found}: {}\nhint: name a new or empty folder with \
         --data DIR; a master keeps all its data there",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// Names of some of its contents.
        found: String,
    },
    /// The folder names its master, but its log or a snapshot is missing.
    #[error(
        "the folder of master {node} has lost {missing}: {}\nhint: restore that file, or \
         {anew}. A master that has forgotten its votes must not return under its old number",
        path.display(), anew = ANEW
    )]
    Wiped {
        /// The folder.
        path: PathBuf,
        /// The master's number.
        node: u64,
        /// What is missing.
        missing: String,
    },
    /// The folder has a log, but does not name its master.
    #[error(
        "the folder holds {found} but no identity file: {}\nhint: restore the identity file, or {anew}",
        path.display(), anew = ANEW
    )]
    Nameless {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The folder belongs to another master.
    #[error(
        "the folder belongs to master {found}: {}\nhint: give --id {found}, or another --data DIR", path.display()
    )]
    OtherNode {
        /// The folder.
        path: PathBuf,
        /// The number of the master that it belongs to.
        found: u64,
    },
    /// The identity file and the log were not written together.
    #[error(
        "the log belongs to {found}, but the identity file belongs to {expected}: {}\nhint: \
         restore a log and an identity file of the same master, or {anew}",
        path.display(), anew = ANEW
    )]
    Foreign {
        /// The log.
        path: PathBuf,
        /// The master that the log names.
        found: String,
        /// The master that the identity file names.
        expected: String,
    },
    /// Another version wrote the folder.
    #[error(
        "{what}: {}\nhint: run the version of gristmill that wrote it, or {anew}", path.display(), anew = ANEW
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// Another process has the log open.
    #[error("another process uses the log: {}\nhint: stop that process, or give another --data DIR", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// A file does not contain what was written to it.
    #[error(
        "the file is damaged at {place}: {what}: {}\nhint: nothing was changed; restore the file from the newest copy \
         of this master's folder, or {anew}",
        path.display(), anew = ANEW
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Key or offset.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The master was removed from its cluster.
    #[error(
        "master {node} was removed from its cluster, and its number is not used again: \
         {}\nhint: join again with an empty folder and another --id; `gristmill masters add` prints the \
         command",
        path.display()
    )]
    Removed {
        /// The folder.
        path: PathBuf,
        /// The master's number.
        node: u64,
    },
    /// The other masters know it at another address.
    #[error(
        "master {node} joined this cluster at {known}, but was now started with another address: {}\nhint: give --listen {known}", path.display()
    )]
    Moved {
        /// The folder.
        path: PathBuf,
        /// The master's number.
        node: u64,
        /// The address at which it joined.
        known: String,
    },
    /// The operating system refused.
    #[error("cannot {what}: {source}: {}\nhint: fix the cause, or give another --data DIR", path.display())]
    Disk {
        /// The action that failed.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Consensus has failed, or the only member of the group has not become its leader in time.
    #[error("consensus cannot start: {what}\nhint: check the disk, and start this master again")]
    NoQuorum {
        /// What has failed.
        what: String,
    },
}

/// Why a node must end. From then on, no request to it succeeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fatal {
    /// What happened and where, with a hint.
    pub message: String,
}

/// Why a proposal was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This node does not lead. Nothing has happened.
    #[error("this master is not the leader")]
    NotLeader {
        /// Where the leader listens, if it is known.
        leader: Option<String>,
    },
    /// No majority of the masters answers. The proposal may or may not take effect.
    #[error(
        "no majority of the voting masters ({voters}) answers\nhint: start the missing masters"
    )]
    NoQuorum {
        /// The voting masters: a majority of them is needed.
        voters: String,
    },
    /// Members change one at a time, and another change is under way. Nothing has happened.
    #[error("another change is under way: {what}\nhint: try again")]
    Busy {
        /// The change.
        what: String,
    },
    /// A new member did not catch up in time. It continues to catch up.
    #[error(
        "master {node} at {address} has not caught up within {within_s} s\nhint: check that it \
          can be reached at that address, and try again"
    )]
    Behind {
        /// Its number.
        node: u64,
        /// Where the others reach it.
        address: String,
        /// The deadline, in seconds.
        within_s: u64,
    },
    /// The master does not exist. Nothing has happened.
    #[error("{what}")]
    Unknown {
        /// Which master is missing.
        what: String,
    },
    /// The group needs that master. Nothing has happened.
    #[error("{what}")]
    Needed {
        /// The consequence, and what to do.
        what: String,
    },
    /// No other master has taken over.
    #[error(
        "no other master has taken over: {why}\nhint: check the masters with `gristmill masters`, and try again"
    )]
    NoSuccessor {
        /// The master that was asked last, and its answer.
        why: String,
    },
    /// Another master has that number or address. Nothing has happened.
    #[error("{what}")]
    Taken {
        /// The master that has it, and what to do.
        what: String,
    },
    /// The node is ending. The proposal may or may not take effect.
    #[error("this master has stopped: {why}")]
    Stopped {
        /// The reason.
        why: String,
    },
}
