//! Sends and receives frames over any stream.

use std::io::{ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{LENGTH_BYTES, decode, encode, message_bytes};
use super::{Error, FromExecutor, ToExecutor, VERSION};

/// Bytes read at a time, so that memory grows with the bytes that arrive and not with the length that a frame claims.
const READ_BYTES: usize = 64 << 10;

/// Either end of the socket between a worker and its executor.
///
/// The stream has the deadlines (`set_read_timeout`). After one has passed, [`Connection::receive`] fails with
/// [`Error::TimedOut`]. It may be called again and continues with the part of the frame that has arrived. A send that
/// fails may leave half a frame behind, so the connection must not be used afterwards.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    /// The part of the next frame that has arrived.
    received: Vec<u8>,
}

impl<S> Connection<S> {
    /// Returns a connection over this stream.
    pub fn new(stream: S) -> Self {
        Connection { stream, received: Vec::new() }
    }

    /// Returns the stream, to set its deadlines.
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: Write> Connection<S> {
    /// Sends a message as one frame.
    ///
    /// # Errors
    /// [`Error::TooLong`], with nothing sent, or what the system reports.
    pub fn send<M: Serialize>(&mut self, message: &M) -> Result<(), Error> {
        let frame = encode(message)?;
        self.stream.write_all(&frame)?;
        Ok(self.stream.flush()?)
    }
}

impl<S: Read> Connection<S> {
    /// Receives the next message. Returns `None` if the other side has closed the connection between two frames.
    ///
    /// # Errors
    /// A frame that is truncated, too long or unknown, a deadline that has passed, or what the system reports.
    pub fn receive<M: DeserializeOwned>(&mut self) -> Result<Option<M>, Error> {
        if !self.fill(LENGTH_BYTES)? {
            return Ok(None);
        }
        let length = *self.received.first_chunk().expect("the buffer holds the frame's length");
        self.fill(LENGTH_BYTES + message_bytes(length)?)?;
        let message = decode(&self.received[LENGTH_BYTES..]);
        self.received = Vec::new();
        message.map(Some)
    }

    /// Reads until `expected` bytes of the frame have arrived. Returns false if the stream ends before the first byte.
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
    /// Performs a worker's side of the handshake: sends its version, and refuses an executor of another version.
    ///
    /// # Errors
    /// [`Error::Version`], which names both versions, or an executor that sends another message or none.
    pub fn greet_executor(&mut self) -> Result<(), Error> {
        self.send(&ToExecutor::Hello { version: VERSION })?;
        match self.receive()? {
            Some(FromExecutor::Hello { version }) => agree("worker", "executor", version),
            Some(_) => Err(Error::OutOfTurn {
                other: "executor",
                said: "another message",
                expected: "hello",
            }),
            None => Err(Error::Closed { other: "executor", expected: "hello" }),
        }
    }

    /// Performs an executor's side of the handshake. It answers before it refuses, so that the worker can name both
    /// versions too.
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
