//! Error of a master that could not start.

use std::io;
use std::path::PathBuf;

use super::LEASE_MS_MIN;
use crate::consensus;

/// Why a master could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its folder cannot be used.
    #[error("cannot use {} for artifacts: {source}; give another folder with --data", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What masters agreed on cannot be gone on with.
    #[error(transparent)]
    Agreement(#[from] consensus::Error),
    /// The lease is too short.
    #[error("the lease must be at least {LEASE_MS_MIN} ms, got {lease_ms} ms")]
    Lease {
        /// As given.
        lease_ms: u64,
    },
}
