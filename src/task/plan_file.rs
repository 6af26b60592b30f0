//! A plan, and a file of it from which a map attempt reads only its own split.
//!
//! ```text
//! ┌────────┬─────────────────────────────────────┬──────────────────────────────┬──────┐
//! │ header │ offset table: an entry for each      │ splits, one after the other, │ cuts │
//! │        │ split, and the last one for the cuts │ each in bincode              │      │
//! └────────┴─────────────────────────────────────┴──────────────────────────────┴──────┘
//!
//! header  0       8         12       16         20
//!         │ magic │ version │ splits │ reducers │ crc32c of all before it │
//! entry   0        8       12
//!         │ offset │ bytes │ crc32c of the entry's number (u32) and the bytes at the offset │
//! ```
//!
//! Numbers are little-endian. The content depends only on the job and its input: it contains no
//! time, nonce or attempt.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::fold::Cut;
use crate::model::Split;
use crate::record::value;
use crate::storage::{create_private, open_regular};

/// First bytes of a plan. The first of them never occurs in UTF-8 text.
const MAGIC: [u8; 8] = *b"\x93GRPLAN\n";
/// The version of the format that this program writes and reads.
const VERSION: u32 = 2;
const HEADER_BYTES: usize = 24;
const ENTRY_BYTES: usize = 16;

/// The maps and reduces of a job.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The input of each map task.
    pub splits: Vec<Split>,
    /// The number of partitions, which is also the number of parts; 0 for a job without a reduce.
    pub reducers: u32,
    /// For partitions by range: the first keys of all partitions except the first.
    pub cuts: Vec<Cut>,
}

/// Why a plan could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// An error of the system.
    #[error("failed to {doing} plan: {source}: {}", .path.display())]
    Io {
        /// `write` or `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not a plan, or was damaged.
    #[error("plan is damaged: {what}: {}\nhint: fetch the plan again, or run the plan task again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another version wrote the file.
    #[error("plan has format version {found}, expected {VERSION}: {}\nhint: use the same version of gristmill everywhere", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

impl Plan {
    /// Writes the plan to a new file, or replaces the file at `path`.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn write(&self, path: &Path) -> Result<(), PlanError> {
        let failed = |source| PlanError::Io { doing: "write", path: path.into(), source };
        let encode = |what: &dyn Fn(&mut Vec<u8>) -> Result<(), value::Error>| {
            let mut bytes = Vec::new();
            what(&mut bytes).map(|()| bytes).map_err(|error| failed(io::Error::other(error)))
        };
        let mut table = Vec::with_capacity((self.splits.len() + 1) * ENTRY_BYTES);
        let mut blobs = Vec::new();
        let blobs_offset = HEADER_BYTES + (self.splits.len() + 1) * ENTRY_BYTES;
        let mut add = |place: u32, blob: Vec<u8>| {
            table.extend(((blobs_offset + blobs.len()) as u64).to_le_bytes());
            table.extend((blob.len() as u32).to_le_bytes());
            table.extend(checksum(place, &blob).to_le_bytes());
            blobs.extend(blob);
        };
        let splits = self.splits.len() as u32;
        for (place, split) in (0..).zip(&self.splits) {
            add(place, encode(&|bytes| value::encode_into(split, bytes))?);
        }
        let cuts: Vec<&[u8]> = self.cuts.iter().map(Cut::key).collect();
        add(splits, encode(&|bytes| value::encode_into(&cuts, bytes))?);
        let written = create_private(path).and_then(|file| {
            let mut file = BufWriter::new(file);
            file.write_all(&header(splits, self.reducers))?;
            file.write_all(&table)?;
            file.write_all(&blobs)?;
            file.flush()
        });
        written.map_err(failed)
    }
}

/// An open plan. It holds a file descriptor, but none of the plan's content.
#[derive(Debug)]
pub struct PlanFile {
    file: File,
    path: PathBuf,
    splits: u32,
    reducers: u32,
}

impl PlanFile {
    /// Opens a plan.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not a complete plan of this version.
    pub fn open(path: &Path) -> Result<Self, PlanError> {
        let failed = |source| PlanError::Io { doing: "read", path: path.into(), source };
        let damaged = |what: &str| PlanError::Damaged { path: path.into(), what: what.into() };
        let file = open_regular(path).map_err(failed)?;
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        if bytes[..8] != MAGIC {
            return Err(damaged("it does not begin with the magic bytes of a plan"));
        }
        let [version, splits, reducers, crc] = [8, 12, 16, 20].map(|at| number(&bytes[at..]));
        if version != VERSION {
            return Err(PlanError::Version { path: path.into(), found: version });
        }
        if crc != crc32c::crc32c(&bytes[..20]) {
            return Err(damaged("the header's checksum is wrong"));
        }
        Ok(PlanFile { file, path: path.into(), splits, reducers })
    }

    /// Number of maps.
    pub fn splits(&self) -> u32 {
        self.splits
    }

    /// Number of reduces; 0 for a map-only job.
    pub fn reducers(&self) -> u32 {
        self.reducers
    }

    /// The split of this map.
    ///
    /// # Errors
    ///
    /// The plan has no such map, or cannot be read.
    pub fn split(&self, map: u32) -> Result<Split, PlanError> {
        if map >= self.splits {
            return Err(self.damaged(format!(
                "it has no split for map {map} (number of splits: {})",
                self.splits
            )));
        }
        self.read(map)
    }

    /// For partitions by range: the first keys of all partitions except the first.
    ///
    /// # Errors
    ///
    /// The plan cannot be read.
    pub fn cuts(&self) -> Result<Vec<Cut>, PlanError> {
        let keys: Vec<Vec<u8>> = self.read(self.splits)?;
        Ok(keys.iter().map(|key| Cut::from(key.as_slice())).collect())
    }

    fn read<T: DeserializeOwned>(&self, place: u32) -> Result<T, PlanError> {
        let failed = |source| PlanError::Io { doing: "read", path: self.path.clone(), source };
        let mut entry = [0; ENTRY_BYTES];
        let at = HEADER_BYTES as u64 + u64::from(place) * ENTRY_BYTES as u64;
        self.file.read_exact_at(&mut entry, at).map_err(failed)?;
        let [low, high, bytes, crc] = [0, 4, 8, 12].map(|at| number(&entry[at..]));
        let offset = u64::from(low) | u64::from(high) << 32;
        // Check the length first: a damaged entry must not allocate gigabytes.
        let file_bytes = self.file.metadata().map_err(failed)?.len();
        if offset.saturating_add(bytes.into()) > file_bytes {
            return Err(self.damaged(format!(
                "entry {place} of the offset table points past the end of the file"
            )));
        }
        let mut blob = vec![0; bytes as usize];
        self.file.read_exact_at(&mut blob, offset).map_err(failed)?;
        if checksum(place, &blob) != crc {
            return Err(
                self.damaged(format!("entry {place} of the offset table has a wrong checksum"))
            );
        }
        value::decode(&blob).map_err(|error| self.damaged(error.to_string()))
    }

    fn damaged(&self, what: String) -> PlanError {
        PlanError::Damaged { path: self.path.clone(), what }
    }
}

fn header(splits: u32, reducers: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    for (at, number) in [(8, VERSION), (12, splits), (16, reducers)] {
        header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c::crc32c(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*bytes.first_chunk().expect("the slice has four bytes"))
}

fn checksum(place: u32, blob: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&place.to_le_bytes()), blob)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileIdentity, FileRange, Location};

    fn plan(splits: u64) -> Plan {
        let split = |start: u64| Split {
            ranges: vec![FileRange {
                location: Location::from("/in.txt"),
                source: 0,
                start,
                end: start + 1,
                size: splits,
                modified_ns: 7,
                identity: FileIdentity { device: 1, inode: 2, changed_ns: 3 },
            }],
        };
        let cuts = vec![Cut::from(&b"g"[..]), Cut::from(&b"a longer cut than that"[..])];
        Plan { splits: (0..splits).map(split).collect(), reducers: 3, cuts }
    }

    #[test]
    fn a_split_is_read_alone_and_the_bytes_are_reproducible() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        for splits in [0, 1, 500] {
            let plan = plan(splits);
            plan.write(&path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            plan.write(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
            let file = PlanFile::open(&path).unwrap();
            assert_eq!((file.splits(), file.reducers()), (splits as u32, 3));
            assert_eq!(file.cuts().unwrap(), plan.cuts);
            for (map, split) in (0..).zip(&plan.splits) {
                assert_eq!(file.split(map).unwrap(), *split);
            }
            let error = file.split(splits as u32).unwrap_err().to_string();
            assert!(
                error.contains(&format!(
                    "it has no split for map {splits} (number of splits: {splits})"
                )),
                "{error}"
            );
        }
    }

    #[test]
    fn any_flipped_bit_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        plan(3).write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, bytes).unwrap();
            let read = PlanFile::open(&path).and_then(|file| {
                (0..3).try_for_each(|map| file.split(map).map(|_| ()))?;
                file.cuts()
            });
            assert!(read.is_err(), "byte {at}");
        }
        std::fs::write(&path, &whole[..20]).unwrap();
        assert!(PlanFile::open(&path).is_err());
    }
}
