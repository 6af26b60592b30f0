//! Calls another master of the same cluster.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::{Master, Options, Played, RaftCall};
use crate::rpc::RAFT_BYTES_MAX;
use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::masters::{MasterLine, Masters, RemovedList};
use crate::rpc::pb;
use crate::rpc::pb::raft_client::RaftClient;
use crate::rpc::raft::{Call, Raft};
use crate::rpc::refusal::Refusal;
use crate::rpc::status::refusal;

/// A client of one master, for another master. It tries once, and sets no deadline for Raft calls, which have their
/// own.
#[derive(Debug, Clone)]
pub struct Fellow {
    address: String,
    way: Way,
}

/// How it is reached.
#[derive(Debug, Clone)]
enum Way {
    Grpc { channel: Result<Channel, Refusal>, options: Options },
    Played(Played),
}

impl Fellow {
    /// Creates a client of the master at this address. The connection is made, or the address refused, at the first call.
    /// Needs a tokio runtime.
    pub fn connect(address: &str, options: &Options) -> Self {
        let way = match &options.played {
            Some(played) => Way::Played(played.clone()),
            None => Way::Grpc { channel: options.channel(address), options: options.clone() },
        };
        Self { address: address.to_owned(), way }
    }

    /// Whether a new connection to its address is refused within this time: nothing listens there.
    pub async fn is_refused(&self, within: Duration) -> bool {
        if let Way::Played(played) = &self.way {
            return matches!(
                timeout(within, played.0.is_refused(&self.address)).await,
                Ok(Ok(true))
            );
        }
        let dialled = timeout(within, TcpStream::connect(&self.address)).await;
        matches!(dialled, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
    }

    async fn call(&self, what: RaftCall, call: Call) -> Result<Vec<u8>, Refusal> {
        let channel = match &self.way {
            Way::Played(played) => return played.0.deliver(&self.address, what, call).await,
            Way::Grpc { channel, .. } => channel.clone()?,
        };
        let mut client = RaftClient::new(channel)
            .max_decoding_message_size(RAFT_BYTES_MAX)
            .max_encoding_message_size(RAFT_BYTES_MAX);
        let call = pb::RaftCall::from(call);
        self.answer(match what {
            RaftCall::AppendEntries => client.append_entries(call).await,
            RaftCall::Vote => client.vote(call).await,
            RaftCall::Stand => client.stand(call).await,
            RaftCall::InstallSnapshot => client.install_snapshot(call).await,
        })
    }

    fn answer(
        &self,
        answered: Result<Response<pb::RaftAnswer>, Status>,
    ) -> Result<Vec<u8>, Refusal> {
        let answered = answered.map_err(|status| refusal(&status, &self.address))?;
        Ok(answered.into_inner().bincode)
    }

    /// Returns its status.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn standing(&self) -> Result<MasterLine, Refusal> {
        match &self.way {
            Way::Played(played) => played.0.standing(&self.address).await,
            Way::Grpc { options, .. } => self.master(options)?.standing().await,
        }
    }

    /// Lists the masters that were removed from its cluster.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn removed(&self) -> Result<RemovedList, Refusal> {
        match &self.way {
            Way::Played(played) => played.0.removed(&self.address).await,
            Way::Grpc { options, .. } => self.master(options)?.removed().await,
        }
    }

    fn master(&self, options: &Options) -> Result<Master, Refusal> {
        let options = Options { patience: Duration::ZERO, ..options.clone() };
        Master::connect(std::slice::from_ref(&self.address), options)
    }
}

impl Raft for Fellow {
    async fn append_entries(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.call(RaftCall::AppendEntries, call).await
    }

    async fn vote(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.call(RaftCall::Vote, call).await
    }

    async fn stand(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.call(RaftCall::Stand, call).await
    }

    async fn install_snapshot(&self, call: Call) -> Result<Vec<u8>, Refusal> {
        self.call(RaftCall::InstallSnapshot, call).await
    }
}

impl Artifacts for Fellow {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        match &self.way {
            Way::Played(played) => played.0.has(&self.address, digest).await,
            Way::Grpc { options, .. } => self.master(options)?.has(digest).await,
        }
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        match &self.way {
            Way::Played(played) => played.0.put(&self.address, digest, file).await,
            Way::Grpc { options, .. } => self.master(options)?.put(digest, file).await,
        }
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        match &self.way {
            Way::Played(played) => played.0.get(&self.address, digest, file).await,
            Way::Grpc { options, .. } => self.master(options)?.get(digest, file).await,
        }
    }
}
