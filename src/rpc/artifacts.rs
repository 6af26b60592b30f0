//! Artifacts: executables, specs, plans and side files, stored by masters and named by the digest of their bytes.
//!
//! Clients send executables, specs and side files. Workers send plans, and fetch artifacts of all kinds. Every call may
//! be repeated: the same artifact is not stored twice.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::Path;

use super::refusal::Refusal;
pub use crate::model::Digest;

/// Largest artifact, in bytes.
pub const ARTIFACT_BYTES_MAX: u64 = 4 << 30;

/// Slowest allowed transfer of an artifact, in bytes per second.
pub const BYTES_PER_SECOND_MIN: u64 = 1 << 20;

/// Whether an error means that a disk is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Error for lack of space on the disk of this owner.
pub fn full(owner: &str, path: &str, error: &io::Error) -> Refusal {
    Refusal::Limit {
        message: format!(
            "the disk of {owner} is full: {error}: {path}\nhint: free space on that disk; if it is a master's, you can also wait \
             until jobs have ended: then the master can remove their artifacts"
        ),
    }
}

/// The service that stores and serves artifacts.
pub trait Artifacts: Send + Sync + 'static {
    /// Whether an artifact is stored.
    fn has(&self, digest: Digest) -> impl Future<Output = Result<bool, Refusal>> + Send;
    /// Stores a file under its digest, which the receiver checks. If the answer is lost, call [`Artifacts::has`], or
    /// repeat.
    fn put(&self, digest: Digest, file: &Path) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// Writes an artifact to a new file, complete and checked, or leaves no file.
    fn get(&self, digest: Digest, file: &Path) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Stores a file that the server has received and checked. The file may be moved.
    fn take(
        &self,
        digest: Digest,
        file: &Path,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        self.put(digest, file)
    }

    /// Opens an artifact in place, for the server to send it from there; `None` if it can only be copied, by
    /// [`Artifacts::get`].
    fn open(&self, _digest: Digest) -> impl Future<Output = Result<Option<File>, Refusal>> + Send {
        async { Ok(None) }
    }

    /// Reports that the bytes of an opened artifact do not have its digest.
    fn distrust(&self, _digest: Digest) {}

    /// Removes the least needed artifacts, so that this many bytes can be stored. Returns whether anything was
    /// removed.
    fn make_room(&self, _bytes: u64) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Whose disk the artifacts are on.
    fn owner(&self) -> String {
        "the master".into()
    }
}
