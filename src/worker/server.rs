//! Serves this worker's map outputs to other workers, and the logs of its attempts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::log::Logs;
use super::map_outputs::{Absent, MapOutputs, Stored};
use crate::crash::crash_point;
use crate::model::AttemptId;
use crate::offload::offload;
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::{CHUNK_BYTES, FetchPiece, FetchRequest, Shuffle};

/// Requests served at once. Each reads one segment at a time.
const SERVED_MAX: usize = 16;
/// How long a request waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(20);
/// How long a receiver may take for one piece before its request ends.
const SEND_MAX: Duration = Duration::from_secs(60);

/// The shuffle service of one worker. Clones share it.
#[derive(Clone)]
pub struct Server {
    machine: String,
    outputs: Arc<MapOutputs>,
    logs: Arc<Logs>,
    turns: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(machine: String, outputs: Arc<MapOutputs>, logs: Arc<Logs>) -> Self {
        Server { machine, outputs, logs, turns: Arc::new(Semaphore::new(SERVED_MAX)) }
    }

    /// Sends one map's partition. Returns false if the receiver is gone.
    async fn send_one<S, F>(
        &self,
        request: &FetchRequest,
        (map, attempt): (u32, u32),
        send: &mut S,
    ) -> Result<bool, Refusal>
    where
        S: FnMut(FetchPiece) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        if !request.machine.is_empty() && request.machine == self.machine {
            let piece = match self.outputs.path(request.job, (request.nonce, map, attempt)) {
                Ok(path) => FetchPiece::Place { map, path: path.into() },
                Err(absent) => missing(map, absent),
            };
            return Ok(sent(send(piece)).await);
        }
        let outputs = Arc::clone(&self.outputs);
        let (job, partition) = ((request.job, request.nonce), request.partition);
        let checked = blocking(move || outputs.check(job, (map, attempt), partition)).await?;
        let stored = match checked {
            Ok(stored) => Arc::new(stored),
            Err(absent) => return Ok(sent(send(missing(map, absent))).await),
        };
        if !sent(send(FetchPiece::Segment(stored.header))).await {
            return Ok(false);
        }
        crash_point!("w07");
        let mut at = 0;
        while at < stored.header.info.stored_bytes {
            let bytes = (stored.header.info.stored_bytes - at).min(CHUNK_BYTES as u64);
            let source = Arc::clone(&stored);
            let read = blocking(move || read(&source, partition, at, bytes)).await?;
            // The header was already sent: the receiver notices that bytes are missing, and asks again.
            let read = read.map_err(|error| Refusal::Internal { message: error.to_string() })?;
            if !sent(send(FetchPiece::Bytes(read))).await {
                return Ok(false);
            }
            at += bytes;
        }
        Ok(true)
    }
}

impl Shuffle for Server {
    async fn fetch<S, F>(&self, request: FetchRequest, mut send: S) -> Result<(), Refusal>
    where
        S: FnMut(FetchPiece) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        let turn = tokio::time::timeout(TURN_MAX, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let message = format!(
                "this worker already serves {SERVED_MAX} fetches, and none ended within {} s\nhint: try again",
                TURN_MAX.as_secs()
            );
            return Err(Refusal::Unavailable { message });
        };
        for &wanted in &request.maps {
            if !self.send_one(&request, wanted, &mut send).await? {
                break;
            }
        }
        Ok(())
    }

    async fn log(&self, attempt: AttemptId) -> Result<Vec<u8>, Refusal> {
        let logs = Arc::clone(&self.logs);
        let log = blocking(move || logs.read(attempt)).await?;
        log.ok_or_else(|| Refusal::NotFound {
            message: format!("this worker has no log of attempt {attempt}"),
        })
    }
}

fn missing(map: u32, Absent { is_corrupt, message }: Absent) -> FetchPiece {
    FetchPiece::Missing { map, is_corrupt, message }
}

/// Whether the receiver accepted a piece in time.
async fn sent(sending: impl Future<Output = bool>) -> bool {
    tokio::time::timeout(SEND_MAX, sending).await.unwrap_or(false)
}

fn read(
    stored: &Stored,
    partition: u32,
    at: u64,
    bytes: u64,
) -> Result<Vec<u8>, crate::shuffle::Error> {
    let mut chunk = vec![0; bytes as usize];
    stored.file.read_stored(partition, at, &mut chunk).map(|()| chunk)
}

/// Reads files on a thread that is allowed to block.
async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    offload(f).await.map_err(|error| Refusal::Internal {
        message: format!("a thread of the worker died: {error}"),
    })
}
