//! Reads the bytes of one input as stored: a file at any offset, or a stream in order.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::codec::{Codec, is_skippable};
use super::foreign::{HEAD_BYTES, MAGIC_BYTES_MAX};
use crate::format::Error;
use crate::model::FileRange;
use crate::storage::{self, FileEntry, ReadAt};

/// How many skippable frames at the beginning of a file are skipped to see what follows.
const FRAMES_SKIPPED_MAX: u32 = 1_000;

/// How long the check of standard input waits for more bytes, in nanoseconds.
const QUIET_NS: i64 = 200_000_000;

/// The first bytes of standard input, and whether they are the whole input. The check before the job starts reads them
/// and keeps them for the reader.
static STANDARD_INPUT: Mutex<Option<(Vec<u8>, bool)>> = Mutex::new(None);

/// One input, positioned at the next byte to read.
pub(super) struct Stored {
    store: Store,
    position: u64,
    /// The bytes that count as progress: those of the range, not those read to find or finish a record.
    counted: Range<u64>,
    progress: Option<Arc<AtomicU64>>,
}

enum Store {
    Object(Box<dyn ReadAt>),
    Stream { head: Vec<u8>, reader: Box<dyn Read + Send>, ended: bool },
}

impl Stored {
    /// Opens the file of `range` at its first byte. Fails if it is not the file that was listed.
    pub(super) fn open(range: &FileRange, progress: Option<Arc<AtomicU64>>) -> Result<Self, Error> {
        if range.location.is_standard_stream() {
            let mut stored = Self::of_stream(Box::new(io::stdin()), progress);
            let kept = STANDARD_INPUT.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(kept), Store::Stream { head, ended, .. }) = (kept, &mut stored.store) {
                (*head, *ended) = kept;
            }
            return Ok(stored);
        }
        let path = range.location.path().to_path_buf();
        let (bytes, modified_ns, identity) = (range.size, range.modified_ns, range.identity);
        let entry = FileEntry { path, bytes, modified_ns, identity };
        let object = Box::new(storage::open(&entry)?);
        Ok(Self::of_object(object, range.start..range.end, progress))
    }

    /// Wraps a file that can be read at any offset. `counted` is the part of it that counts as progress.
    pub(super) fn of_object(
        object: Box<dyn ReadAt>,
        counted: Range<u64>,
        progress: Option<Arc<AtomicU64>>,
    ) -> Self {
        let counted = counted.start..counted.end.max(counted.start);
        Self { store: Store::Object(object), position: 0, counted, progress }
    }

    /// Wraps bytes that can be read only once and in order.
    pub(super) fn of_stream(
        reader: Box<dyn Read + Send>,
        progress: Option<Arc<AtomicU64>>,
    ) -> Self {
        let store = Store::Stream { head: Vec::new(), reader, ended: false };
        Self { store, position: 0, counted: 0..u64::MAX, progress }
    }

    /// Fails if the file has visibly changed since it was listed.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        match &self.store {
            Store::Object(object) => Ok(object.check_unchanged()?),
            Store::Stream { .. } => Ok(()),
        }
    }

    /// Returns the first [`HEAD_BYTES`] bytes of the file, or all if there are fewer; reading still begins with them.
    pub(super) fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        match &mut self.store {
            Store::Stream { head: kept, reader, ended } => {
                if !*ended {
                    let wanted = (HEAD_BYTES - kept.len()) as u64;
                    retry(|| reader.by_ref().take(wanted).read_to_end(kept))?;
                    // On a terminal, another read would require a second end-of-file from the user.
                    *ended = kept.len() < HEAD_BYTES;
                }
                head.clone_from(kept);
            }
            Store::Object(object) => {
                head.resize(HEAD_BYTES.min(usize::try_from(object.len()).unwrap_or(HEAD_BYTES)), 0);
                object.read_exact_at(&mut head, 0)?;
            }
        }
        Ok(head)
    }

    /// Returns the file's compression, if any; `head` is its first bytes.
    pub(super) fn codec(&self, head: &[u8]) -> io::Result<Option<Codec>> {
        let (mut at, mut magic) = (0_u64, head.first_chunk::<8>().copied());
        for _ in 0..FRAMES_SKIPPED_MAX {
            let Some([_, _, _, _, length @ ..]) = magic.filter(is_skippable_frame) else {
                break;
            };
            at = at.saturating_add(8 + u64::from(u32::from_le_bytes(length)));
            let Store::Object(object) = &self.store else {
                // Only the head of a stream can be checked.
                let rest = usize::try_from(at).ok().and_then(|at| head.get(at..));
                let Some(rest) = rest else { return Ok(Some(Codec::Zstd)) };
                magic = rest.first_chunk().copied();
                if magic.is_none() {
                    return Ok(Codec::detect(rest).or(Some(Codec::Zstd)));
                }
                continue;
            };
            if at >= object.len() {
                // A file of skippable frames alone is empty; a truncated frame is not a frame.
                return Ok((at == object.len()).then_some(Codec::Zstd));
            }
            let mut next = vec![0; 8.min(usize::try_from(object.len() - at).unwrap_or(8))];
            object.read_exact_at(&mut next, at)?;
            magic = next.first_chunk().copied();
            if magic.is_none() {
                return Ok(framed(&next));
            }
        }
        Ok(match magic {
            _ if at == 0 => Codec::detect(head),
            Some(magic) => framed(&magic),
            None => None,
        })
    }

    /// Returns the offset of the next byte to read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Returns the length in bytes; `None` for a stream.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.store {
            Store::Object(object) => Some(object.len()),
            Store::Stream { .. } => None,
        }
    }

    /// Continues reading from `position`; has no effect on a stream.
    pub(super) fn seek(&mut self, position: u64) {
        if let Some(size) = self.size() {
            self.position = position.min(size);
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
        let read = match &mut self.store {
            Store::Object(object) => {
                // A file that grew is still read as it was listed.
                let left = usize::try_from(object.len() - self.position).unwrap_or(usize::MAX);
                let wanted = into.len().min(left);
                retry(|| object.read_at(&mut into[..wanted], self.position))?
            }
            Store::Stream { head, ended: true, .. } if head.is_empty() => 0,
            Store::Stream { head, reader, .. } if head.is_empty() => retry(|| reader.read(into))?,
            Store::Stream { head, .. } => {
                let read = into.len().min(head.len());
                into[..read].copy_from_slice(&head[..read]);
                head.drain(..read);
                read
            }
        };
        self.count(read);
        Ok(read)
    }
}

/// Returns the first bytes of standard input, which its reader still receives, and whether they suffice to recognise
/// its kind. Does not wait for a writer that pauses.
pub(super) fn head_of_standard_input() -> io::Result<(Vec<u8>, bool)> {
    let mut kept = STANDARD_INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.is_none() {
        *kept = Some(begin_standard_input()?);
    }
    let (head, ended) = kept.clone().unwrap_or_default();
    let tells = ended || head.len() >= MAGIC_BYTES_MAX;
    Ok((head, tells))
}

fn begin_standard_input() -> io::Result<(Vec<u8>, bool)> {
    let mut stdin = io::stdin().lock();
    let (mut head, mut length) = (vec![0; HEAD_BYTES], 0);
    let mut ended = false;
    while length < HEAD_BYTES && !ended {
        let fd = rustix::stdio::stdin();
        let timeout = Timespec { tv_sec: 0, tv_nsec: QUIET_NS };
        if poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap_or(0) == 0 {
            break;
        }
        let read = retry(|| stdin.read(&mut head[length..]))?;
        length += read;
        ended = read == 0;
    }
    head.truncate(length);
    Ok((head, ended))
}

/// Returns the compression of the data that follows skippable frames.
fn framed(head: &[u8]) -> Option<Codec> {
    Codec::detect(head).filter(|codec| matches!(codec, Codec::Zstd | Codec::Lz4))
}

fn is_skippable_frame(head: &[u8; 8]) -> bool {
    head.first_chunk().is_some_and(|magic| is_skippable(*magic))
}

/// Bytes in memory that can be read like a file.
pub(super) struct Memory(pub(super) Arc<[u8]>);

impl ReadAt for Memory {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..));
        let rest = rest.unwrap_or_default();
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn modified_ns(&self) -> u64 {
        0
    }

    fn check_unchanged(&self) -> Result<(), storage::Error> {
        Ok(())
    }
}

/// Repeats a read that a signal interrupted.
fn retry<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
