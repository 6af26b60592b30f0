//! Receives messages from other masters, and passes those for this node to openraft.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use openraft::raft::{AppendEntriesRequest, VoteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Group;
use super::digest::Digests;
use super::entry::{Body, NodeId, Snapshot, SnapshotMeta, Vote};
use super::evidence::{Records, Unopened, split};
use super::identity::Identity;
use super::network::Piece;
use super::snapshot::read;
use crate::offload::offload;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;

/// Receives the leader's snapshot, one at a time. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Incoming(Arc<Mutex<Receiving>>);

#[derive(Debug)]
struct Receiving {
    path: PathBuf,
    /// The snapshot that is arriving, and the part of its file that has arrived.
    begun: Option<(String, u64, File)>,
}

/// A snapshot that has arrived completely.
struct Whole {
    meta: SnapshotMeta,
    records: Records,
    path: PathBuf,
}

impl Incoming {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(Receiving { path, begun: None })))
    }
}

impl Raft for Group {
    async fn append_entries(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        let (from, request) = self.said::<AppendEntriesRequest<_>>(&call)?;
        self.check_entries(&request)?;
        self.hear();
        let answered = self.raft().append_entries(request).await;
        self.answer(from, &answered.map_err(|error| stopped(&error))?)
    }

    async fn vote(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        let (from, request) = self.said::<VoteRequest<_>>(&call)?;
        self.check_vote(&request)?;
        let answered = self.raft().vote(request).await;
        self.answer(from, &answered.map_err(|error| stopped(&error))?)
    }

    async fn stand(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        let (from, vote) = self.said::<Vote>(&call)?;
        self.take_over(vote).await?;
        self.answer(from, &())
    }

    async fn install_snapshot(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        let (from, piece) = self.said::<Piece>(&call)?;
        self.check_snapshot(&piece.vote, &piece.meta, None)?;
        self.hear();
        let receiving = Arc::clone(&self.incoming().0).lock_owned().await;
        let group = self.clone();
        // The caller may not wait for the end, and what was passed to openraft must stay in place until then.
        let installed = tokio::spawn(async move { install(group, receiving, piece).await }).await;
        let vote = installed.unwrap_or_else(|error| Err(internal(error.to_string())))?;
        self.answer(from, &vote)
    }
}

async fn install(
    group: Group,
    mut receiving: OwnedMutexGuard<Receiving>,
    piece: Piece,
) -> Result<Vote, Refusal> {
    let raft = group.raft();
    // Cloned at once, because openraft waits while it is borrowed.
    let vote = raft.metrics().borrow().vote;
    if vote > piece.vote {
        return Ok(vote);
    }
    let Piece { vote: their_vote, meta, offset, bytes, is_last } = piece;
    let id = meta.snapshot_id.clone();
    let taken = offload(move || {
        let taken = receiving.take_in(&id, offset, &bytes);
        let checked = taken.and_then(|()| if is_last { receiving.whole() } else { Ok(None) });
        (receiving, checked)
    });
    let (receiving, checked) = taken.await.map_err(|error| internal(error.to_string()))?;
    let Some(Whole { meta: found, records, path }) = checked? else { return Ok(vote) };
    if found != meta {
        return Err(Refusal::Invalid {
            message: "the received snapshot is not the announced one".into(),
        });
    }
    group.check_snapshot(&their_vote, &meta, Some(&records))?;
    let snapshot = Snapshot { meta, snapshot: Box::new(Body { path: path.clone() }) };
    let installed = raft.install_full_snapshot(their_vote, snapshot).await;
    // If the file stays, the next one overwrites it.
    let _removed_or_not = std::fs::remove_file(path);
    drop(receiving);
    Ok(installed.map_err(|error| stopped(&error))?.vote)
}

impl Receiving {
    fn take_in(&mut self, id: &str, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        if offset == 0 {
            let file = File::create(&self.path).map_err(|error| disk(&error))?;
            self.begun = Some((id.to_owned(), 0, file));
        }
        match &mut self.begun {
            Some((begun, next, file)) if begun == id && *next == offset => {
                file.write_all(bytes).map_err(|error| disk(&error))?;
                *next += bytes.len() as u64;
                Ok(())
            }
            _ => Err(Refusal::Invalid {
                message: format!("the piece of a snapshot at byte {offset} is out of order"),
            }),
        }
    }

    /// Everything has arrived. Checks it, because openraft stops at a snapshot that it cannot read.
    fn whole(&mut self) -> Result<Option<Whole>, Refusal> {
        self.begun = None;
        let (meta, body) = read(&self.path).map_err(|error| internal(error.to_string()))?;
        let records = Digests::split(&body).and_then(|(_, rest)| split(rest));
        let (records, _) = records.map_err(|error| internal(error.to_string()))?;
        Ok(Some(Whole { meta, records, path: self.path.clone() }))
    }
}

impl Group {
    /// A message for exactly this node, and its sender.
    fn said<T: DeserializeOwned>(&self, call: &Call) -> Result<(NodeId, T), Refusal> {
        let identity = self.identity();
        if (call.cluster, call.to) != (identity.cluster, identity.node) {
            let meant = Identity { cluster: call.cluster, node: call.to, ..identity };
            let message =
                format!("this is {identity}, not {meant}\nhint: give each master its own address");
            return Err(Refusal::Invalid { message });
        }
        self.evidence().open(&call.body).map_err(|error| match error {
            Unopened::Unreadable(_) => Refusal::Invalid { message: error.to_string() },
            Unopened::Fatal(_) => internal(error.to_string()),
        })
    }

    fn answer(&self, to: NodeId, answer: &impl Serialize) -> Result<Vec<u8>, Refusal> {
        self.evidence().seal(to, answer).map_err(|error| internal(error.to_string()))
    }
}

fn stopped(error: &dyn std::error::Error) -> Refusal {
    Refusal::Unavailable { message: format!("this master has stopped: {error}") }
}

fn disk(error: &io::Error) -> Refusal {
    internal(format!("cannot write a received snapshot: {error}"))
}

fn internal(message: String) -> Refusal {
    Refusal::Internal { message }
}
