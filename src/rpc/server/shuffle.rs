//! Serves map outputs to other workers.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::STILL_MAX;
use crate::rpc::check;
use crate::rpc::convert::parsed;
use crate::rpc::pb;
use crate::rpc::shuffle::{CHUNK_BYTES, FetchPiece, FetchRequest, Shuffle};
use crate::rpc::status::status;

/// Pieces that wait to be sent, in addition to those that HTTP/2 is sending.
const PIECES_AHEAD: usize = 2;

/// Passes requests to their implementation.
pub(super) struct Service<S>(pub(super) Arc<S>);

type Sender = mpsc::Sender<Result<pb::FetchPiece, Status>>;

#[tonic::async_trait]
impl<S: Shuffle> pb::shuffle_server::Shuffle for Service<S> {
    type FetchStream = ReceiverStream<Result<pb::FetchPiece, Status>>;

    async fn fetch(
        &self,
        request: Request<pb::Packed>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let request: FetchRequest = request.into_inner().open("a fetch").map_err(status)?;
        check::fetch(&request).map_err(status)?;
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let shuffle = self.0.clone();
        tokio::spawn(async move {
            let pieces = sender.clone();
            let fetched = shuffle.fetch(request, move |piece| send(pieces.clone(), piece)).await;
            if let Err(refusal) = fetched {
                // The receiver may be gone.
                let _told_or_not = timeout(STILL_MAX, sender.send(Err(status(refusal)))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(pieces)))
    }

    async fn log(
        &self,
        request: Request<pb::LogRequest>,
    ) -> Result<Response<pb::LogAnswer>, Status> {
        let attempt = parsed(&request.into_inner().attempt).map_err(status)?;
        let tail = self.0.log(attempt).await.map_err(status)?;
        Ok(Response::new(pb::LogAnswer { tail }))
    }
}

/// Sends a piece, in messages of the right size. Returns false if the receiver is gone, or does not read for too long.
async fn send(sender: Sender, piece: FetchPiece) -> bool {
    match piece {
        FetchPiece::Bytes(bytes) if bytes.len() > CHUNK_BYTES => {
            for chunk in bytes.chunks(CHUNK_BYTES) {
                if !send_one(&sender, FetchPiece::Bytes(chunk.to_vec())).await {
                    return false;
                }
            }
            true
        }
        piece => send_one(&sender, piece).await,
    }
}

async fn send_one(sender: &Sender, piece: FetchPiece) -> bool {
    matches!(timeout(STILL_MAX, sender.send(Ok(piece.into()))).await, Ok(Ok(())))
}
