//! Defines openraft's types for this project: commands and replies are bytes, and snapshots are files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::digest::DigestAt;

/// A command, or nothing: an empty entry only serves to commit the ones before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Command {
    pub(super) body: Vec<u8>,
    /// The proposer's last entry and digest.
    pub(super) last_applied: DigestAt,
    /// What the leader knew of the members when it proposed this.
    pub(super) notes: Notes,
}

/// The facts about members that the leader adds to each entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notes {
    /// Starts that are not yet recorded.
    pub(super) starts: Vec<(NodeId, Start)>,
    /// The index of the last entry that each member has acknowledged.
    pub(super) acknowledged: Vec<(NodeId, u64)>,
}

/// A start of a master.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    /// How often a master was started in this folder; 0 if never.
    pub(super) count: u64,
    /// A random number. It distinguishes two starts with the same count, one in a folder and one in a copy of it.
    pub(super) incarnation: u128,
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
