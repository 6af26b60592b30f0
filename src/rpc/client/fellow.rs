//! Calls another master of the same cluster.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::Options;
use crate::rpc::RAFT_BYTES_MAX;
use crate::rpc::pb;
use crate::rpc::pb::raft_client::RaftClient;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;
use crate::rpc::status::refusal;

/// A client of one master, for another. It makes one try, and sets no deadline of its own: agreement has those.
#[derive(Debug, Clone)]
pub struct Fellow {
    address: String,
    channel: Result<Channel, Refusal>,
}

impl Fellow {
    /// A client of the master at this address. The connection is made, or the address refused, when it is needed; to
    /// be called where tokio runs.
    pub fn connect(address: &str, options: &Options) -> Self {
        Self { address: address.to_owned(), channel: options.channel(address) }
    }

    /// Whether nobody listens at its address: a new connection is refused within so long.
    pub async fn is_refused(&self, within: Duration) -> bool {
        let dialled = timeout(within, TcpStream::connect(&self.address)).await;
        matches!(dialled, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
    }

    fn client(&self) -> Result<RaftClient<Channel>, Refusal> {
        Ok(RaftClient::new(self.channel.clone()?)
            .max_decoding_message_size(RAFT_BYTES_MAX)
            .max_encoding_message_size(RAFT_BYTES_MAX))
    }

    fn answer(
        &self,
        answered: Result<Response<pb::RaftAnswer>, Status>,
    ) -> Result<Vec<u8>, Refusal> {
        let answered = answered.map_err(|status| refusal(&status, &self.address))?;
        Ok(answered.into_inner().bincode)
    }
}

impl Raft for Fellow {
    async fn append_entries(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.answer(self.client()?.append_entries(pb::RaftCall::from(call)).await)
    }

    async fn vote(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.answer(self.client()?.vote(pb::RaftCall::from(call)).await)
    }

    async fn stand(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.answer(self.client()?.stand(pb::RaftCall::from(call)).await)
    }

    async fn install_snapshot(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.answer(self.client()?.install_snapshot(pb::RaftCall::from(call)).await)
    }
}
