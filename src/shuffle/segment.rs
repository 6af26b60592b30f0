//! Reads one partition of one spill file.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Counter, Cursor, Error, progress};
use crate::model::SegmentInfo;
use crate::record::block::{self, BLOCK_RAW_BYTES, BlockReader, FRAME_HEADER_BYTES};
use crate::storage::open_regular;

/// The fixed part of a segment's memory: the cursor itself, and the state of its digest.
const STATE_BYTES: usize = 1024;

/// Most memory that a segment takes if it is read through a buffer of `buffer_bytes`: the buffer, which grows to a
/// whole block, and one decompressed block. While a record larger than a block is current, its size is added, twice if
/// it is compressed.
pub const fn memory_bytes(buffer_bytes: usize) -> usize {
    let block_bytes = BLOCK_RAW_BYTES + FRAME_HEADER_BYTES;
    let read_bytes = if buffer_bytes > block_bytes { buffer_bytes } else { block_bytes };
    read_bytes + BLOCK_RAW_BYTES + STATE_BYTES
}

/// An open file with its path, for errors.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

/// The sorted records of one partition of one spill file. Several segments may read the same file at once.
///
/// The end is reached only if the whole segment agrees with the index, including its digest. A caller that has not
/// reached the end must not rely on the records before it.
pub struct Segment {
    blocks: BlockReader<FileRange>,
    file: Arc<NamedFile>,
    partition: u32,
    info: SegmentInfo,
}

impl Segment {
    pub(super) fn new(
        file: Arc<NamedFile>,
        partition: u32,
        info: SegmentInfo,
        buffer_bytes: usize,
        counter: Counter,
    ) -> Self {
        let SegmentInfo { offset, stored_bytes, .. } = info;
        let buffer_bytes =
            usize::try_from(stored_bytes).map_or(buffer_bytes, |all| buffer_bytes.min(all));
        let range = FileRange::new(Arc::clone(&file), info, counter);
        Segment { blocks: BlockReader::new(range, offset, buffer_bytes), file, partition, info }
    }

    /// Opens a segment whose contents the caller already knows, in any file: a spill file, or a file in which segments
    /// of several were gathered. It is read through a buffer of `buffer_bytes`. Bytes that are read are added to
    /// `counter`, as they were before compression.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or ends before the segment does.
    pub fn open(
        path: impl Into<PathBuf>,
        partition: u32,
        info: SegmentInfo,
        buffer_bytes: usize,
        counter: Counter,
    ) -> Result<Self, Error> {
        let path = path.into();
        let opened = open_regular(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (found, file) = opened.map_err(|source| Error::Open { path: path.clone(), source })?;
        match info.offset.checked_add(info.stored_bytes) {
            Some(end) if end <= found => {}
            end => {
                return Err(Error::Length { path, expected: end.unwrap_or(u64::MAX), found });
            }
        }
        let file = Arc::new(NamedFile { path, file });
        Ok(Segment::new(file, partition, info, buffer_bytes, counter))
    }

    /// The segment's entry in the index.
    pub fn info(&self) -> &SegmentInfo {
        &self.info
    }

    #[cold]
    fn blame(&self, source: block::Error) -> Error {
        Error::Block { path: self.file.path.clone(), partition: self.partition, source }
    }

    /// Compares what was read with the index.
    #[cold]
    fn check_totals(&self) -> Result<(), Error> {
        let (info, totals) = (self.info(), self.blocks.totals());
        let compared = [
            ("number of records", info.records, totals.records),
            ("number of bytes", info.raw_bytes, totals.raw_bytes),
            ("digest", info.digest, totals.digest),
        ];
        match compared.into_iter().find(|(_, expected, found)| expected != found) {
            None => Ok(()),
            Some((what, expected, found)) => {
                let path = self.file.path.clone();
                Err(Error::Segment { path, partition: self.partition, what, expected, found })
            }
        }
    }
}

impl Cursor for Segment {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        match self.blocks.advance() {
            Ok(true) => Ok(true),
            Ok(false) => self.check_totals().map(|()| false),
            Err(source) => Err(self.blame(source)),
        }
    }

    #[inline]
    fn prefix(&self) -> u64 {
        self.blocks.key_prefix()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.blocks.key()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.blocks.value()
    }
}

/// The bytes of a segment, read at explicit offsets, so that segments of one file do not move each other's position.
pub(super) struct FileRange {
    file: Arc<NamedFile>,
    info: SegmentInfo,
    at: u64,
    counter: Counter,
}

impl FileRange {
    pub(super) fn new(file: Arc<NamedFile>, info: SegmentInfo, counter: Counter) -> Self {
        Self { file, info, at: info.offset, counter }
    }

    /// Bytes that were read, as they were before compression, assuming that the whole segment compresses equally well.
    fn raw_bytes(&self) -> u64 {
        let read = u128::from(self.at - self.info.offset);
        let raw = read * u128::from(self.info.raw_bytes) / u128::from(self.info.stored_bytes);
        u64::try_from(raw).unwrap_or(u64::MAX)
    }
}

impl Read for FileRange {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.info.offset + self.info.stored_bytes - self.at;
        let bytes = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        if bytes == 0 {
            return Ok(0);
        }
        let read = self.file.file.read_at(&mut into[..bytes], self.at)?;
        if read == 0 {
            // The file was long enough for the segment when it was opened.
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the file was truncated while it was read",
            ));
        }
        let before = self.raw_bytes();
        self.at += read as u64;
        progress::count(&self.counter, self.raw_bytes() - before);
        Ok(read)
    }
}
