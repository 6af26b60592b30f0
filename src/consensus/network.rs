//! Connections to the other masters: one to each, used only for consensus.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openraft::error::{Fatal, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RaftNetwork, RaftNetworkFactory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::entry::{Kind, NodeId, Snapshot, SnapshotMeta, Vote};
use super::evidence::Evidence;
use super::plausible::is_term_plausible;
use crate::offload::offload;
use crate::rpc::client::{Fellow, Options};
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;

/// Pause after a call to a master that cannot be reached.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a snapshot in one call.
const PIECE_BYTES: usize = 1 << 20;
/// How long a piece may take, including the installation of the whole snapshot.
const PIECE_WITHIN: Duration = Duration::from_secs(30);

/// A piece of a snapshot's file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Piece {
    /// The vote of the leader that sends it.
    pub(super) vote: Vote,
    pub(super) meta: SnapshotMeta,
    /// Its offset in the file.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    /// Whether it is the last one.
    pub(super) is_last: bool,
}

/// Creates the connections.
pub(super) struct Network {
    cluster: u128,
    options: Options,
    /// Connections by address, kept here because openraft creates a client for each read.
    fellows: BTreeMap<String, Fellow>,
    core: Core,
    evidence: Arc<Evidence>,
}

/// A connection to one master.
#[derive(Clone)]
pub(super) struct Line {
    cluster: u128,
    to: NodeId,
    fellow: Fellow,
    core: Core,
    evidence: Arc<Evidence>,
}

/// The core of the node that makes the calls, once it runs. The core itself holds this handle, so only
/// [`super::Node::close`] ends it.
#[derive(Clone, Default)]
pub(super) struct Core(Arc<OnceLock<openraft::Raft<Kind>>>);

type Failed = RPCError<NodeId, BasicNode, RaftError<NodeId>>;
type SnapshotFailed = StreamingError<Kind, Fatal<NodeId>>;

impl Network {
    pub(super) fn new(
        cluster: u128,
        options: Options,
        core: Core,
        evidence: Arc<Evidence>,
    ) -> Self {
        Self { cluster, options, fellows: BTreeMap::new(), core, evidence }
    }
}

impl Core {
    /// Sets the core once it runs.
    pub(super) fn begin(&self, raft: openraft::Raft<Kind>) {
        self.0.get_or_init(|| raft);
    }

    /// Returns when the core has processed all messages that it received before this call. In each round, the core
    /// carries out requests, processes its messages, and starts the next round by publishing its metrics, whether they
    /// have changed or not. openraft limits each call, and so this wait, to the time between two heartbeats.
    async fn catch_up(&self) {
        let Some(raft) = self.0.get() else { return };
        let mut metrics = raft.metrics();
        // The core itself runs this, so the next change of the metrics belongs to its next round.
        let marked = raft.with_raft_state(move |_| {
            metrics.mark_unchanged();
            metrics
        });
        if let Ok(mut metrics) = marked.await {
            let _changed_or_ended = metrics.changed().await;
        }
    }
}

impl RaftNetworkFactory<Kind> for Network {
    type Network = Line;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> Line {
        let options = &self.options;
        let fellow = self.fellows.entry(node.addr.clone());
        let fellow = fellow.or_insert_with_key(|address| Fellow::connect(address, options)).clone();
        let (core, evidence) = (self.core.clone(), Arc::clone(&self.evidence));
        Line { cluster: self.cluster, to: target, fellow, core, evidence }
    }
}

/// Every error is retried after a pause, because its cause may be over by then.
fn unreachable(error: &(impl std::error::Error + 'static)) -> Unreachable {
    Unreachable::new(error)
}

/// An answer with a term that no group reaches would end this node too.
fn check_term(ours: &Vote, theirs: &Vote) -> Result<(), Unreachable> {
    let (ours, theirs) = (ours.leader_id.term, theirs.leader_id.term);
    if is_term_plausible(ours, theirs) {
        return Ok(());
    }
    let what = format!("term {theirs} is impossibly high: this master is in term {ours}");
    Err(unreachable(&io::Error::other(what)))
}

impl Line {
    fn call(&self, message: &impl Serialize) -> Result<Call, Unreachable> {
        let body = self.evidence.seal(self.to, message).map_err(|error| unreachable(&error))?;
        Ok(Call { cluster: self.cluster, to: self.to, body })
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Vec<u8>, Refusal>,
    ) -> Result<T, Unreachable> {
        let answer = answer.map_err(|refusal| unreachable(&refusal))?;
        self.evidence.open_answer(self.to, &answer).map_err(|error| unreachable(&error))
    }

    /// Records what an answer says about the member's log. Fails if the log has lost entries that the member had
    /// acknowledged, because openraft assumes that this is impossible.
    fn note(
        &self,
        request: &AppendEntriesRequest<Kind>,
        answer: &AppendEntriesResponse<NodeId>,
    ) -> Result<(), Unreachable> {
        let sent = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        let acknowledged = match answer {
            AppendEntriesResponse::Success => sent,
            AppendEntriesResponse::PartialSuccess(up_to) => *up_to,
            AppendEntriesResponse::Conflict => {
                let lacks = request.prev_log_id.map_or(0, |id| id.index);
                return match self.evidence.is_reverted(self.to, request.vote, lacks) {
                    true => Err(unreachable(&io::Error::other(format!(
                        "master {} has lost entries that it had acknowledged",
                        self.to
                    )))),
                    false => Ok(()),
                };
            }
            AppendEntriesResponse::HigherVote(later) => {
                return check_term(&request.vote, later);
            }
        };
        if let Some(id) = acknowledged {
            self.evidence.acknowledge(self.to, request.vote, id.index);
        }
        Ok(())
    }

    /// Sends a snapshot's file in pieces, until the receiver has all of them or follows a later leader.
    async fn send(&self, vote: Vote, snapshot: Snapshot) -> Result<Vote, Unreachable> {
        let mut file = open(&snapshot.snapshot.path).await?;
        let mut offset = 0;
        loop {
            let (rest, bytes, is_last) = next(file).await?;
            file = rest;
            let sent = bytes.len() as u64;
            let piece = Piece { vote, meta: snapshot.meta.clone(), offset, bytes, is_last };
            let call = self.call(&piece)?;
            let answer = timeout(PIECE_WITHIN, self.fellow.install_snapshot(call)).await;
            let their_vote: Vote = self.read(answer.map_err(|late| unreachable(&late))?)?;
            check_term(&vote, &their_vote)?;
            if is_last || their_vote > vote {
                return Ok(their_vote);
            }
            offset += sent;
        }
    }
}

/// Fails if a newer snapshot has replaced it. The next try sends the newer one.
async fn open(path: &Path) -> Result<File, Unreachable> {
    let path = path.to_path_buf();
    read_file(move || File::open(path)).await
}

/// The next piece, and whether it is the last.
async fn next(mut file: File) -> Result<(File, Vec<u8>, bool), Unreachable> {
    read_file(move || {
        let mut bytes = Vec::with_capacity(PIECE_BYTES);
        (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut bytes)?;
        let is_last = bytes.len() < PIECE_BYTES;
        Ok((file, bytes, is_last))
    })
    .await
}

async fn read_file<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Unreachable> {
    let done = offload(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| unreachable(&error))
}

impl RaftNetwork<Kind> for Line {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Kind>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Failed> {
        let call = self.call(&request)?;
        let answer = self.read(self.fellow.append_entries(call).await)?;
        self.note(&request, &answer)?;
        let is_later = matches!(answer, AppendEntriesResponse::HigherVote(_));
        if is_later && request.entries.is_empty() {
            // If openraft meets a later vote, it ends the task that makes the call. If its core has not yet processed
            // an earlier message of that task, for example because the disk is slow, it may try to send a snapshot
            // through the ended task. It treats the failure as a broken disk, and the node ends. A task with entries
            // to send is safe: it got them from a core that has processed its messages.
            self.core.catch_up().await;
        }
        Ok(answer)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<NodeId>,
        _option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, Failed> {
        let call = self.call(&request)?;
        let answer: VoteResponse<NodeId> = self.read(self.fellow.vote(call).await)?;
        check_term(&request.vote, &answer.vote)?;
        Ok(answer)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, SnapshotFailed> {
        let mut sent = pin!(self.send(vote, snapshot));
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            sent = &mut sent => Ok(SnapshotResponse::new(sent?)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(UNREACHABLE_PAUSE))
    }
}
