//! Receives and sends artifacts, and verifies their digests.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::STILL_MAX;
use super::inbox::{Inbox, Place};
use crate::rpc::Digester;
use crate::rpc::artifacts::{Artifacts, Digest, full, is_full};
use crate::rpc::check::{self, invalid};
use crate::rpc::convert::digest;
use crate::rpc::pb;
use crate::rpc::pb::put_piece::Piece;
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::CHUNK_BYTES;
use crate::rpc::status::status;

/// Chunks that wait to be sent.
const CHUNKS_AHEAD: usize = 4;

/// Passes requests to their implementation, with a folder for files that are being transferred.
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
            return Err(status(invalid(
                "the first message of an artifact must be its header".into(),
            )));
        };
        let digest = digest("digest", &header.digest).map_err(status)?;
        check::artifact(digest, header.bytes).map_err(status)?;
        // Checked before the bytes arrive, so that no client sends them for nothing.
        if self.artifacts.has(digest).await.map_err(status)? {
            return Ok(Response::new(pb::Ack {}));
        }
        let place = self.inbox.place();
        let file = self.reserve(place.path(), header.bytes).await.map_err(status)?;
        let received = receive(&mut pieces, file, digest, header.bytes).await;
        received.map_err(|error| match error {
            Broken::Disk(error) => status(self.disk(place.path(), &error)),
            Broken::Refused(status) => status,
        })?;
        self.artifacts.take(digest, place.path()).await.map_err(status)?;
        Ok(Response::new(pb::Ack {}))
    }

    type GetStream = ReceiverStream<Result<pb::ArtifactChunk, Status>>;

    async fn get(
        &self,
        request: Request<pb::ArtifactRef>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let digest = digest("digest", &request.into_inner().digest).map_err(status)?;
        let place = self.inbox.place();
        let file = match self.artifacts.open(digest).await.map_err(status)? {
            Some(file) => File::from_std(file),
            None => {
                self.artifacts.get(digest, place.path()).await.map_err(status)?;
                let opened = File::open(place.path()).await;
                opened.map_err(|error| status(self.disk(place.path(), &error)))?
            }
        };
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let artifacts = Arc::clone(&self.artifacts);
        tokio::spawn(async move {
            let what = send(file, place, digest, sender).await;
            if what == Sent::Damaged {
                artifacts.distrust(digest);
            }
        });
        Ok(Response::new(ReceiverStream::new(chunks)))
    }
}

impl<A: Artifacts> Service<A> {
    /// Creates a file for an artifact, with room on the disk for all of it.
    async fn reserve(&self, path: &Path, bytes: u64) -> Result<File, Refusal> {
        let mut options = OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(path).await;
        let file = made.map_err(|error| self.disk(path, &error))?;
        loop {
            match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes.max(1)) {
                Err(Errno::NOSPC | Errno::DQUOT) if self.artifacts.make_room(bytes).await => {}
                Err(error @ (Errno::NOSPC | Errno::DQUOT)) => {
                    return Err(self.disk(path, &error.into()));
                }
                // If room cannot be reserved, a full disk is noticed when writing.
                _ => return Ok(file),
            }
        }
    }

    /// The refusal for an error of the server's disk.
    fn disk(&self, path: &Path, error: &io::Error) -> Refusal {
        let (owner, path) = (self.artifacts.owner(), path.display());
        if is_full(error) {
            return full(&owner, &path.to_string(), error);
        }
        // Another master may have what this one lacks, such as descriptors.
        Refusal::Unavailable {
            message: format!(
                "{owner} cannot open or write the file of an artifact: {error}: {path}"
            ),
        }
    }
}

/// Why an artifact was not received.
enum Broken {
    /// An error of this server's disk.
    Disk(io::Error),
    /// An error for the sender.
    Refused(Status),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// How sending an artifact ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole,
    /// The receiver is gone, or the disk failed.
    InPart,
    /// All of it was sent, but its digest is a different one.
    Damaged,
}

async fn next(pieces: &mut Streaming<pb::PutPiece>) -> Result<Option<Piece>, Status> {
    let piece = timeout(STILL_MAX, pieces.message()).await.map_err(|_| {
        let seconds = STILL_MAX.as_secs();
        status(Refusal::Unavailable {
            message: format!("no data of the artifact arrived for {seconds} seconds"),
        })
    })??;
    Ok(piece.and_then(|piece| piece.piece))
}

async fn receive(
    pieces: &mut Streaming<pb::PutPiece>,
    mut file: File,
    wanted: Digest,
    bytes: u64,
) -> Result<(), Broken> {
    let mut digester = Digester::default();
    while let Some(piece) = next(pieces).await? {
        let Piece::Chunk(chunk) = piece else {
            return Err(status(invalid("the header of the artifact arrived twice".into())).into());
        };
        digester.update(&chunk);
        if digester.bytes() > bytes {
            let message = format!("more bytes of the artifact arrived than the announced {bytes}");
            return Err(status(invalid(message)).into());
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    if digester.bytes() != bytes || digester.digest() != wanted {
        return Err(status(invalid(format!(
            "artifact {wanted} arrived damaged: expected {bytes} bytes, got {} bytes with digest {}\nhint: send the artifact again",
            digester.bytes(),
            digester.digest()
        )))
        .into());
    }
    Ok(())
}

/// Sends a file until the receiver stops reading, and checks it while sending. A copy is removed when this ends.
async fn send(
    mut file: File,
    _copy: Place,
    digest: Digest,
    sender: mpsc::Sender<Result<pb::ArtifactChunk, Status>>,
) -> Sent {
    let unavailable = |message| Err(status(Refusal::Unavailable { message }));
    let mut digester = Digester::default();
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await;
        digester.update(&chunk);
        let (piece, end) = match read {
            Ok(CHUNK_BYTES) => (Ok(pb::ArtifactChunk { chunk }), None),
            Ok(_) if digester.digest() == digest => {
                (Ok(pb::ArtifactChunk { chunk }), Some(Sent::Whole))
            }
            Ok(_) => {
                let message = format!("artifact {digest} is damaged on this master's disk");
                (unavailable(message), Some(Sent::Damaged))
            }
            Err(error) => {
                (unavailable(format!("cannot read artifact {digest}: {error}")), Some(Sent::InPart))
            }
        };
        let sent = timeout(STILL_MAX, sender.send(piece)).await;
        if let Some(end) = end {
            return end;
        }
        if !matches!(sent, Ok(Ok(()))) {
            return Sent::InPart;
        }
    }
}
