//! Makes all masters apply the same commands in the same order, and preserves the log across crashes.
//!
//! Nothing here knows what a command means: commands are bytes, and a [`Machine`] that the caller provides applies
//! them. Modules that use this one do not know that openraft implements the consensus.
//!
//! ```text
//!   propose(bytes) ──► openraft ──► log_store ──► writer ──► log.redb     one commit, one fsync
//!                         │                                     ▲
//!                         │ committed                           │ name of the newest snapshot
//!                         ▼                                     │
//!   reply  ◄───────── apply ──► Machine ──► snapshot ──► snapshots/<index>-<term>.snapshot
//! ```
//!
//! | file | purpose |
//! |---|---|
//! | `node` | starts, proposes and closes: the interface to other modules |
//! | `entry` | openraft's types for our commands |
//! | `identity` | which master a folder belongs to |
//! | `tables` | the tables in `log.redb`, and their layout |
//! | `writer` | the one thread that writes the tables |
//! | `disk` | lets a simulation replace the disk |
//! | `log_store`, `apply`, `snapshot` | openraft's two halves of storage, and the bodies of snapshots |
//! | `digest` | compares the results of applying the log |
//! | `network`, `receive` | messages between masters, outgoing and incoming |
//! | `plausible` | checks incoming messages before openraft sees them |
//! | `leadership` | reports which member leads |
//! | `evidence` | notices a folder that was restored from an old copy |
//! | `leader_probe` | notices that the leader's process has ended, without waiting for the election timeout |
//! | `group` | the members, whether this node still leads, adding a member |
//! | `handover` | transfers leadership without an election timeout |
//! | `removal`, `removed_members` | removes a member; records the numbers that are not used again |
//! | `disk_stall` | detects a stalled disk |
//!
//! Invariants:
//!
//! * **No acknowledgement before fsync.** A vote or an entry is acknowledged only once it is on stable storage. A disk
//!   error ends the process ([`Fatal`]), because the contents of the disk are then unknown.
//! * **A torn tail is cut.** redb writes copy-on-write and writes the checksummed new root last. After a crash it opens
//!   with the last complete commit. What is lost was never acknowledged.
//! * **Other damage stops the node**, with a message that names the file and the key and says what to do. A wiped
//!   folder, an old copy of a folder and another master's folder stop it too. The node never drops data to repair
//!   itself.
//! * **A restart loses nothing and never goes back.** The node applies the newest snapshot and the log after it. It
//!   serves requests only after a new entry is committed, because then all earlier entries are applied. The persisted
//!   commit index may be older.
//! * **A deposed leader answers nothing.** A leader that was stopped or cut off may not know that another master leads
//!   now. A leader therefore asks a majority before each answer.

mod apply;
mod digest;
mod disk;
mod disk_stall;
mod entry;
mod error;
mod evidence;
mod group;
mod handover;
mod identity;
mod incoming;
mod leader_probe;
mod leadership;
mod log_store;
mod network;
mod node;
mod plausible;
mod receive;
mod removal;
mod removed_members;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::Disk;
pub use error::{Error, Fatal, OnFatal, ProposeError};
pub use group::{Group, Member, Standing};
pub use identity::{IDENTITY_FILE, Identity};
pub use leadership::Leadership;
pub use node::{Begin, Limits, Node, Options};
pub use removal::REMOVED_FILE;

/// The replicated state machine. Readers share it.
///
/// `apply` is a function of the state and the command alone: no time, no chance, no I/O.
pub trait Machine: Send + Sync + 'static {
    /// Applies the command of one entry and returns the answer for the proposer. The index names the entry for
    /// observers; it must not change the result.
    ///
    /// # Errors
    /// If the bytes are not a command: another version wrote them, and the node stops.
    fn apply(&self, index: u64, command: &[u8]) -> Result<Vec<u8>, Unreadable>;

    /// Serializes the whole state.
    ///
    /// # Errors
    /// If it cannot be serialized.
    fn save(&self) -> Result<Vec<u8>, Unreadable>;

    /// Replaces the whole state with the state after the entry of this index.
    ///
    /// # Errors
    /// If the bytes are not a state.
    fn load(&self, index: u64, saved: &[u8]) -> Result<(), Unreadable>;
}

/// Bytes that a [`Machine`] cannot understand, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);
