//! The network of a group of one: there is nobody to talk to.

use std::future::Future;
use std::io;

use openraft::error::{Fatal, RPCError, RaftError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RaftNetwork, RaftNetworkFactory};

use super::entry::{Kind, NodeId, Snapshot, Vote};

/// Reaches nobody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone;

type Failed = RPCError<NodeId, BasicNode, RaftError<NodeId>>;

fn nobody() -> Unreachable {
    Unreachable::new(&io::Error::other("a group of one has no other masters"))
}

impl RaftNetworkFactory<Kind> for Alone {
    type Network = Self;

    async fn new_client(&mut self, _target: NodeId, _node: &BasicNode) -> Self {
        Self
    }
}

impl RaftNetwork<Kind> for Alone {
    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Kind>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Failed> {
        Err(nobody().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<NodeId>,
        _option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, Failed> {
        Err(nobody().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Kind, Fatal<NodeId>>> {
        Err(nobody().into())
    }
}
