//! Makes all masters apply the same commands in the same order, and keeps what they agreed on over any crash.
//!
//! Nothing here knows what a command means: commands are bytes, and a [`Machine`] that is given from
//! outside applies them. Nothing above knows that openraft does the agreeing.
//!
//! ```text
//!   propose(bytes) ──► openraft ──► log_store ──► writer ──► log.redb     one commit, one fsync
//!                         │                                     ▲
//!                         │ agreed                              │ what the newest snapshot is
//!                         ▼                                     │
//!   reply  ◄───────── apply ──► Machine ──► snapshot ──► snapshots/<index>-<term>.snapshot
//! ```
//!
//! | file | what for |
//! |---|---|
//! | `node` | starting, proposing, ending: all that others see |
//! | `entry` | what openraft is told about our commands |
//! | `identity` | whose folder it is |
//! | `tables` | what lies in `log.redb`, drawn |
//! | `writer` | the one thread that writes it |
//! | `disk` | what a simulation puts under it |
//! | `log_store`, `apply`, `snapshot` | openraft's two halves of storage, and the bodies of snapshots |
//! | `digest` | what each has made of the log, compared |
//! | `network`, `receive` | what masters say to each other, going out and coming in |
//! | `plausible` | what others send, checked before openraft sees it |
//! | `leadership` | who leads, watched |
//! | `evidence` | notices a folder that was restored from an old copy, and a history that is another one |
//! | `gone` | a leader whose process has ended, noticed before its silence tells |
//! | `group` | who the members are, whether this one still leads, taking one in |
//! | `handover` | one leader makes way for another before anybody misses it |
//! | `removal`, `roll` | taking one out, and the numbers that nobody gets again |
//! | `stall` | a disk that does not answer |
//!
//! What holds, whatever happens:
//!
//! * **No yes before fsync.** A vote or an entry is answered once it is on stable storage; an error
//!   of the disk ends the process ([`Fatal`]), since what a disk holds after one is anybody's guess.
//! * **A torn tail is cut.** redb writes copy-on-write and names the new root last, with checksums:
//!   after a crash it opens with the last whole commit. What it drops was never answered.
//! * **Damage elsewhere stops the node**, with file and key and what can be done, as does a folder
//!   that is wiped, foreign or another's. Nothing is ever repaired by forgetting.
//! * **A restart loses nothing and never goes back.** What was agreed is applied again from the
//!   newest snapshot and the log behind it, and before anything is served a new entry is agreed on,
//!   so that all earlier ones are applied, whatever the persisted commit index says.
//! * **A leader is one until somebody else is.** Who was stopped or cut off, and does not know that
//!   another one leads by now, is told so by the majority that it asks before it answers.

mod apply;
mod digest;
mod disk;
mod entry;
mod error;
mod evidence;
mod gone;
mod group;
mod handover;
mod identity;
mod leadership;
mod log_store;
mod network;
mod node;
mod plausible;
mod receive;
mod removal;
mod roll;
mod snapshot;
mod stall;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::Disk;
pub use error::{Error, Fatal, ProposeError};
pub use group::{Group, Member, Standing};
pub use identity::{IDENTITY_FILE, Identity};
pub use leadership::Leadership;
pub use node::{Begin, Limits, Node, OnFatal, Options};
pub use removal::REMOVED_FILE;

/// What is agreed on; it is shared with whoever reads it.
///
/// `apply` is a function of the state and the command alone: no time, no chance, no I/O.
pub trait Machine: Send + Sync + 'static {
    /// Applies the command of one entry and gives the answer for whoever proposed it. The index is no part of the command:
    /// it names the entry, for whoever looks on.
    ///
    /// # Errors
    /// When the bytes are no command: then another version has written them, and the node stops.
    fn apply(&self, index: u64, command: &[u8]) -> Result<Vec<u8>, Unreadable>;

    /// The whole state.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn save(&self) -> Result<Vec<u8>, Unreadable>;

    /// Replaces the whole state by what it was after the entry of this index.
    ///
    /// # Errors
    /// When the bytes are no state.
    fn load(&self, index: u64, saved: &[u8]) -> Result<(), Unreadable>;
}

/// Bytes that a [`Machine`] cannot understand, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);
