//! Errors of submitting and following a job.

use std::io;

use crate::rpc::refusal::Refusal;
use crate::spec::Location;
use crate::storage::executable_hint;

/// Why a job could not be submitted or followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The executable cannot be found, read or started.
    #[error(
        "cannot use the job executable: {cause}: {executable}\nhint: {}", executable_hint(.executable.path(), .cause)
    )]
    Executable {
        /// Which.
        executable: Location,
        /// The system's error.
        cause: io::Error,
    },
    /// A side file that the job names cannot be read, or is too large.
    #[error(
        "cannot send a side file of the job: {cause}: {file}\nhint: restore it, or name another file"
    )]
    SideFile {
        /// Which.
        file: Location,
        /// Why; [`io::ErrorKind::FileTooLarge`] by our own limit.
        cause: io::Error,
    },
    /// The executable did not say what job it is.
    #[error(
        "{problem}: {executable}\nhint: submit an executable whose main calls gristmill::launch"
    )]
    NotAJob {
        /// Which.
        executable: Location,
        /// What it did instead.
        problem: String,
        /// What it said on standard error.
        said: Vec<String>,
    },
    /// The executable was built with another version of Gristmill.
    #[error(
        "the executable has protocol version {theirs}, and this command has version {ours}: \
         {executable}\nhint: build both from the same version of gristmill"
    )]
    Version {
        /// Which.
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
    /// What the arguments ask for cannot be done on a cluster.
    #[error("{message}")]
    Unfit {
        /// What, and what to do.
        message: String,
    },
    /// The cluster refused, or did not answer; nothing was submitted.
    #[error("{cause}")]
    Refused {
        /// What it says.
        cause: Refusal,
    },
    /// The submission was sent, and no answer came: the job may run or not.
    #[error("the outcome of the submission is unknown: {cause}\nhint: submit again with --id {id}")]
    Unknown {
        /// The id, under which a repetition is the same job.
        id: String,
        /// What happened last.
        cause: Refusal,
    },
}

impl From<Refusal> for Error {
    fn from(cause: Refusal) -> Self {
        Self::Refused { cause }
    }
}
