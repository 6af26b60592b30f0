//! Converts Raft messages to and from protobuf.

use super::field::bytes;
use super::wide;
use crate::rpc::pb;
use crate::rpc::raft::Call;
use crate::rpc::refusal::Refusal;

impl From<Call> for pb::RaftCall {
    fn from(call: Call) -> Self {
        Self { cluster: bytes(call.cluster), to: call.to, bincode: call.body }
    }
}

impl TryFrom<pb::RaftCall> for Call {
    type Error = Refusal;

    fn try_from(wire: pb::RaftCall) -> Result<Self, Refusal> {
        Ok(Self { cluster: wide("cluster", &wire.cluster)?, to: wire.to, body: wire.bincode })
    }
}
