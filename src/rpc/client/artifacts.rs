//! Sends and fetches artifacts, over a separate connection for data.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::fs::{self, File};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use super::master::Line;
use super::{Master, late};
use crate::crash::crash_point;
use crate::rpc::artifacts::{Artifacts, BYTES_PER_SECOND_MIN, Digest, full, is_full};
use crate::rpc::pb;
use crate::rpc::pb::artifacts_client::ArtifactsClient;
use crate::rpc::pb::put_piece::Piece;
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::CHUNK_BYTES;
use crate::rpc::status::refusal;
use crate::rpc::{DATA_BYTES_MAX, Digester, check};

/// Chunks that wait to be sent.
const CHUNKS_AHEAD: usize = 4;

fn client(channel: Channel) -> ArtifactsClient<Channel> {
    ArtifactsClient::new(channel)
        .max_decoding_message_size(DATA_BYTES_MAX)
        .max_encoding_message_size(DATA_BYTES_MAX)
}

impl Artifacts for Master {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        let request = pb::ArtifactRef { digest: digest.to_wire() };
        let within = self.options().answer;
        let has = self
            .ask(Line::Data, within, |channel| {
                let request = request.clone();
                async move { client(channel).has(request).await }
            })
            .await?;
        Ok(has.has)
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        let bytes = fs::metadata(file).await.map_err(|error| unreadable(file, &error))?.len();
        self.send(digest, bytes, Source::File(file.to_path_buf())).await
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        let request = pb::ArtifactRef { digest: digest.to_wire() };
        // The master may need to fetch or copy it before its first byte arrives.
        let within = 4 * self.options().answer;
        let chunks = self
            .ask(Line::Data, within, |channel| {
                let request = request.clone();
                async move { client(channel).get(request).await }
            })
            .await?;
        let created = File::create_new(file).await.map_err(|error| unwritable(file, &error))?;
        let received = self.receive(digest, chunks, created, file).await;
        if received.is_err() {
            // An incomplete file does not stay. If it cannot be removed, its name is not used again.
            let _removed_or_not = fs::remove_file(file).await;
        }
        received
    }
}

impl Master {
    /// Stores bytes in memory, as [`Artifacts::put`] stores a file.
    ///
    /// # Errors
    /// As [`Artifacts::put`].
    pub async fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, Refusal> {
        let digest = Digest::of(bytes);
        self.send(digest, bytes.len() as u64, Source::Bytes(bytes.into())).await?;
        Ok(digest)
    }

    async fn send(&self, digest: Digest, bytes: u64, source: Source) -> Result<(), Refusal> {
        check::artifact(digest, bytes)?;
        let within = self.options().answer + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
        let pb::Ack {} = self
            .ask(Line::Data, within, |channel| {
                let source = source.clone();
                async move {
                    let source = source.open().await.map_err(|error| unsent(&error))?;
                    put(channel, digest, bytes, source).await
                }
            })
            .await?;
        Ok(())
    }

    async fn receive(
        &self,
        digest: Digest,
        mut chunks: Streaming<pb::ArtifactChunk>,
        mut file: File,
        path: &Path,
    ) -> Result<(), Refusal> {
        let (within, peer) = (self.options().answer, self.address());
        let mut digester = Digester::default();
        loop {
            let chunk = match timeout(within, chunks.message()).await {
                Ok(Ok(Some(pb::ArtifactChunk { chunk }))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(status)) => return Err(refusal(&status, &peer)),
                Err(_) => return Err(late(within, &peer)),
            };
            digester.update(&chunk);
            check::artifact(digest, digester.bytes())?;
            file.write_all(&chunk).await.map_err(|error| unwritable(path, &error))?;
            crash_point!("w01");
        }
        file.flush().await.map_err(|error| unwritable(path, &error))?;
        if digester.digest() != digest {
            let message =
                format!("artifact {digest} arrived with digest {}: {peer}", digester.digest());
            return Err(Refusal::Unavailable { message });
        }
        Ok(())
    }
}

/// The source of an artifact's bytes. Each try starts again from the first byte.
#[derive(Clone)]
enum Source {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Source {
    async fn open(self) -> io::Result<Box<dyn AsyncRead + Unpin + Send>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path).await?),
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
        })
    }
}

/// One try to send the artifact.
async fn put(
    channel: Channel,
    digest: Digest,
    bytes: u64,
    mut source: Box<dyn AsyncRead + Unpin + Send>,
) -> Result<Response<pb::Ack>, Status> {
    let (sender, pieces) = mpsc::channel(CHUNKS_AHEAD);
    let header = Piece::Header(pb::PutHeader { digest: digest.to_wire(), bytes });
    // Ends when everything is sent, or when the call has ended and accepts nothing more.
    tokio::spawn(async move {
        let mut piece = header;
        while sender.send(pb::PutPiece { piece: Some(piece) }).await.is_ok() {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = (&mut source).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await;
            // A read error ends the stream early, which the receiver notices by the digest.
            if read.is_err() || chunk.is_empty() {
                break;
            }
            piece = Piece::Chunk(chunk);
        }
    });
    client(channel).put(ReceiverStream::new(pieces)).await
}

fn unsent(error: &io::Error) -> Status {
    crate::rpc::status::status(Refusal::Invalid {
        message: format!("cannot read the artifact: {error}"),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Refusal {
    let shown = crate::model::Location::from(path);
    Refusal::Invalid { message: format!("cannot read the artifact: {error}: {shown}") }
}

fn unwritable(path: &Path, error: &io::Error) -> Refusal {
    let shown = crate::model::Location::from(path);
    if is_full(error) {
        return full("this process", &shown.to_string(), error);
    }
    Refusal::Internal { message: format!("cannot write the artifact: {error}: {shown}") }
}
