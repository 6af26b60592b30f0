//! The bytes of one input as they are stored: read at any offset of a file or of memory, or in order from a stream.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::format::Error;
use crate::spec::{FileRange, Location};

/// Bytes that are looked at to recognise compression.
pub(super) const HEAD_BYTES: usize = 16;

/// One input, at the place from which it is read next.
pub(super) struct Stored {
    store: Store,
    position: u64,
    /// One past the last byte; `u64::MAX` for a stream.
    size: u64,
    /// The bytes that count as progress: those of the range, not what is read to find or finish a record.
    counted: Range<u64>,
    progress: Option<Arc<AtomicU64>>,
}

enum Store {
    File { file: File, modified_ns: u64 },
    Memory(Arc<[u8]>),
    Stream { head: Vec<u8>, reader: Box<dyn Read + Send> },
}

impl Stored {
    /// Opens the file of `range` at its first byte, unless it is not the one that was listed.
    pub(super) fn open(range: &FileRange, progress: Option<Arc<AtomicU64>>) -> Result<Self, Error> {
        let counted = range.start..range.end.max(range.start);
        let size = if range.end == u64::MAX { u64::MAX } else { range.size };
        let store = if range.location.is_standard_stream() {
            Store::Stream { head: Vec::new(), reader: Box::new(io::stdin()) }
        } else {
            let file = File::open(range.location.path())
                .map_err(|cause| Error::Open { location: range.location.clone(), cause })?;
            if size == u64::MAX {
                Store::Stream { head: Vec::new(), reader: Box::new(file) }
            } else {
                Store::File { file, modified_ns: range.modified_ns }
            }
        };
        let stored = Self { store, position: 0, size, counted, progress };
        stored.check_unchanged(&range.location)?;
        Ok(stored)
    }

    /// Bytes in memory as if they were a file.
    pub(super) fn of_bytes(
        bytes: Arc<[u8]>,
        counted: Range<u64>,
        progress: Option<Arc<AtomicU64>>,
    ) -> Self {
        let size = bytes.len() as u64;
        Self { store: Store::Memory(bytes), position: 0, size, counted, progress }
    }

    /// Bytes that can be read once and in order.
    #[cfg(test)]
    pub(super) fn of_stream(reader: Box<dyn Read + Send>) -> Self {
        let store = Store::Stream { head: Vec::new(), reader };
        Self { store, position: 0, size: u64::MAX, counted: 0..u64::MAX, progress: None }
    }

    /// Fails if the file is seen to have changed since it was listed; time 0 stands for "not known".
    pub(super) fn check_unchanged(&self, location: &Location) -> Result<(), Error> {
        let Store::File { file, modified_ns: listed } = &self.store else { return Ok(()) };
        let read = |cause| Error::Read { location: location.clone(), offset: self.position, cause };
        let facts = file.metadata().map_err(read)?;
        if facts.is_dir() {
            return Err(read(ErrorKind::IsADirectory.into()));
        }
        let changed = |fact, listed, found| {
            Err(Error::Changed { location: location.clone(), fact, listed, found })
        };
        let nanoseconds =
            facts.mtime().wrapping_mul(1_000_000_000).wrapping_add(facts.mtime_nsec());
        let found = nanoseconds.cast_unsigned();
        if facts.len() != self.size {
            return changed("size", self.size, facts.len());
        }
        if *listed != 0 && found != *listed {
            return changed("time of change", *listed, found);
        }
        Ok(())
    }

    /// The first [`HEAD_BYTES`] bytes of the file, or all if there are fewer; reading still begins with them.
    pub(super) fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        match &mut self.store {
            Store::Stream { head: kept, reader } => {
                retry(|| reader.by_ref().take((HEAD_BYTES - kept.len()) as u64).read_to_end(kept))?;
                head.clone_from(kept);
            }
            Store::Memory(bytes) => head.extend(bytes.iter().take(HEAD_BYTES)),
            Store::File { file, .. } => {
                head.resize(HEAD_BYTES.min(usize::try_from(self.size).unwrap_or(HEAD_BYTES)), 0);
                let mut filled = 0;
                while filled < head.len() {
                    match retry(|| file.read_at(&mut head[filled..], filled as u64))? {
                        0 => return Err(cut_short(filled as u64, self.size)),
                        read => filled += read,
                    }
                }
            }
        }
        Ok(head)
    }

    /// How far it has been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Length in bytes, unless it is a stream.
    pub(super) fn size(&self) -> Option<u64> {
        (self.size != u64::MAX).then_some(self.size)
    }

    /// Goes on reading from `position`; has no effect on a stream.
    pub(super) fn seek(&mut self, position: u64) {
        if self.size().is_some() {
            self.position = position.min(self.size);
        }
    }

    fn count(&mut self, read: usize) {
        let (from, to) = (self.position, self.position + read as u64);
        self.position = to;
        if let Some(progress) = &self.progress {
            let clamp = |at: u64| at.clamp(self.counted.start, self.counted.end);
            progress.fetch_add(clamp(to) - clamp(from), Ordering::Relaxed);
        }
    }
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.position).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let into = &mut into[..wanted];
        let read = match &mut self.store {
            _ if wanted == 0 => 0,
            Store::File { file, .. } => match retry(|| file.read_at(into, self.position))? {
                // Ending here would lose the rest without a word.
                0 => return Err(cut_short(self.position, self.size)),
                read => read,
            },
            Store::Memory(bytes) => {
                let from = usize::try_from(self.position).unwrap_or(usize::MAX);
                into.copy_from_slice(&bytes[from..from + wanted]);
                wanted
            }
            Store::Stream { head, reader } if head.is_empty() => retry(|| reader.read(into))?,
            Store::Stream { head, .. } => {
                let read = wanted.min(head.len());
                into[..read].copy_from_slice(&head[..read]);
                head.drain(..read);
                read
            }
        };
        self.count(read);
        Ok(read)
    }
}

fn cut_short(end: u64, size: u64) -> io::Error {
    let what = format!("the file ends at byte {end}, but had {size} bytes when it was listed");
    io::Error::new(ErrorKind::UnexpectedEof, what)
}

/// Repeats what a signal interrupted.
fn retry<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
