//! Errors of the connection between a worker and its executor.

use std::io;

/// Error of sending or receiving a frame.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side closed the connection in the middle of a frame.
    #[error("the connection ended after {received} of a frame's {expected} bytes")]
    Truncated {
        /// Bytes of the frame that arrived, including its length.
        received: u64,
        /// Bytes of the whole frame; 4 if its length has not arrived.
        expected: u64,
    },
    /// A frame is longer than the limit.
    #[error("a frame of {bytes} bytes exceeds the limit of {max} bytes")]
    TooLong {
        /// Bytes of its message.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A frame does not hold a message that this side knows. Most likely the two sides have different versions.
    #[error("a frame of {bytes} bytes holds no known message: {cause}")]
    Unknown {
        /// Bytes of its message.
        bytes: usize,
        /// bincode's error.
        cause: bincode::Error,
    },
    /// A message cannot be written as a frame.
    #[error("cannot write a message as a frame: {cause}")]
    Unwritable {
        /// bincode's error.
        cause: bincode::Error,
    },
    /// The other side has another version.
    #[error(
        "the {other} uses version {theirs} of the executor's protocol, but this {this} uses version \
         {ours}\nhint: build both from the same version of gristmill"
    )]
    Version {
        /// The side that refuses.
        this: &'static str,
        /// Its version.
        ours: u32,
        /// The side that is refused.
        other: &'static str,
        /// Its version.
        theirs: u32,
    },
    /// The other side sent another message than the expected one.
    #[error("expected {expected} from the {other}, got {said}")]
    OutOfTurn {
        /// The other side.
        other: &'static str,
        /// What it sent.
        said: &'static str,
        /// What it should have sent.
        expected: &'static str,
    },
    /// The other side closed the connection before it sent an expected message.
    #[error("the {other} closed the connection before it sent {expected}")]
    Closed {
        /// The other side.
        other: &'static str,
        /// What it should have sent.
        expected: &'static str,
    },
    /// The stream's deadline has passed. A receiver may continue: the part of a frame that has arrived is kept.
    #[error("nothing was received before the deadline")]
    TimedOut,
    /// An error of the system.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::TimedOut,
            _ => Error::Io(error),
        }
    }
}
