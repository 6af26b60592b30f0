//! Errors of submitting and following a job.

use std::io;

use crate::model::Location;
use crate::rpc::refusal::Refusal;
use crate::storage::executable_hint;

/// Error of submitting or following a job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The executable cannot be found, read or started.
    #[error(
        "cannot use the job executable: {cause}: {executable}\nhint: {}", executable_hint(.executable.path(), .cause)
    )]
    Executable {
        /// The executable.
        executable: Location,
        /// The system's error.
        cause: io::Error,
    },
    /// A side file that the job names cannot be read, or is too large.
    #[error(
        "cannot send a side file of the job: {cause}: {file}\nhint: restore it, or name another file"
    )]
    SideFile {
        /// The file.
        file: Location,
        /// The cause; [`io::ErrorKind::FileTooLarge`] if the file exceeds our own limit.
        cause: io::Error,
    },
    /// The executable did not describe a job.
    #[error(
        "{problem}: {executable}\nhint: submit an executable whose main calls gristmill::launch"
    )]
    NotAJob {
        /// The executable.
        executable: Location,
        /// What it did instead of describing a job.
        problem: String,
        /// Lines that it wrote to standard error.
        said: Vec<String>,
    },
    /// The executable was built with another version of Gristmill.
    #[error(
        "the executable has protocol version {theirs}, and this command has version {ours}: \
         {executable}\nhint: build both from the same version of gristmill"
    )]
    Version {
        /// The executable.
        executable: Location,
        /// Its version.
        theirs: u32,
        /// Our version.
        ours: u32,
    },
    /// The executable refuses its arguments.
    #[error("{line}")]
    Arguments {
        /// What is wrong, as the executable reports it.
        line: String,
        /// Lines of detail.
        details: Vec<String>,
    },
    /// The arguments ask for something that cannot be done on a cluster.
    #[error("{message}")]
    Unfit {
        /// What cannot be done, and what to do instead.
        message: String,
    },
    /// The cluster refused, or did not answer; nothing was submitted.
    #[error("{cause}")]
    Refused {
        /// The refusal.
        cause: Refusal,
    },
    /// The submission was sent, but no answer came: the job may or may not run.
    #[error("the outcome of the submission is unknown: {cause}\nhint: submit again with --id {id}")]
    Unknown {
        /// The id of the submission. A repetition with this id gives the same job.
        id: String,
        /// The last refusal.
        cause: Refusal,
    },
}

impl From<Refusal> for Error {
    fn from(cause: Refusal) -> Self {
        Self::Refused { cause }
    }
}
