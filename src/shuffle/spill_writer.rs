//! Writes spill files, one partition after another.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::spill_file::{FOOTER_BYTES, HEADER_BYTES, encode_footer, index_checksum};
use super::spill_index::{ENTRY_BYTES, encode_entry};
use super::{Error, SpillHeader, SpillIndex};
use crate::crash::crash_point;
use crate::model::SegmentInfo;
use crate::record::block::{self, BlockWriter};
use crate::storage::create_new_private;

/// Least number of bytes in one write, so that thousands of small segments do not need thousands of writes. Compressed
/// blocks are buffered too.
const WRITE_BUFFER_BYTES: usize = 128 * 1024;

/// Memory that a writer takes, not counting the index (80 bytes for each partition at the end) and larger records.
pub const MEMORY_BYTES: usize = 384 * 1024;

/// Writes one spill file: the records of partition 0 in the order of their keys, then those of partition 1, …
///
/// A writer that is dropped before [`SpillWriter::finish`] removes its file. Until then the file has no footer, so an
/// incomplete file is never mistaken for a complete one. Nothing is synced to disk: if a power failure damages a spill
/// file, that is detected when the file is read, and its map runs again.
pub struct SpillWriter {
    path: PathBuf,
    header: SpillHeader,
    blocks: BlockWriter<BufWriter<File>>,
    /// The finished segments.
    segments: Vec<SegmentInfo>,
    segment_offset: u64,
    finished: bool,
    /// Kept only in debug builds, to assert the order.
    key_before: Option<Vec<u8>>,
}

impl SpillWriter {
    /// Creates the file, which must not exist yet.
    ///
    /// # Errors
    ///
    /// [`Error::Create`] and [`Error::Write`].
    pub fn create(path: impl Into<PathBuf>, header: SpillHeader) -> Result<Self, Error> {
        let path = path.into();
        match create_new_private(&path) {
            Ok(file) => SpillWriter::onto(file, path, header),
            Err(source) => Err(Error::create(path, source)),
        }
    }

    fn onto(file: File, path: PathBuf, header: SpillHeader) -> Result<Self, Error> {
        let sink = BufWriter::with_capacity(WRITE_BUFFER_BYTES, file);
        let mut writer = SpillWriter {
            path,
            header,
            blocks: BlockWriter::new(sink, header.codec, HEADER_BYTES as u64),
            segments: Vec::new(),
            segment_offset: HEADER_BYTES as u64,
            finished: false,
            key_before: None,
        };
        writer.write(&header.encode(), 0)?;
        Ok(writer)
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. Partitions must come in ascending order, and keys must ascend within each partition.
    ///
    /// # Errors
    ///
    /// [`Error::Record`], which changes nothing, or [`Error::Write`], after which the writer can only be dropped.
    ///
    /// # Panics
    ///
    /// If the partition is lower than the one before, or the file has no such partition.
    #[inline]
    pub fn push(&mut self, partition: u32, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if partition as usize != self.segments.len() {
            self.open_segment(partition)?;
        }
        debug_assert!(self.in_order(key), "keys of partition {partition} are not sorted");
        self.blocks.push(key, value).map_err(|error| self.blame(error))
    }

    /// Completes the file and returns its index.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]. Then the file is removed.
    pub fn finish(mut self) -> Result<SpillIndex, Error> {
        while self.segments.len() < self.header.partitions as usize {
            self.end_segment()?;
        }
        let index_offset = self.blocks.offset();
        let mut tail = Vec::with_capacity(self.segments.len() * ENTRY_BYTES + FOOTER_BYTES);
        tail.extend(self.segments.iter().flat_map(encode_entry));
        let checksum = index_checksum(&self.header.encode(), &tail, index_offset);
        tail.extend(encode_footer(index_offset, checksum));
        crash_point!("w04");
        self.write(&tail, index_offset)?;
        let flushed = self.blocks.sink_mut().flush();
        let file_bytes = index_offset + tail.len() as u64;
        flushed.map_err(|source| Error::write(self.path.clone(), file_bytes, source))?;
        self.finished = true;
        Ok(SpillIndex::new(std::mem::take(&mut self.segments), file_bytes))
    }

    #[cold]
    fn open_segment(&mut self, partition: u32) -> Result<(), Error> {
        assert!(
            partition < self.header.partitions && self.segments.len() < partition as usize,
            "cannot write partition {partition} now: {} of {} partitions are finished",
            self.segments.len(),
            self.header.partitions
        );
        while self.segments.len() < partition as usize {
            self.end_segment()?;
        }
        self.key_before = None;
        Ok(())
    }

    fn end_segment(&mut self) -> Result<(), Error> {
        let totals = self.blocks.end_run().map_err(|error| self.blame(error))?;
        let offset = std::mem::replace(&mut self.segment_offset, self.blocks.offset());
        self.segments.push(SegmentInfo {
            offset,
            stored_bytes: self.segment_offset - offset,
            records: totals.records,
            raw_bytes: totals.raw_bytes,
            digest: totals.digest,
        });
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], written: u64) -> Result<(), Error> {
        let result = self.blocks.sink_mut().write_all(bytes);
        result.map_err(|source| Error::write(self.path.clone(), written, source))
    }

    fn in_order(&mut self, key: &[u8]) -> bool {
        match &mut self.key_before {
            Some(before) if before.as_slice() > key => false,
            Some(before) => {
                before.clear();
                before.extend_from_slice(key);
                true
            }
            None => {
                self.key_before = Some(key.to_vec());
                true
            }
        }
    }

    #[cold]
    fn blame(&self, error: block::Error) -> Error {
        let path = self.path.clone();
        match error {
            block::Error::Write { offset, source } => Error::write(path, offset, source),
            source => Error::Record { path, source },
        }
    }
}

impl Drop for SpillWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: the owner of the scratch folder sweeps the file if it stays.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::record::block::Codec;
    use crate::shuffle::tests::header;

    #[test]
    fn a_full_disk_is_an_error_with_path_and_bytes() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("spill");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut writer = SpillWriter::onto(full, path.clone(), header(Codec::Stored, 1)).unwrap();
        let error = (0..10).find_map(|_| writer.push(0, b"k", &[0; 50_000]).err()).unwrap();
        let Error::Write { path: found, written, source } = error else { panic!("{error}") };
        assert_eq!((found, source.kind()), (path, ErrorKind::StorageFull));
        assert!(written >= 100_000, "{written}");
    }

    #[test]
    fn a_full_disk_is_found_at_the_latest_when_the_file_is_finished() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let writer = SpillWriter::onto(full, "nowhere".into(), header(Codec::Stored, 1)).unwrap();
        let error = writer.finish().unwrap_err();
        assert!(matches!(error, Error::Write { written: 104, .. }), "{error}");
    }
}
