//! Messages for fetching map output: a worker requests one partition of many map outputs from the worker that holds
//! these outputs.
//!
//! A fetch may be repeated: if the answer is lost, fetch again. The answer is a stream. For each map output, it has a
//! header, followed by the partition's stored bytes (its *segment*) in chunks. If the reader is on the same machine,
//! the stream has the path of the map output instead.

use std::future::Future;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::model::{AttemptId, JobId, LocalPath, Nonce, SegmentInfo};

/// Most segments of one request.
pub const SEGMENTS_MAX: usize = 1024;
/// Most bytes of a machine's name.
pub const MACHINE_BYTES_MAX: usize = 64;
/// Bytes of one chunk of a segment.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Requests segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// The job.
    pub job: JobId,
    /// Its nonce. A worker that knows a different job by this id refuses.
    pub nonce: Nonce,
    /// The partition.
    pub partition: u32,
    /// Map task's index and the attempt's number of each output wanted.
    pub maps: Vec<(u32, u32)>,
    /// The reader's machine, if the reader can use files of other workers there. A worker on the same machine then
    /// only sends paths. Empty if bytes are wanted.
    pub machine: String,
}

/// One piece of the answer. Segments arrive in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchPiece {
    /// A segment begins.
    Segment(SegmentHeader),
    /// The next bytes of the current segment.
    Bytes(Vec<u8>),
    /// The output is on the reader's machine. This is a hint: the reader must check the file.
    Place {
        /// The map task's index.
        map: u32,
        /// The whole output's file.
        path: LocalPath,
    },
    /// This output is not here, or cannot be read. The others still follow.
    Missing {
        /// The map task's index.
        map: u32,
        /// Whether it exists but is damaged.
        is_corrupt: bool,
        /// What happened.
        message: String,
    },
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHeader {
    /// The map task's index.
    pub map: u32,
    /// The attempt's number.
    pub attempt: u32,
    /// CRC-32C of its stored bytes, which follow.
    pub crc32c: u32,
    /// Its contents, and its place in the sender's file.
    pub info: SegmentInfo,
}

/// The service of a worker that sends map output.
pub trait Shuffle: Send + Sync + 'static {
    /// Sends the pieces one by one. `send` waits while the receiver is slow, and returns false if it is gone.
    fn fetch<S, F>(
        &self,
        request: FetchRequest,
        send: S,
    ) -> impl Future<Output = Result<(), Refusal>> + Send
    where
        S: FnMut(FetchPiece) -> F + Send,
        F: Future<Output = bool> + Send;

    /// Returns the end of what an attempt's user code has printed; called by clients.
    fn log(&self, attempt: AttemptId) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
}
