//! Reads everything that an executor prints, so that the executor never waits for room in the pipe.

use std::io::{self, ErrorKind, PipeReader, Read};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use super::CappedLog;

/// Most bytes read at a time, so that an executor that never stops printing cannot delay a reader of the log.
const READ_BYTES_MAX: usize = 1 << 20;
/// Bytes of one read: the capacity of a pipe.
const BUFFER_BYTES: usize = 64 << 10;
/// How long the reading thread waits before it checks whether the executor is alive.
const WAIT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The pipe of an executor's standard output and error, and the log of what was read from it.
#[derive(Debug)]
pub(super) struct Output {
    pipe: PipeReader,
    printed: Mutex<Printed>,
}

/// The log, and the buffer for the next read.
#[derive(Debug)]
struct Printed {
    log: CappedLog,
    buffer: Box<[u8]>,
}

impl Output {
    pub(super) fn new(pipe: PipeReader) -> io::Result<Self> {
        fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        let printed = Printed { log: CappedLog::new(), buffer: vec![0; BUFFER_BYTES].into() };
        Ok(Output { pipe, printed: Mutex::new(printed) })
    }

    /// Reads until all writers have closed the pipe, or the executor is dead and the pipe is silent.
    pub(super) fn read_until(&self, is_dead: impl Fn() -> bool) {
        loop {
            let mut polled = [PollFd::new(&self.pipe, PollFlags::IN)];
            let is_silent = matches!(poll(&mut polled, Some(&WAIT)), Ok(0));
            let is_closed = self.with_log(|_| ()).1;
            if is_closed || is_silent && is_dead() {
                return;
            }
        }
    }

    /// Returns what was printed so far.
    pub(super) fn log(&self) -> CappedLog {
        self.with_log(|log| log.clone()).0
    }

    /// Returns the same, and starts a new log.
    pub(super) fn take_log(&self) -> CappedLog {
        self.with_log(std::mem::take).0
    }

    /// First empties the pipe into the log, so that everything printed so far belongs to it. Also returns whether all
    /// writers have closed the pipe.
    fn with_log<T>(&self, f: impl FnOnce(&mut CappedLog) -> T) -> (T, bool) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let Printed { log, buffer } = &mut *printed;
        let (mut bytes, mut is_closed) = (0, false);
        while bytes < READ_BYTES_MAX {
            match (&self.pipe).read(buffer) {
                Ok(0) => {
                    is_closed = true;
                    break;
                }
                Ok(read) => {
                    log.append(&buffer[..read]);
                    bytes += read;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Usually the pipe is empty. Any other error occurs again at the next read.
                Err(_) => break,
            }
        }
        (f(log), is_closed)
    }
}
