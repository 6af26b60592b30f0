//! Artifacts: job executables, job specs, plans and side files, kept by masters and named by the digest of their bytes.
//!
//! Called by clients (executables, specs, side files) and workers (plans), and read by workers. Every call may be repeated:
//! an artifact that is there already is not stored twice.

use std::future::Future;
use std::path::Path;

use super::refusal::Refusal;
pub use crate::spec::Digest;

/// Largest artifact, in bytes.
pub const ARTIFACT_BYTES_MAX: u64 = 4 << 30;

/// The least that an artifact must get on by on its way, in bytes a second.
pub const BYTES_PER_SECOND_MIN: u64 = 1 << 20;

/// What stores artifacts and hands them out.
pub trait Artifacts: Send + Sync + 'static {
    /// Whether an artifact is there.
    fn has(&self, digest: Digest) -> impl Future<Output = Result<bool, Refusal>> + Send;
    /// Stores the file's bytes under their digest, which the receiver checks. A lost answer: ask [`Artifacts::has`], or repeat.
    fn put(&self, digest: Digest, file: &Path) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// Writes an artifact to a new file, whole and checked, or leaves none there.
    fn get(&self, digest: Digest, file: &Path) -> impl Future<Output = Result<(), Refusal>> + Send;
}
