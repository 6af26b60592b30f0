//! Receives a leader's snapshot, piece by piece.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::digest::Digests;
use super::entry::SnapshotMeta;
use super::evidence::{Records, split};
use super::snapshot::read;
use crate::rpc::refusal::Refusal;

/// Receives the leader's snapshot, one at a time. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Incoming(Arc<Mutex<Receiving>>);

#[derive(Debug)]
pub(super) struct Receiving {
    path: PathBuf,
    /// The snapshot that is arriving, and the part of its file that has arrived.
    begun: Option<(String, u64, File)>,
}

/// A snapshot that has arrived completely.
pub(super) struct Whole {
    pub(super) meta: SnapshotMeta,
    pub(super) records: Records,
    pub(super) path: PathBuf,
}

impl Incoming {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(Receiving { path, begun: None })))
    }

    /// Waits until no other snapshot is arriving.
    pub(super) async fn lock(&self) -> OwnedMutexGuard<Receiving> {
        Arc::clone(&self.0).lock_owned().await
    }
}

impl Receiving {
    pub(super) fn take_in(&mut self, id: &str, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        if offset == 0 {
            let file = File::create(&self.path).map_err(|error| disk(&error))?;
            self.begun = Some((id.to_owned(), 0, file));
        }
        match &mut self.begun {
            Some((begun, next, file)) if begun == id && *next == offset => {
                file.write_all(bytes).map_err(|error| disk(&error))?;
                *next += bytes.len() as u64;
                Ok(())
            }
            _ => Err(Refusal::Invalid {
                message: format!("the piece of a snapshot at byte {offset} is out of order"),
            }),
        }
    }

    /// Everything has arrived. Checks it, because openraft stops at a snapshot that it cannot read.
    pub(super) fn whole(&mut self) -> Result<Option<Whole>, Refusal> {
        self.begun = None;
        let (meta, body) = read(&self.path).map_err(|error| internal(error.to_string()))?;
        let records = Digests::split(&body).and_then(|(_, rest)| split(rest));
        let (records, _) = records.map_err(|error| internal(error.to_string()))?;
        Ok(Some(Whole { meta, records, path: self.path.clone() }))
    }
}

fn disk(error: &io::Error) -> Refusal {
    internal(format!("cannot write a received snapshot: {error}"))
}

pub(super) fn internal(message: String) -> Refusal {
    Refusal::Internal { message }
}
