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
