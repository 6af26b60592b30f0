//! Receives messages from other masters, and passes those for this node to openraft.

use openraft::raft::{AppendEntriesRequest, VoteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedMutexGuard;

use super::Group;
use super::entry::{Body, NodeId, Snapshot, Vote};
use super::evidence::Unopened;
use super::identity::Identity;
use super::incoming::{Receiving, Whole, internal};
use super::network::Piece;
use crate::offload::offload;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;

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
        let receiving = self.incoming().lock().await;
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
