//! Submits jobs to a cluster and follows them, for the `gristmill` command and for other programs.
//!
//! ```text
//!   executable ── describe ──► what to run, on what        (its own flags, checked by itself, here)
//!   artifacts  ── put, once ─► master                      (executable, side files, the job's spec)
//!   submission ── submit ────► j7                          (the same id again is the same job)
//!   job        ── follow ────► succeeded, failed, cancelled
//! ```
//!
//! An example of a program that submits a job and waits for its end:
//!
//! ```no_run
//! use gristmill::client::{
//!     DESCRIBE_WITHIN, Described, Master, Options, Submission, describe, follow, submit,
//! };
//! # async fn program() -> Result<(), Box<dyn std::error::Error>> {
//! let master = Master::connect(&["127.0.0.1:7400".into()], Options::default())?;
//! let arguments = ["in.txt", "-o", "counts"].map(Into::into);
//! let described = describe("target/release/wordcount".as_ref(), &arguments, DESCRIBE_WITHIN).await?;
//! let Described::Job { executable, spec, map_only, .. } = described else { return Ok(()) };
//! let submission = Submission::new("counts-of-monday".into(), executable, *spec, map_only);
//! let job = submit(&master, submission).await?;
//! let ended = follow(&master, job, |status| println!("{:.0} %", 100.0 * status.progress)).await?;
//! println!("{job}: {:?}", ended.state);
//! # Ok(())
//! # }
//! ```
//!
//! `jobs/two_steps.rs` runs one job on the output of another, and can resume wherever it was interrupted.

mod describe;
mod error;
mod follow;
mod submit;

pub use describe::{DESCRIBE_WITHIN, Described, describe, describe_again};
pub use error::Error;
pub use follow::follow;
pub use submit::{Submission, submit, submitted};

#[doc(inline)]
pub use crate::rpc::client::{Master, Options};

use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::jobs::Jobs;
use crate::rpc::refusal::Refusal;

/// How a client reaches the leading master: a [`Master`] over gRPC, or a substitute in a simulation.
pub trait Masters: Jobs + Artifacts {
    /// Stores bytes that are in memory, as [`Artifacts::put`] stores the bytes of a file.
    fn put_bytes(&self, bytes: &[u8]) -> impl Future<Output = Result<Digest, Refusal>> + Send;
}

impl Masters for Master {
    async fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, Refusal> {
        Master::put_bytes(self, bytes).await
    }
}
