//! Why a node cannot start, cannot agree, or must not go on.

use std::io;
use std::path::PathBuf;

/// What is left to someone whose folder is of no more use.
const ANEW: &str = "take an empty folder: join the others under another number with --id N --join ADDR, \
                    or, where there are none, begin anew with --init";

/// Why a node cannot start. Each says what was found where, and what can be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing, and nobody asked to begin.
    #[error("there is no master's folder; {}; give --init to begin a new cluster, or --join ADDR to be admitted to one", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder says whose it is, but what it agreed to is gone.
    #[error(
        "the folder of master {node} has lost {missing}; {}; put it back from where it went, or {anew}: \
         a master that forgot its votes must not come back under its old number",
        path.display(), anew = ANEW
    )]
    Wiped {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        node: u64,
        /// What is missing.
        missing: String,
    },
    /// There is something, but it does not say whose it is.
    #[error(
        "the folder holds {found} but no identity file; {}; put that back, or {anew}",
        path.display(), anew = ANEW
    )]
    Nameless {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// Another master's folder.
    #[error(
        "the folder is that of master {found}; {}; give --id {found}, or another --data DIR",
        path.display()
    )]
    OtherNode {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: u64,
    },
    /// The identity file and the log were not written together.
    #[error(
        "the log is that of {found}, the identity file that of {expected}; {}; put the files together \
         that belong together, or {anew}",
        path.display(), anew = ANEW
    )]
    Foreign {
        /// The log.
        path: PathBuf,
        /// What the log says.
        found: String,
        /// What the identity file says.
        expected: String,
    },
    /// Another version wrote it.
    #[error(
        "{what}; {}; start the version that wrote it, or {anew}", path.display(), anew = ANEW
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// Some other process has it open.
    #[error("another process uses the log; {}; end that one, or give another --data DIR", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// What was written once reads differently now.
    #[error(
        "damaged at {place}: {what}; {}; put the file back from a copy of this very master, or {anew}; \
         nothing was changed", path.display(), anew = ANEW
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Key or offset.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// It was a member once.
    #[error(
        "master {node} was removed from its cluster, and its number is not given again; {}; {anew}: \
         `gristmill masters add` says how",
        path.display(), anew = ANEW
    )]
    Removed {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        node: u64,
    },
    /// The others know it at another address.
    #[error(
        "master {node} is known to the others at {known}; {}; give --listen {known}", path.display()
    )]
    Moved {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        node: u64,
        /// The address at which it was admitted.
        known: String,
    },
    /// The system refused.
    #[error("cannot {what}: {source}; {}; mend that, or give another --data DIR", path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing was agreed on in time.
    #[error("the masters do not agree: {what}; start a majority of them")]
    NoQuorum {
        /// What is missing.
        what: String,
    },
}

/// Why a node must not go on: it has stopped saying yes, and its process has to end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fatal {
    /// What happened, where, and what to do.
    pub message: String,
}

/// Why a proposal has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Another one leads, or nobody; nothing has happened.
    #[error("this master does not lead")]
    NotLeader {
        /// Where the leader listens, if it is known.
        leader: Option<String>,
    },
    /// No majority of the masters answers. Whether the proposal will be agreed on is not known.
    #[error("no majority of the masters answers: {voters}; start those that are missing")]
    NoQuorum {
        /// The masters of which a majority is needed.
        voters: String,
    },
    /// Members come and go one after the other, and one does just now; nothing has happened.
    #[error("the group is being changed: {what}; try again")]
    Busy {
        /// What goes on.
        what: String,
    },
    /// A new member did not catch up in time. It goes on to do so.
    #[error(
        "master {node} at {address} has not caught up within {within_s} s; see whether it is reachable there, and try again"
    )]
    Behind {
        /// Its number.
        node: u64,
        /// Where the others reach it.
        address: String,
        /// How long was waited, in seconds.
        within_s: u64,
    },
    /// There is no such master; nothing has happened.
    #[error("{what}")]
    Unknown {
        /// What there is none of.
        what: String,
    },
    /// The group cannot do without that master; nothing has happened.
    #[error("{what}")]
    Needed {
        /// What would become of it, and what to do.
        what: String,
    },
    /// Leadership was to be handed over, and nobody has taken it.
    #[error("nobody takes over: {why}; see `gristmill masters`, and try again")]
    NoSuccessor {
        /// Who was asked last, and why not.
        why: String,
    },
    /// Another master has that number or address; nothing has happened.
    #[error("{what}")]
    Taken {
        /// Which has what, and what to do.
        what: String,
    },
    /// The node is ending. Whether the proposal will be agreed on is not known.
    #[error("this master has stopped: {why}")]
    Stopped {
        /// Why.
        why: String,
    },
}
