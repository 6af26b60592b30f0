//! Formats records into a buffer and writes full buffers to a part of the output.

use std::io::Write;

use super::{Ended, Error, Fault, Result};
use crate::format::{Output, Writes};
use crate::storage::{self, AttemptFolder, PartWriter, SealedPart};

/// Bytes buffered before a write: many, because each write is a system call.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Debug, thiserror::Error)]
#[error(
    "bad records cannot be skipped, because the map writes .{extension}, a format that buffers \
     records\nhint: write another format, or leave out --max-bad-records"
)]
pub(crate) struct KeepsState {
    extension: &'static str,
}

/// A complete part, and its number of records.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) part: SealedPart,
    pub(crate) records: u64,
}

/// One part of an output, while its records are written.
pub(crate) struct PartBuffer<O> {
    output: O,
    buffer: Vec<u8>,
    file: PartWriter,
    records: u64,
    /// The buffer's length and the number of records before the current record or key, if bad ones may be skipped. The
    /// buffer keeps the output of a record or key until its map or reduce succeeds.
    mark: Option<(usize, u64)>,
    /// Maximum number of bytes that the buffer keeps for a rollback.
    held_max: usize,
    fault: Fault<Error>,
}

/// Maximum number of bytes of one key's records that are kept in memory for a rollback before they are written.
const HELD_BYTES_MAX: usize = 64 << 20;

impl<O: Output + Default> PartBuffer<O> {
    pub(crate) fn create(
        folder: &AttemptFolder,
        name: &str,
    ) -> std::result::Result<Self, storage::Error> {
        let file = folder.create_part(name)?;
        let mut output = O::default();
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + (BUFFER_BYTES >> 3));
        output.begin(&mut buffer);
        let (mark, held_max, fault) = (None, usize::MAX, Fault::default());
        Ok(PartBuffer { output, buffer, file, records: 0, mark, held_max, fault })
    }
}

impl<O: Output> PartBuffer<O> {
    #[inline]
    #[track_caller]
    pub(crate) fn write<T>(&mut self, record: &T) -> Result
    where
        O: Writes<T>,
    {
        let before = self.buffer.len();
        if let Err(error) = self.output.append(record, &mut self.buffer) {
            self.buffer.truncate(before);
            return Err(Error::new(error));
        }
        self.records += 1;
        if self.buffer.len() >= BUFFER_BYTES { self.when_full() } else { Ok(()) }
    }

    #[inline(never)]
    fn when_full(&mut self) -> Result {
        if self.mark.is_some() {
            if self.buffer.len() < self.held_max {
                return Ok(());
            }
            self.mark = None;
        }
        self.flush()
    }

    #[inline(never)]
    fn flush(&mut self) -> Result {
        if !self.fault.has_failed() {
            match self.file.write_all(&self.buffer) {
                Ok(()) => {
                    self.buffer.clear();
                    return Ok(());
                }
                Err(error) => self.fault.keep(Error::new(error)),
            }
        }
        // Part of the buffer may have been written, so it must not be written again.
        self.buffer.clear();
        Err(Error::new(Ended))
    }

    /// Returns the first write failure, once, even if the author's code dropped the error.
    pub(crate) fn fault(&mut self) -> Option<Error> {
        self.fault.take()
    }

    /// Keeps everything in memory until it is taken.
    pub(crate) fn hold(&mut self) {
        self.mark = Some((self.buffer.len(), self.records));
    }

    /// Marks the start of a record for a rollback. Must be called before each record if bad records may be skipped.
    pub(crate) fn begin(&mut self) -> Result {
        if !O::TAKES_BACK {
            return Err(Error::new(KeepsState { extension: O::EXTENSION }));
        }
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        self.hold();
        Ok(())
    }

    /// Marks the start of a key, as [`begin`](Self::begin) does for a record. The key's records can be rolled back
    /// until they exceed `HELD_BYTES_MAX`. Returns false if this format can never roll records back.
    pub(crate) fn begin_key(&mut self) -> Result<bool> {
        if !O::TAKES_BACK {
            return Ok(false);
        }
        self.held_max = HELD_BYTES_MAX;
        self.begin().map(|()| true)
    }

    /// Whether all records since `begin` can still be rolled back.
    pub(crate) fn is_held(&self) -> bool {
        self.mark.is_some()
    }

    /// Rolls back the records since `begin`.
    pub(crate) fn take_back(&mut self) {
        if let Some((bytes, records)) = self.mark {
            self.buffer.truncate(bytes);
            self.records = records;
        }
    }

    /// Returns the records since the last call as a complete part, and their number. Only after `hold`, which keeps
    /// them in memory.
    pub(crate) fn take(&mut self) -> Result<(Vec<u8>, u64)> {
        let mut output = std::mem::take(&mut self.output);
        output.end(&mut self.buffer).map_err(Error::new)?;
        let whole = std::mem::take(&mut self.buffer);
        self.output.begin(&mut self.buffer);
        Ok((whole, std::mem::take(&mut self.records)))
    }

    pub(crate) fn seal(mut self) -> Result<Written> {
        self.output.end(&mut self.buffer).map_err(Error::new)?;
        if let Err(error) = self.flush() {
            return Err(self.fault().unwrap_or(error));
        }
        let part = self.file.seal().map_err(Error::new)?;
        Ok(Written { part, records: self.records })
    }
}
