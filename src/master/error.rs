//! Error of a master that could not start.

use std::io;
use std::path::PathBuf;

use super::LEASE_MS_MIN;
use crate::consensus;

/// Why a master could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be used.
    #[error("cannot use {} for artifacts: {source}\nhint: give another folder with --data", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The consensus cannot be started from the folder.
    #[error(transparent)]
    Agreement(#[from] consensus::Error),
    /// The lease is too short.
    #[error("the lease must be at least {LEASE_MS_MIN} ms, got {lease_ms} ms")]
    Lease {
        /// The given lease.
        lease_ms: u64,
    },
}
