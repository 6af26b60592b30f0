//! Submits jobs to a cluster and follows them, for the command and for any program that wants to.
//!
//! ```text
//!   executable ── describe ──► what to run, on what        (its own flags, checked by itself, here)
//!   artifacts  ── put, once ─► master                      (the executable, the job's spec)
//!   submission ── submit ────► j7                          (the same id again is the same job)
//!   job        ── follow ────► succeeded, failed, cancelled
//! ```

mod describe;
mod error;
mod follow;
mod submit;

pub use describe::{DESCRIBE_WITHIN, Described, describe};
pub use error::Error;
pub use follow::follow;
pub use submit::{Submission, submit};

use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::client::Master;
use crate::rpc::jobs::Jobs;
use crate::rpc::refusal::Refusal;

/// How a client reaches whichever master leads: a [`Master`] over gRPC, or something else in a simulation.
pub trait Masters: Jobs + Artifacts {
    /// Stores bytes that are at hand, as [`Artifacts::put`] stores those of a file.
    fn put_bytes(&self, bytes: &[u8]) -> impl Future<Output = Result<Digest, Refusal>> + Send;
}

impl Masters for Master {
    async fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, Refusal> {
        Master::put_bytes(self, bytes).await
    }
}
