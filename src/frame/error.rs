//! What can go wrong between a worker and its executor.

use std::io;

/// Why a frame could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side went away in the middle of a frame.
    #[error("the connection ended after {received} of a frame's {expected} bytes")]
    Truncated {
        /// Bytes of the frame that came, its length included.
        received: u64,
        /// Bytes that it should have; 4 while its length has not come.
        expected: u64,
    },
    /// A frame is longer than any may be.
    #[error("a frame of {bytes} bytes is over the limit of {max}")]
    TooLong {
        /// Bytes of its message.
        bytes: u64,
        /// How many there may be.
        max: u64,
    },
    /// A frame holds no message that this side knows: most likely the two are of different versions.
    #[error("a frame of {bytes} bytes holds no known message: {cause}")]
    Unknown {
        /// Bytes of its message.
        bytes: usize,
        /// What bincode says.
        cause: bincode::Error,
    },
    /// A message cannot be written as a frame.
    #[error("cannot write a message as a frame: {cause}")]
    Unwritable {
        /// What bincode says.
        cause: bincode::Error,
    },
    /// The other side speaks another version.
    #[error(
        "the {other} speaks version {theirs} of the executor's protocol, this {this} version {ours}; build both from the same gristmill"
    )]
    Version {
        /// Who refuses.
        this: &'static str,
        /// Its version.
        ours: u32,
        /// Who is refused.
        other: &'static str,
        /// Its version.
        theirs: u32,
    },
    /// The other side said something else than its turn was.
    #[error("the {other} said {said} where {expected} was its turn")]
    OutOfTurn {
        /// Who.
        other: &'static str,
        /// What it said.
        said: &'static str,
        /// What it should have said.
        expected: &'static str,
    },
    /// The other side went away where a message was its turn.
    #[error("the {other} closed the connection before it said {expected}")]
    Closed {
        /// Who.
        other: &'static str,
        /// What it should have said.
        expected: &'static str,
    },
    /// The stream's deadline has passed. A receiver may go on: what has come of a frame is kept.
    #[error("nothing was heard before the deadline")]
    TimedOut,
    /// What the system says.
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
