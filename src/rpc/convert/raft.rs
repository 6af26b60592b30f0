//! Converts Raft messages to and from protobuf.

use super::field::bytes;
use super::packed::{PROTOCOL, check_version};
use super::wide;
use crate::rpc::pb;
use crate::rpc::raft::Call;
use crate::rpc::refusal::Refusal;

impl From<Call> for pb::RaftCall {
    fn from(call: Call) -> Self {
        let (cluster, bincode) = (bytes(call.cluster), call.body);
        Self { cluster, to: call.to, protocol: PROTOCOL, bincode }
    }
}

impl TryFrom<pb::RaftCall> for Call {
    type Error = Refusal;

    fn try_from(wire: pb::RaftCall) -> Result<Self, Refusal> {
        check_version("a message of another master", wire.protocol)?;
        Ok(Self { cluster: wide("cluster", &wire.cluster)?, to: wire.to, body: wire.bincode })
    }
}
