//! Fetches one partition of every map output for a client, or fails at once if an output is missing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::gather::{Gather, Got};
use super::map_outputs::lend_at;
use crate::model::{Failure, JobId, Nonce, SegmentRef};
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::{FetchRequest, SEGMENTS_MAX, Shuffle};
use crate::rpc::workers::{CHANGES_MAX, Locate, LocatedMap, Workers};

/// Error of fetching outputs.
#[derive(Debug, thiserror::Error)]
pub enum FetchOnceError {
    /// The masters do not say where the outputs are.
    #[error("{0}")]
    Masters(#[from] Refusal),
    /// Some outputs do not exist yet, or are being made again.
    #[error("map outputs are missing at the moment: {missing} of {maps}")]
    NotThere {
        /// Number of missing outputs.
        missing: u32,
        /// Number of all outputs.
        maps: u32,
    },
    /// A worker did not send one of the outputs.
    #[error("{0}")]
    NotSent(String),
    /// The outputs cannot be stored here.
    #[error("{}", .0.message)]
    Disk(Failure),
}

/// Fetches this partition of all map outputs into a new file. Returns the place of each in the file, in the order of
/// the maps, except for maps whose output is part of another one.
///
/// # Errors
/// The first error that occurs.
pub async fn fetch_once<M: Workers, P: Shuffle>(
    masters: &M,
    peer: impl Fn(&str) -> P,
    (job, nonce): (JobId, Nonce),
    (partition, maps): (u32, u32),
    file: PathBuf,
) -> Result<Vec<SegmentRef>, FetchOnceError> {
    let located = locate(masters, job).await?;
    let known = u32::try_from(located.len()).unwrap_or(u32::MAX);
    if known < maps {
        return Err(FetchOnceError::NotThere { missing: maps - known, maps });
    }
    let mut by_address: BTreeMap<String, Vec<(u32, u32)>> = BTreeMap::new();
    for LocatedMap { map, within, at } in located.into_values() {
        if let (None, Some((attempt, _, address))) = (within, at) {
            by_address.entry(address).or_default().push((map, attempt));
        }
    }
    let gather = Arc::new(Gather::create(file).map_err(FetchOnceError::Disk)?);
    let mut segments = BTreeMap::new();
    for (address, outputs) in &by_address {
        for batch in outputs.chunks(SEGMENTS_MAX) {
            let maps = batch.to_vec();
            // Without the name of a machine, every output is sent.
            let machine = String::new();
            let request = FetchRequest { job, nonce, partition, maps, machine };
            let got = Arc::clone(&gather).fetch(peer(address), request).await;
            for (map, got) in got.map_err(FetchOnceError::Disk)? {
                segments.insert(map, whole(map, got, address)?);
            }
        }
    }
    Ok(segments.into_values().collect())
}

fn whole(map: u32, got: Got, address: &str) -> Result<SegmentRef, FetchOnceError> {
    match got {
        Got::Whole(segment) => Ok(segment),
        Got::Missing { message, .. } | Got::Unanswered { message } | Got::Slow { message } => {
            Err(FetchOnceError::NotSent(format!("output of map {map} from {address}: {message}")))
        }
        Got::Hidden => {
            let message = "the worker sent a path instead of the bytes";
            Err(FetchOnceError::NotSent(format!("output of map {map} from {address}: {message}")))
        }
    }
}

/// Asks where each output is now, or which other output holds it.
async fn locate<M: Workers>(masters: &M, job: JobId) -> Result<BTreeMap<u32, LocatedMap>, Refusal> {
    let (mut located, mut since) = (BTreeMap::new(), 0);
    loop {
        let answer = masters.locate(Locate { job, since }).await?;
        since = answer.version;
        let is_all = answer.changes.len() < CHANGES_MAX;
        for change in answer.changes {
            if change.within.is_some() || change.at.is_some() {
                located.insert(change.map, change);
            } else {
                located.remove(&change.map);
            }
        }
        if is_all {
            return Ok(located);
        }
    }
}

/// Returns this partition of a map output that this attempt has made, in a file here.
///
/// # Errors
/// If the file is not a whole map output of this attempt.
pub fn lend_file(
    path: &Path,
    of: (Nonce, u32, u32),
    partition: u32,
) -> Result<SegmentRef, std::io::Error> {
    lend_at(path, of, partition).ok_or_else(|| {
        let shown = crate::model::Location::from(path);
        std::io::Error::other(format!("the file is not a complete output of this map: {shown}"))
    })
}
