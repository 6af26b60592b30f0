//! Fetches map output from another worker.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::{Options, late};
use crate::model::AttemptId;
use crate::rpc::DATA_BYTES_MAX;
use crate::rpc::check;
use crate::rpc::convert::answer;
use crate::rpc::pb;
use crate::rpc::pb::shuffle_client::ShuffleClient;
use crate::rpc::pieces::Pieces;
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::{FetchPiece, FetchRequest, Shuffle};
use crate::rpc::status::refusal;

/// A client of one worker. It tries once, and does not know which other workers have the output.
#[derive(Debug, Clone)]
pub struct Peer {
    address: String,
    channel: Result<Channel, Refusal>,
    answer: Duration,
}

impl Peer {
    /// Creates a client of the worker at this address. The connection is made, or the address refused, when it is
    /// needed. Needs a tokio runtime.
    pub fn connect(address: &str, options: &Options) -> Self {
        let channel = options.channel(address);
        Self { address: address.to_owned(), channel, answer: options.answer }
    }

    fn client(&self) -> Result<ShuffleClient<Channel>, Refusal> {
        Ok(ShuffleClient::new(self.channel.clone()?)
            .max_decoding_message_size(2 * DATA_BYTES_MAX)
            .max_encoding_message_size(DATA_BYTES_MAX))
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Refusal> {
        match timeout(self.answer, call).await {
            Ok(answered) => answered.map_err(|status| refusal(&status, &self.address)),
            Err(_) => Err(late(self.answer, &self.address)),
        }
    }
}

impl Shuffle for Peer {
    async fn fetch<S, F>(&self, request: FetchRequest, mut send: S) -> Result<(), Refusal>
    where
        S: FnMut(FetchPiece) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        check::fetch(&request)?;
        let wrong = |said: String| Refusal::Internal {
            message: format!("the answer to a fetch is invalid: {said}: {}", self.address),
        };
        let mut expected = Pieces::of(&request.maps);
        let mut client = self.client()?;
        let mut pieces = self.ask(client.fetch(pb::Packed::of(&request))).await?.into_inner();
        // Nothing is read while `send` waits, so HTTP/2 makes the other end wait.
        while let Some(piece) = self.ask(pieces.message()).await? {
            let piece = answer(FetchPiece::try_from(piece), &self.address)?;
            expected.next(&piece).map_err(wrong)?;
            if !send(piece).await {
                return Ok(());
            }
        }
        expected.end()
    }

    async fn log(&self, attempt: AttemptId) -> Result<Vec<u8>, Refusal> {
        let request = pb::LogRequest { attempt: attempt.to_string() };
        let mut client = self.client()?;
        let answered = self.ask(client.log(request)).await.map(Response::into_inner)?;
        Ok(answered.tail)
    }
}
