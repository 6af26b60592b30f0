//! Takes artifacts in and hands them out, checked against their digests.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::STILL_MAX;
use super::inbox::{Inbox, Place};
use crate::rpc::Digester;
use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::check::{self, invalid};
use crate::rpc::convert::digest;
use crate::rpc::pb;
use crate::rpc::pb::put_piece::Piece;
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::CHUNK_BYTES;
use crate::rpc::status::status;

/// Chunks that wait to be sent.
const CHUNKS_AHEAD: usize = 4;

/// What is asked for, by whom it is implemented, and where bytes lie meanwhile.
pub(super) struct Service<A> {
    pub(super) artifacts: Arc<A>,
    pub(super) inbox: Arc<Inbox>,
}

#[tonic::async_trait]
impl<A: Artifacts> pb::artifacts_server::Artifacts for Service<A> {
    async fn has(
        &self,
        request: Request<pb::ArtifactRef>,
    ) -> Result<Response<pb::HasAnswer>, Status> {
        let digest = digest("digest", &request.into_inner().digest).map_err(status)?;
        let has = self.artifacts.has(digest).await.map_err(status)?;
        Ok(Response::new(pb::HasAnswer { has }))
    }

    async fn put(
        &self,
        request: Request<Streaming<pb::PutPiece>>,
    ) -> Result<Response<pb::Ack>, Status> {
        let mut pieces = request.into_inner();
        let Some(Piece::Header(header)) = next(&mut pieces).await? else {
            return Err(status(invalid("an artifact must begin with its header".into())));
        };
        let digest = digest("digest", &header.digest).map_err(status)?;
        check::artifact(digest, header.bytes).map_err(status)?;
        // Said before the bytes come, so that nobody sends much to a master that does not lead.
        if self.artifacts.has(digest).await.map_err(status)? {
            return Ok(Response::new(pb::Ack {}));
        }
        let place = self.inbox.place();
        receive(&mut pieces, place.path(), digest, header.bytes).await?;
        self.artifacts.put(digest, place.path()).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }

    type GetStream = ReceiverStream<Result<pb::ArtifactChunk, Status>>;

    async fn get(
        &self,
        request: Request<pb::ArtifactRef>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let digest = digest("digest", &request.into_inner().digest).map_err(status)?;
        let place = self.inbox.place();
        self.artifacts.get(digest, place.path()).await.map_err(status)?;
        let file = File::open(place.path()).await.map_err(|error| disk(&error))?;
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        tokio::spawn(send(file, place, sender));
        Ok(Response::new(ReceiverStream::new(chunks)))
    }
}

async fn next(pieces: &mut Streaming<pb::PutPiece>) -> Result<Option<Piece>, Status> {
    let piece = timeout(STILL_MAX, pieces.message()).await.map_err(|_| {
        let seconds = STILL_MAX.as_secs();
        status(Refusal::Unavailable { message: format!("nothing came for {seconds} seconds") })
    })??;
    Ok(piece.and_then(|piece| piece.piece))
}

async fn receive(
    pieces: &mut Streaming<pb::PutPiece>,
    path: &Path,
    wanted: Digest,
    bytes: u64,
) -> Result<(), Status> {
    let mut file = File::create_new(path).await.map_err(|error| disk(&error))?;
    let mut digester = Digester::default();
    while let Some(piece) = next(pieces).await? {
        let Piece::Chunk(chunk) = piece else {
            return Err(status(invalid("an artifact has two headers".into())));
        };
        digester.update(&chunk);
        if digester.bytes() > bytes {
            return Err(status(invalid(format!("more than the {bytes} bytes announced came"))));
        }
        file.write_all(&chunk).await.map_err(|error| disk(&error))?;
    }
    file.flush().await.map_err(|error| disk(&error))?;
    if digester.bytes() != bytes || digester.digest() != wanted {
        return Err(status(invalid(format!(
            "artifact {wanted} of {bytes} bytes came as {} of {} bytes; send it again",
            digester.digest(),
            digester.bytes()
        ))));
    }
    Ok(())
}

/// Sends a file as far as the receiver wants it; it is removed when this ends.
async fn send(
    mut file: File,
    _place: Place,
    sender: mpsc::Sender<Result<pb::ArtifactChunk, Status>>,
) {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await;
        let (piece, is_last) = match read {
            Ok(bytes) => (Ok(pb::ArtifactChunk { chunk }), bytes < CHUNK_BYTES),
            Err(error) => (Err(disk(&error)), true),
        };
        let sent = timeout(STILL_MAX, sender.send(piece)).await;
        if is_last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

fn disk(error: &io::Error) -> Status {
    status(Refusal::Internal {
        message: format!("artifact on its way: {error}; the master's disk"),
    })
}
