//! Defines openraft's types for this project: commands and replies are bytes, and snapshots are files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::digest::Seen;
use super::evidence::Notes;

/// A command, or nothing: an empty entry only serves to commit the ones before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Command {
    pub(super) body: Vec<u8>,
    /// The proposer's last entry and digest.
    pub(super) seen: Seen,
    /// What the leader knew of the members when it proposed this.
    pub(super) notes: Notes,
}

/// The machine's answer to a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply(pub(super) Vec<u8>);

/// The path of a snapshot's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) path: PathBuf,
}

openraft::declare_raft_types!(
    /// openraft's types, for our commands.
    pub(super) Kind:
        D = Command,
        R = Reply,
        SnapshotData = Body,
);

pub(super) type NodeId = u64;
pub(super) type Entry = openraft::Entry<Kind>;
pub(super) type LogId = openraft::LogId<NodeId>;
pub(super) type Vote = openraft::Vote<NodeId>;
pub(super) type Membership = openraft::StoredMembership<NodeId, openraft::BasicNode>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<NodeId, openraft::BasicNode>;
pub(super) type Snapshot = openraft::Snapshot<Kind>;
pub(super) type StorageError = openraft::StorageError<NodeId>;
