//! What the other masters say: handed to openraft, if it is meant for this node.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use openraft::Raft as Openraft;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Group;
use super::entry::{Body, Kind, Snapshot, Vote};
use super::identity::Identity;
use super::network::Piece;
use super::snapshot::read;
use crate::offload::offload;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;

/// Where the leader's snapshot comes in: one at a time. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Incoming(Arc<Mutex<Receiving>>);

#[derive(Debug)]
struct Receiving {
    path: PathBuf,
    /// The snapshot that has begun to come, and its file so far.
    begun: Option<(String, u64, File)>,
}

impl Incoming {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(Receiving { path, begun: None })))
    }
}

impl Raft for Group {
    async fn append_entries(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        let said = said(self.identity(), &call)?;
        self.hear();
        let answered = self.raft().append_entries(said).await;
        answer(&answered.map_err(|error| stopped(&error))?)
    }

    async fn vote(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        let answered = self.raft().vote(said(self.identity(), &call)?).await;
        answer(&answered.map_err(|error| stopped(&error))?)
    }

    async fn stand(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.take_over(said(self.identity(), &call)?).await?;
        Ok(Vec::new())
    }

    async fn install_snapshot(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        let piece: Piece = said(self.identity(), &call)?;
        self.hear();
        let receiving = Arc::clone(&self.incoming().0).lock_owned().await;
        let raft = self.raft().clone();
        // Whoever called may not wait for the end; what was handed to openraft must stay where it is until then.
        let installed = tokio::spawn(async move { install(raft, receiving, piece).await }).await;
        let vote = installed.unwrap_or_else(|error| Err(internal(error.to_string())))?;
        answer(&vote)
    }
}

async fn install(
    raft: Openraft<Kind>,
    mut receiving: OwnedMutexGuard<Receiving>,
    piece: Piece,
) -> Result<Vote, Refusal> {
    // Cloned at once: openraft waits for whoever holds it.
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
    let Some((found, path)) = checked? else { return Ok(vote) };
    if found != meta {
        return Err(Refusal::Invalid { message: "the snapshot is not the one announced".into() });
    }
    let snapshot = Snapshot { meta, snapshot: Box::new(Body { path: path.clone() }) };
    let installed = raft.install_full_snapshot(their_vote, snapshot).await;
    // What stays is overwritten by the next one.
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
            _ => Err(Refusal::Invalid { message: format!("byte {offset} is not the next one") }),
        }
    }

    /// All has come: checks it, since openraft ends with a snapshot that it cannot read.
    fn whole(&mut self) -> Result<Option<(super::entry::SnapshotMeta, PathBuf)>, Refusal> {
        self.begun = None;
        let (meta, _) = read(&self.path).map_err(|error| internal(error.to_string()))?;
        Ok(Some((meta, self.path.clone())))
    }
}

/// What is said to this very node.
fn said<T: DeserializeOwned>(identity: Identity, call: &Call) -> Result<T, Refusal> {
    if (call.cluster, call.to) != (identity.cluster, identity.node) {
        let meant = Identity { cluster: call.cluster, node: call.to, ..identity };
        let message = format!("this is {identity}, not {meant}; give each its own address");
        return Err(Refusal::Invalid { message });
    }
    bincode::deserialize(&call.body).map_err(|error| Refusal::Invalid {
        message: format!("{error}; are all masters of one version?"),
    })
}

fn answer(answer: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    bincode::serialize(answer).map_err(|error| internal(error.to_string()))
}

fn stopped(error: &dyn std::error::Error) -> Refusal {
    Refusal::Unavailable { message: format!("this master has stopped: {error}") }
}

fn disk(error: &io::Error) -> Refusal {
    internal(format!("cannot write a snapshot that comes in: {error}"))
}

fn internal(message: String) -> Refusal {
    Refusal::Internal { message }
}
