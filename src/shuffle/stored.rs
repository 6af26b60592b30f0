//! Reads a segment's stored bytes without decoding them, so that they can be sent to another
//! worker.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::segment::FileRange;
use super::{Error, SpillFile};
use crate::record::block;

impl SpillFile {
    /// Reads a partition's stored bytes, checks every block against its checksum, and returns the CRC-32C of all
    /// stored bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Block`] if the file is damaged or cannot be read.
    ///
    /// # Panics
    ///
    /// If the file has no such partition.
    pub fn stored_checksum(&self, partition: u32) -> Result<u32, Error> {
        let info = self.opened.index.segments[partition as usize];
        let file = Arc::clone(&self.opened.file);
        let range = FileRange::new(file, info, None);
        block::checksum(range, info.offset).map_err(|source| Error::Block {
            path: self.opened.file.path.clone(),
            partition,
            source,
        })
    }

    /// Reads a partition's bytes as they are stored, beginning `at` bytes after its start. Checksums are not checked.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    ///
    /// # Panics
    ///
    /// If the file has no such partition, or the partition has fewer bytes.
    pub fn read_stored(&self, partition: u32, at: u64, into: &mut [u8]) -> Result<(), Error> {
        let info = self.opened.index.segments[partition as usize];
        assert!(
            at + into.len() as u64 <= info.stored_bytes,
            "read past the end of partition {partition}"
        );
        let offset = info.offset + at;
        self.opened.file.file.read_exact_at(into, offset).map_err(|source| Error::Read {
            path: self.opened.file.path.clone(),
            offset,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::block::Codec;
    use crate::shuffle::SpillWriter;
    use crate::shuffle::tests::header;

    #[test]
    fn stored_bytes_are_those_of_the_checksum_and_damage_is_found() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("spill");
        let mut writer = SpillWriter::create(&path, header(Codec::Stored, 2)).unwrap();
        writer.push(0, b"a", b"1").unwrap();
        writer.push(1, b"b", &[7; 100_000]).unwrap();
        let index = writer.finish().unwrap();
        let file = SpillFile::open(&path).unwrap();
        for (partition, info) in (0..).zip(&index.segments) {
            let mut bytes = vec![0; info.stored_bytes as usize];
            file.read_stored(partition, 0, &mut bytes).unwrap();
            assert_eq!(file.stored_checksum(partition).unwrap(), crc32c::crc32c(&bytes));
        }
        let damaged = std::fs::File::options().write(true).open(&path).unwrap();
        damaged.write_all_at(b"!", index.segments[1].offset + 50_000).unwrap();
        assert!(file.stored_checksum(0).is_ok());
        let error = file.stored_checksum(1).unwrap_err();
        assert!(matches!(error, Error::Block { partition: 1, .. }), "{error}");
    }
}
