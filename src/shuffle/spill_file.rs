//! Opens spill files. A spill file holds all partitions of one spill, and has a single index.
//!
//! ```text
//! ┌────────┬──────────────────────────────────────────────────────────┬───────┬────────┐
//! │ header │ blocks of partition 0, blocks of partition 1, …           │ index │ footer │
//! └────────┴──────────────────────────────────────────────────────────┴───────┴────────┘
//!
//! header  0       8         12      16      32    36        40           44
//!         │ magic │ version │ codec │ nonce │ map │ attempt │ partitions │
//!         │       │ u32     │ u32   │ u128  │ u32 │ u32     │ u32        │
//! index   one entry of 40 bytes for each partition, see `spill_index`
//! footer  0              8        12          20
//!         │ index offset │ crc32c │ end magic │
//!         │ u64          │ u32    │           │
//! ```
//!
//! Numbers are little-endian. The blocks are those of [`crate::record::block`]. There are no gaps
//! between segments. The footer's checksum covers the header, the index and the index offset; each
//! block has its own checksum. So every byte of the file is verified, but the bytes of a segment
//! only when it is read. The footer is written last: a file without a footer was never completed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::segment::NamedFile;
use super::spill_index::{ENTRY_BYTES, decode_entry};
use super::{Counter, Error, Segment, SpillIndex};
use crate::model::SegmentInfo;
use crate::record::block::Codec;
use crate::storage::open_regular;

/// First bytes of a spill file. The first one never occurs in text.
const MAGIC: [u8; 8] = *b"\x93GRSPIL\n";

/// Last bytes of a complete spill file.
const MAGIC_END: [u8; 8] = *b"GRSPEND\n";

/// The version of the format that this program writes and reads.
const VERSION: u32 = 1;

/// Bytes before the first segment.
pub(super) const HEADER_BYTES: usize = 44;

/// Bytes after the index.
pub(super) const FOOTER_BYTES: usize = 20;

/// The attempt whose output a spill file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillHeader {
    /// Compression of its blocks.
    pub codec: Codec,
    /// The job's random number.
    pub nonce: u128,
    /// Index of the map task in the job.
    pub map: u32,
    /// Number of the attempt at the task.
    pub attempt: u32,
    /// Number of partitions of the job, and so of segments in the file.
    pub partitions: u32,
}

/// A complete spill file, open for reading. It holds its index (40 bytes for each partition) and a file descriptor,
/// which clones and segments share.
#[derive(Debug, Clone)]
pub struct SpillFile {
    pub(super) opened: Arc<Opened>,
}

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: Arc<NamedFile>,
    header: SpillHeader,
    pub(super) index: SpillIndex,
}

impl SpillFile {
    /// Opens a spill file, and checks its header, index and footer.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not complete, or has another version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let opened = open_regular(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (file_bytes, file) =
            opened.map_err(|source| Error::Open { path: path.clone(), source })?;
        let file_bytes_least = (HEADER_BYTES + FOOTER_BYTES) as u64;
        if file_bytes < file_bytes_least {
            return Err(Error::Length { path, expected: file_bytes_least, found: file_bytes });
        }
        let mut header_bytes = [0; HEADER_BYTES];
        read_at(&path, &file, &mut header_bytes, 0)?;
        let header = SpillHeader::decode(&header_bytes, &path)?;
        let mut footer = [0; FOOTER_BYTES];
        let footer_offset = file_bytes - FOOTER_BYTES as u64;
        read_at(&path, &file, &mut footer, footer_offset)?;
        let (index_offset, expected) = decode_footer(&footer, &path, footer_offset)?;

        let index_bytes = u64::from(header.partitions) * ENTRY_BYTES as u64;
        // Not verified yet, so it may be any number.
        let expected_bytes = index_offset.saturating_add(index_bytes + FOOTER_BYTES as u64);
        if expected_bytes != file_bytes {
            return Err(Error::Length { path, expected: expected_bytes, found: file_bytes });
        }
        let mut entries = vec![0; index_bytes as usize];
        read_at(&path, &file, &mut entries, index_offset)?;
        let found = index_checksum(&header_bytes, &entries, index_offset);
        if found != expected {
            return Err(Error::IndexChecksum { path, expected, found });
        }
        let segments: Vec<_> = entries.as_chunks().0.iter().map(decode_entry).collect();
        check_layout(&segments, index_offset, &path)?;
        let index = SpillIndex::new(segments, file_bytes);
        let file = Arc::new(NamedFile { path, file });
        Ok(SpillFile { opened: Arc::new(Opened { file, header, index }) })
    }

    /// The file's path when it was opened.
    pub fn path(&self) -> &Path {
        &self.opened.file.path
    }

    /// The attempt whose output it holds.
    pub fn header(&self) -> &SpillHeader {
        &self.opened.header
    }

    /// Its index.
    pub fn index(&self) -> &SpillIndex {
        &self.opened.index
    }

    /// Returns the records of a partition, read through a buffer of `buffer_bytes`, or of the segment's size if that
    /// is less. See [`super::segment::memory_bytes`] for the memory that this takes. Nothing is read yet; bytes that
    /// are read later are added to `counter`.
    ///
    /// # Panics
    ///
    /// If the file has no such partition.
    pub fn segment(&self, partition: u32, buffer_bytes: usize, counter: Counter) -> Segment {
        let info = self.opened.index.segments[partition as usize];
        Segment::new(Arc::clone(&self.opened.file), partition, info, buffer_bytes, counter)
    }
}

impl SpillHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[0..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&u32::from(self.codec.code()).to_le_bytes());
        header[16..32].copy_from_slice(&self.nonce.to_le_bytes());
        header[32..36].copy_from_slice(&self.map.to_le_bytes());
        header[36..40].copy_from_slice(&self.attempt.to_le_bytes());
        header[40..44].copy_from_slice(&self.partitions.to_le_bytes());
        header
    }

    fn decode(header: &[u8; HEADER_BYTES], path: &Path) -> Result<Self, Error> {
        let [magic, version_codec, nonce_low, nonce_high, map_attempt] = [0, 8, 16, 24, 32]
            .map(|at| *header[at..].first_chunk::<8>().expect("the header has a fixed length"));
        let half =
            |of: [u8; 8], high: bool| (u64::from_le_bytes(of) >> if high { 32 } else { 0 }) as u32;
        if magic != MAGIC {
            return Err(Error::Magic {
                path: path.into(),
                offset: 0,
                expected: MAGIC,
                found: magic,
            });
        }
        let version = half(version_codec, false);
        if version != VERSION {
            return Err(Error::Version { path: path.into(), expected: VERSION, found: version });
        }
        let codec = half(version_codec, true);
        let nonce = [nonce_low, nonce_high].map(|half| u128::from(u64::from_le_bytes(half)));
        Ok(SpillHeader {
            codec: u8::try_from(codec)
                .ok()
                .and_then(Codec::from_code)
                .ok_or(Error::Codec { path: path.into(), found: codec })?,
            nonce: nonce[0] | nonce[1] << 64,
            map: half(map_attempt, false),
            attempt: half(map_attempt, true),
            partitions: u32::from_le_bytes(
                *header.last_chunk().expect("the header has a fixed length"),
            ),
        })
    }
}

pub(super) fn encode_footer(index_offset: u64, index_checksum: u32) -> [u8; FOOTER_BYTES] {
    let mut footer = [0; FOOTER_BYTES];
    footer[0..8].copy_from_slice(&index_offset.to_le_bytes());
    footer[8..12].copy_from_slice(&index_checksum.to_le_bytes());
    footer[12..20].copy_from_slice(&MAGIC_END);
    footer
}

/// The offset of the index and its checksum.
fn decode_footer(
    footer: &[u8; FOOTER_BYTES],
    path: &Path,
    offset: u64,
) -> Result<(u64, u32), Error> {
    let found = *footer.last_chunk().expect("the footer has a fixed length");
    if found != MAGIC_END {
        return Err(Error::Magic {
            path: path.into(),
            offset: offset + 12,
            expected: MAGIC_END,
            found,
        });
    }
    let index_offset =
        u64::from_le_bytes(*footer.first_chunk().expect("the footer has a fixed length"));
    let checksum =
        u32::from_le_bytes(*footer[8..].first_chunk().expect("the footer has a fixed length"));
    Ok((index_offset, checksum))
}

/// The checksum of everything outside the blocks, except the checksum itself and the end magic.
pub(super) fn index_checksum(
    header: &[u8; HEADER_BYTES],
    entries: &[u8],
    index_offset: u64,
) -> u32 {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(header), entries);
    crc32c::crc32c_append(checksum, &index_offset.to_le_bytes())
}

/// Segments fill the file from the header to the index, so every byte belongs to one of them.
fn check_layout(segments: &[SegmentInfo], index_offset: u64, path: &Path) -> Result<(), Error> {
    let mut expected = HEADER_BYTES as u64;
    for (partition, segment) in (0..).zip(segments) {
        let (field, found, expected_here) = match segment.offset.checked_add(segment.stored_bytes) {
            _ if segment.offset != expected => ("offset", segment.offset, expected),
            Some(end) if end <= index_offset => {
                expected = end;
                continue;
            }
            _ => ("length", segment.stored_bytes, index_offset - expected),
        };
        return Err(Error::Index {
            path: path.into(),
            partition,
            field,
            expected: expected_here,
            found,
        });
    }
    if expected != index_offset {
        return Err(Error::Length { path: path.into(), expected, found: index_offset });
    }
    Ok(())
}

fn read_at(path: &Path, file: &File, into: &mut [u8], offset: u64) -> Result<(), Error> {
    file.read_exact_at(into, offset).map_err(|source| Error::Read {
        path: path.into(),
        offset,
        source,
    })
}
