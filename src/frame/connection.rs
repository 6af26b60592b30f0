//! Sends and receives frames over anything that reads and writes.

use std::io::{ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{LENGTH_BYTES, decode, encode, message_bytes};
use super::{Error, FromExecutor, ToExecutor, VERSION};

/// Bytes that are read at a time, so that memory grows with what comes and not with what a length claims.
const READ_BYTES: usize = 64 << 10;

/// Either end of the socket between a worker and its executor.
///
/// Deadlines are the stream's own (`set_read_timeout`): when one has passed, [`Connection::receive`] fails with
/// [`Error::TimedOut`] and may be called again, since what has come of a frame is kept. A send that fails has left
/// half a frame behind, and the connection is of no more use.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    /// What has come of the next frame.
    received: Vec<u8>,
}

impl<S> Connection<S> {
    /// Over this stream.
    pub fn new(stream: S) -> Self {
        Connection { stream, received: Vec::new() }
    }

    /// The stream, for its deadlines.
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: Write> Connection<S> {
    /// Sends a message as one frame.
    ///
    /// # Errors
    /// [`Error::TooLong`] without effect, or what the system says.
    pub fn send<M: Serialize>(&mut self, message: &M) -> Result<(), Error> {
        let frame = encode(message)?;
        self.stream.write_all(&frame)?;
        Ok(self.stream.flush()?)
    }
}

impl<S: Read> Connection<S> {
    /// The next message; none when the other side has closed the connection between two frames.
    ///
    /// # Errors
    /// A frame that is cut off, too long or unknown; a deadline that has passed; what the system says.
    pub fn receive<M: DeserializeOwned>(&mut self) -> Result<Option<M>, Error> {
        if !self.fill(LENGTH_BYTES)? {
            return Ok(None);
        }
        let length = *self.received.first_chunk().expect("it was filled up to here");
        self.fill(LENGTH_BYTES + message_bytes(length)?)?;
        let message = decode(&self.received[LENGTH_BYTES..]);
        self.received = Vec::new();
        message.map(Some)
    }

    /// Reads until so many bytes of the frame are there; false if the stream ends before its first.
    fn fill(&mut self, expected: usize) -> Result<bool, Error> {
        while self.received.len() < expected {
            let before = self.received.len();
            self.received.resize(expected.min(before + READ_BYTES), 0);
            let read = self.stream.read(&mut self.received[before..]);
            self.received.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) if before == 0 => return Ok(false),
                Ok(0) => {
                    let (received, expected) = (before as u64, expected as u64);
                    return Err(Error::Truncated { received, expected });
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

impl<S: Read + Write> Connection<S> {
    /// A worker's side of the handshake: says its version, and refuses an executor of another.
    ///
    /// # Errors
    /// [`Error::Version`], which names both; an executor that says something else, or nothing.
    pub fn greet_executor(&mut self) -> Result<(), Error> {
        self.send(&ToExecutor::Hello { version: VERSION })?;
        match self.receive()? {
            Some(FromExecutor::Hello { version }) => agree("worker", "executor", version),
            Some(_) => Err(Error::OutOfTurn {
                other: "executor",
                said: "something else",
                expected: "hello",
            }),
            None => Err(Error::Closed { other: "executor", expected: "hello" }),
        }
    }

    /// An executor's side of the handshake. It answers before it refuses, so that the worker can name both versions too.
    ///
    /// # Errors
    /// As [`Connection::greet_executor`].
    pub fn greet_worker(&mut self) -> Result<(), Error> {
        match self.receive()? {
            Some(ToExecutor::Hello { version }) => {
                self.send(&FromExecutor::Hello { version: VERSION })?;
                agree("executor", "worker", version)
            }
            Some(ToExecutor::Run(_)) => {
                Err(Error::OutOfTurn { other: "worker", said: "run", expected: "hello" })
            }
            Some(ToExecutor::More { .. }) => {
                Err(Error::OutOfTurn { other: "worker", said: "more", expected: "hello" })
            }
            None => Err(Error::Closed { other: "worker", expected: "hello" }),
        }
    }
}

fn agree(this: &'static str, other: &'static str, theirs: u32) -> Result<(), Error> {
    if theirs == VERSION {
        return Ok(());
    }
    Err(Error::Version { this, ours: VERSION, other, theirs })
}
