//! Why a master could not start.

use std::io;
use std::path::PathBuf;

use super::LEASE_MS_MIN;

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
    /// The lease is too short.
    #[error("the lease must be at least {LEASE_MS_MIN} ms, got {lease_ms} ms")]
    Lease {
        /// As given.
        lease_ms: u64,
    },
}
