//! `Source`: gives an input format a window over the decoded bytes of one range of a file.

mod check;
mod codec;
mod decoded;
mod foreign;
mod gzip;
mod lz4;
mod stored;
#[cfg(test)]
mod tests;
mod xz;
mod zstd;

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;

use self::decoded::Decoded;
use self::foreign::HEAD_BYTES;
use self::stored::{Memory, Stored};
use super::{Error, Last};
use crate::model::{FileRange, Location};

pub(crate) use self::check::check;
pub use self::codec::Codec;

/// Bytes read at a time. Large enough that system calls cost almost nothing, small enough that the data is still in the
/// second-level cache when it is parsed.
pub const READ_BYTES: usize = 256 << 10;

/// Default maximum length of a record in bytes; a record must fit in memory as a whole.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Bytes read at a time to finish a record that continues after the range: few, because another task reads them too.
const TAIL_READ_BYTES: usize = 4 << 10;

/// Options of a task's sources. A clone shares the progress and the spare buffer.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes read at a time.
    pub read_bytes: usize,
    /// Longest record in bytes, not counting its `\n`.
    pub record_bytes_max: usize,
    /// Counts the bytes of ranges as they are read, in bytes of the files as they are stored.
    pub progress: Option<Arc<AtomicU64>>,
    /// Passes the buffer of a source on to the next one.
    pub spare: SpareBuffer,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_bytes: READ_BYTES,
            record_bytes_max: RECORD_BYTES_MAX,
            progress: None,
            spare: SpareBuffer::default(),
        }
    }
}

/// Keeps the buffer of a dropped source for the next one, so a task that reads thousands of small files allocates once.
#[derive(Clone, Default)]
pub struct SpareBuffer(Arc<Mutex<Vec<u8>>>);

impl SpareBuffer {
    fn swap(&self, buffer: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), buffer)
    }
}

impl fmt::Debug for SpareBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpareBuffer")
    }
}

/// Returns whether the file of `range` is one compressed stream, which cannot be cut.
pub(super) fn is_compressed(range: &FileRange) -> Result<bool, Error> {
    let mut stored = Stored::open(range, None)?;
    let codec = stored.head().and_then(|head| stored.codec(&head));
    let location = range.location.clone();
    Ok(codec.map_err(|cause| Error::Read { location, offset: 0, cause })?.is_some())
}

/// A window over the decoded bytes of one range of one file.
///
/// A format looks at [`window`](Self::window), reads more with [`fill`](Self::fill), and takes what it has parsed with
/// [`lend`](Self::lend) or [`consume`](Self::consume). It may read past the range's end to finish a record.
///
/// Files compressed with gzip, zstd, bzip2, xz or lz4 are recognised by their first bytes and decoded. Such a file,
/// like standard input, is one stream: the range that begins at 0 contains all of it, and all other ranges are empty.
pub struct Source {
    decoded: Decoded,
    /// How the file is compressed.
    codec: Option<Codec>,
    /// The first bytes of the file as it is stored.
    head: Vec<u8>,
    location: Location,
    index: usize,
    range: Range<u64>,
    /// The window is `buffer[begin..end]`; the bytes after `end` are unused.
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    /// Where the buffer begins in the decoded file.
    base: u64,
    /// The record that was lent last, as a part of the buffer.
    last: Range<usize>,
    /// Whether the file was found unchanged after the range's last byte was read.
    checked: bool,
    options: Options,
}

impl Source {
    /// Opens the file of `range`, and reads only its first bytes.
    ///
    /// # Errors
    /// If the file cannot be opened, is not the file that was listed, or is not compressed as its name implies.
    pub fn open(range: &FileRange, options: &Options) -> Result<Self, Error> {
        let mut stored = Stored::open(range, options.progress.clone())?;
        let location = range.location.clone();
        let head = stored.head().and_then(|head| stored.codec(&head).map(|codec| (head, codec)));
        let head =
            head.map_err(|cause| Error::Read { location: location.clone(), offset: 0, cause })?;
        let index = usize::try_from(range.source).unwrap_or(usize::MAX);
        check::name(&head.0, head.1, &location)?;
        Ok(Self::over(stored, head, location, index, range.start..range.end, options))
    }

    /// Creates a source from a range of bytes in memory, for tests of formats.
    pub fn of_bytes(bytes: impl Into<Arc<[u8]>>, range: Range<u64>, options: &Options) -> Self {
        let bytes = bytes.into();
        let head = bytes[..bytes.len().min(HEAD_BYTES)].to_vec();
        let object = Box::new(Memory(bytes));
        let stored = Stored::of_object(object, range.clone(), options.progress.clone());
        let codec = stored.codec(&head).unwrap_or_default();
        Self::over(stored, (head, codec), Location::from("<memory>"), 0, range, options)
    }

    fn over(
        mut stored: Stored,
        (head, codec): (Vec<u8>, Option<Codec>),
        location: Location,
        index: usize,
        mut range: Range<u64>,
        options: &Options,
    ) -> Self {
        if codec.is_some() || stored.size().is_none() {
            range = whole(&range);
        }
        // A decoder would fail on an empty range.
        let empty = range.is_empty();
        stored.seek(if empty { u64::MAX } else { range.start });
        Self {
            decoded: Decoded::new(stored, codec.filter(|_| !empty)),
            codec,
            head,
            location,
            index,
            base: range.start,
            range,
            buffer: options.spare.swap(Vec::new()),
            begin: 0,
            end: 0,
            last: 0..0,
            checked: false,
            options: options.clone(),
        }
    }

    /// Returns the bytes that were read but not consumed yet.
    #[inline(always)]
    pub fn window(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    /// Returns where the window begins, in bytes of the decoded file.
    #[inline(always)]
    pub fn offset(&self) -> u64 {
        self.base + self.begin as u64
    }

    /// Returns the range to read, in bytes of the decoded file: a record belongs to the range that holds its first
    /// byte. Its end is `u64::MAX` if the length is not known, and it is `0..0` if there is nothing to read.
    #[inline(always)]
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Returns the length of the file in bytes; `None` for a stream or a compressed file.
    pub fn size(&self) -> Option<u64> {
        if self.codec.is_some() { None } else { self.decoded.stored().size() }
    }

    /// Returns the number of the named input that the file was listed for, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the maximum length of a record in bytes.
    pub fn record_bytes_max(&self) -> usize {
        self.options.record_bytes_max
    }

    /// Returns the location of the file.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Removes the first `bytes` bytes from the window.
    ///
    /// # Panics
    /// If the window is shorter.
    #[inline(always)]
    pub fn consume(&mut self, bytes: usize) {
        assert!(
            bytes <= self.end - self.begin,
            "a format cannot consume more bytes than the window holds"
        );
        self.begin += bytes;
    }

    /// Consumes `bytes` bytes, and returns `record`, a part of the window, which becomes the [`last`](Self::last)
    /// record.
    ///
    /// # Panics
    /// If the window is shorter than either.
    #[inline(always)]
    pub fn lend(&mut self, record: Range<usize>, bytes: usize) -> &[u8] {
        let begin = self.begin;
        self.consume(bytes);
        self.last = begin + record.start..begin + record.end;
        &self.buffer[self.last.clone()]
    }

    /// Returns the record that was lent last; before the first record, and after a failed read, the window.
    pub fn last(&self) -> Last<'_> {
        Last { offset: self.base + self.last.start as u64, bytes: &self.buffer[self.last.clone()] }
    }

    /// Appends more of the file to the window. Returns false at the end of the file. Positions in the window do not
    /// change.
    ///
    /// Call it only if the window does not hold a complete record.
    ///
    /// # Errors
    /// If the window is already longer than a record may be, or if the file cannot be read, cannot be decoded, or has
    /// changed.
    #[cold]
    #[inline(never)]
    pub fn fill(&mut self) -> Result<bool, Error> {
        self.fill_up_to(self.options.record_bytes_max)
    }

    /// Like [`fill`](Self::fill), with another limit for the length of a record.
    pub(super) fn fill_up_to(&mut self, limit: usize) -> Result<bool, Error> {
        self.last = self.begin..self.end;
        if self.end - self.begin > limit {
            let location = self.location.clone();
            let (offset, limit) = (self.offset(), self.options.record_bytes_max);
            return Err(Error::RecordTooLong { location, offset, limit });
        }
        self.make_room();
        // Never reads more than the limit allows, because whether a record is refused must not depend on its place in
        // the buffer.
        let room = (self.buffer.len() - self.end).min((limit - self.end).saturating_add(1));
        let wanted = self.wanted(room);
        match self.decoded.read(&mut self.buffer[self.end..self.end + wanted]) {
            Ok(read) => {
                self.end += read;
                self.last.end = self.end;
                self.check_unchanged()?;
                Ok(read > 0)
            }
            Err(cause) => Err(self.read_error(cause)),
        }
    }

    /// Moves the window to the front of the buffer, and makes the buffer longer than the window.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.begin..self.end, 0);
        self.base += self.begin as u64;
        (self.begin, self.end) = (0, self.end - self.begin);
        self.last = 0..self.end;
        let usual = self.options.read_bytes.max(1);
        // Allocates no more than a small range or file needs.
        let first = self.wanted(usual);
        if self.end == 0 && self.buffer.len() < first {
            // A large allocation of zeros costs nothing until it is used.
            self.buffer = vec![0; first];
        } else if self.end > self.buffer.len() / 2 {
            let longer = self.buffer.len().saturating_mul(2).max(usual);
            self.buffer.resize(
                longer.min(self.options.record_bytes_max.saturating_add(1)).max(self.end + 1),
                0,
            );
        } else if self.buffer.len() > usual && self.end <= usual / 2 {
            // Frees the memory of a long record.
            self.buffer.truncate(usual);
            self.buffer.shrink_to_fit();
        }
    }

    /// Returns how much of `room` to read: after the range, only what may be needed.
    fn wanted(&mut self, room: usize) -> usize {
        let (end, window) = (self.range.end, self.end);
        let Some(stored) = self.decoded.plain() else { return room };
        let position = stored.position();
        let tail = if position < end {
            usize::try_from(end - position).unwrap_or(usize::MAX).saturating_add(TAIL_READ_BYTES)
        } else {
            // Doubles with each call, so that a long record takes few calls.
            window.max(TAIL_READ_BYTES)
        };
        room.min(tail)
    }

    fn check_unchanged(&mut self) -> Result<(), Error> {
        let stored = self.decoded.stored();
        let end = stored.size().map_or(u64::MAX, |size| size.min(self.range.end));
        if !self.checked && stored.position() >= end {
            self.checked = true;
            stored.check_unchanged()?;
        }
        Ok(())
    }

    fn read_error(&self, cause: io::Error) -> Error {
        let (location, offset) = (self.location.clone(), self.decoded.reached());
        match self.codec {
            // An error of the system is not the fault of the data.
            Some(codec) if cause.raw_os_error().is_none() => {
                let cause = if ends_early(&cause) {
                    io::Error::new(ErrorKind::UnexpectedEof, "the data ends too early")
                } else {
                    cause
                };
                Error::Compressed { location, codec, offset, cause }
            }
            _ => Error::Read { location, offset, cause },
        }
    }

    /// Moves the start of the window back by `bytes` bytes, at most to the start of the file, so that the format sees
    /// what precedes the range. Call it before anything is read.
    pub fn rewind(&mut self, bytes: u64) {
        debug_assert!(self.window().is_empty(), "rewind must be called before anything is read");
        let position = self.offset().saturating_sub(bytes);
        if !self.range.is_empty()
            && let Some(stored) = self.decoded.plain()
            && stored.size().is_some()
        {
            stored.seek(position);
            (self.base, self.begin, self.end, self.last) = (position, 0, 0, 0..0);
        }
    }

    /// Reads until the window contains `delimiter`, and returns its first position in the window; `None` if the file
    /// ends first.
    ///
    /// # Errors
    /// The errors of [`fill`](Self::fill), for example if the limit for a record is reached first.
    pub fn find(&mut self, delimiter: &[u8]) -> Result<Option<usize>, Error> {
        let mut searched = 0;
        loop {
            if let Some(at) = memmem::find(&self.window()[searched..], delimiter) {
                return Ok(Some(searched + at));
            }
            searched = (self.window().len() + 1).saturating_sub(delimiter.len().max(1));
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Consumes everything before the first `delimiter`, however far it is. If the file ends first, consumes all of it
    /// and returns false.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn skip_to(&mut self, delimiter: &[u8]) -> Result<bool, Error> {
        loop {
            if let Some(at) = memmem::find(self.window(), delimiter) {
                self.consume(at);
                return Ok(true);
            }
            // The delimiter may have begun at the very end.
            self.consume((self.window().len() + 1).saturating_sub(delimiter.len().max(1)));
            if !self.fill()? {
                self.consume(self.window().len());
                return Ok(false);
            }
        }
    }

    /// Consumes everything up to and including the first `delimiter`, as [`skip_to`](Self::skip_to) does.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn skip_past(&mut self, delimiter: &[u8]) -> Result<bool, Error> {
        let found = self.skip_to(delimiter)?;
        self.consume(if found { delimiter.len() } else { 0 });
        Ok(found)
    }

    /// Turns the source into one that is never split: a range that begins at 0 becomes the whole file, and any other
    /// range becomes empty.
    pub fn into_whole(mut self) -> Self {
        self.range = whole(&self.range);
        self
    }

    /// Renumbers the named input for a format whose inputs come after `first` others.
    pub(super) fn behind(mut self, first: usize) -> Self {
        self.index = self.index.saturating_sub(first);
        self
    }

    /// Creates the error of a format that finds `problem` at `offset`. Set `one_record` if reading can continue after
    /// the record.
    pub fn error(&self, offset: u64, one_record: bool, problem: impl Into<String>) -> Error {
        let (location, problem) = (self.location.clone(), problem.into());
        Error::Malformed { location, offset, problem, one_record }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.options.spare.swap(std::mem::take(&mut self.buffer));
    }
}

fn whole(range: &Range<u64>) -> Range<u64> {
    if range.start == 0 && range.end != 0 { 0..u64::MAX } else { 0..0 }
}

/// Returns whether a decoder reached the end of the file too early. Each decoder has its own error for that.
fn ends_early(cause: &io::Error) -> bool {
    let first = Some(cause as &(dyn std::error::Error + 'static));
    std::iter::successors(first, |error| error.source()).any(|error| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == ErrorKind::UnexpectedEof)
    })
}
