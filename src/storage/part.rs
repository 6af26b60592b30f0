//! Writes one part of an output, and computes its size and checksum.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::space::fails_late;
use super::{Error, MANIFEST_NAME, Room, SUCCESS_NAME};
use crate::crash::crash_point;

/// Maximum bytes of an attempt's or part's name: the file system's limit.
const NAME_BYTES_MAX: usize = 255;

/// A part that is being written.
///
/// Nothing is buffered here: every write is a system call, so write large blocks.
/// If it is dropped without [`PartWriter::seal`], the part does not count and is removed with its attempt.
#[derive(Debug)]
pub struct PartWriter {
    file: File,
    path: PathBuf,
    name: String,
    bytes: u64,
    crc32c: u32,
    sync: bool,
}

/// A complete part, which will not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPart {
    /// Its name below the output folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The CRC-32C of all its bytes.
    pub crc32c: u32,
}

impl PartWriter {
    pub(super) fn create(folder: &Path, name: &str, sync: bool) -> Result<Self, Error> {
        let path = folder.join(name);
        let file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(|e| {
                match e.kind() {
                    ErrorKind::AlreadyExists => Error::PartTwice { name: name.to_owned() },
                    _ => Error::write("create part", &path, e, Room::Output),
                }
            })?;
        Ok(Self { file, path, name: name.to_owned(), bytes: 0, crc32c: 0, sync })
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Completes the part. Syncs it if the run asks for that, or if only fsync reports failed writes (NFS, FUSE).
    ///
    /// # Errors
    /// The error of fsync or of the last write-back. The part is lost then and must not be retried, since the kernel
    /// may have dropped what it could not write.
    pub fn seal(self) -> Result<SealedPart, Error> {
        crash_point!("w10");
        // Without the sync, the error of an earlier write might be reported only by close, and be lost.
        if self.sync || fails_late(&self.file) {
            self.file
                .sync_all()
                .map_err(|e| Error::write("sync part", &self.path, e, Room::Output))?;
        }
        Ok(SealedPart { name: self.name, bytes: self.bytes, crc32c: self.crc32c })
    }
}

impl Write for PartWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.file.write(buf) {
            Ok(written) => {
                self.bytes += written as u64;
                self.crc32c = crc32c::crc32c_append(self.crc32c, &buf[..written]);
                Ok(written)
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Err(e),
            Err(e) => Err(Error::write("write part", &self.path, e, Room::Output).into_io()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses a name that is not a plain file name. A part's name may contain one folder.
pub(super) fn check_part_name(name: &str) -> Result<(), Error> {
    let is_reserved = name == MANIFEST_NAME || name == SUCCESS_NAME;
    if is_reserved || name.split('/').count() > 2 || !name.split('/').all(is_plain) {
        return Err(Error::BadName { name: name.to_owned() });
    }
    Ok(())
}

/// Like [`check_part_name`], for the name of an attempt.
pub(super) fn check_attempt_name(name: &str) -> Result<(), Error> {
    if is_plain(name) { Ok(()) } else { Err(Error::BadName { name: name.to_owned() }) }
}

fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_knows_its_size_and_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = PartWriter::create(folder.path(), "part-00000.tsv", true).unwrap();
        part.write_all(b"1234").unwrap();
        part.write_all(b"56789").unwrap();
        assert_eq!(part.bytes(), 9);
        let sealed = part.seal().unwrap();
        // The standard check value of CRC-32C.
        assert_eq!(
            sealed,
            SealedPart { name: "part-00000.tsv".to_owned(), bytes: 9, crc32c: 0xe306_9283 }
        );
        let again = PartWriter::create(folder.path(), "part-00000.tsv", true);
        assert!(matches!(again, Err(Error::PartTwice { .. })));
    }

    #[test]
    fn a_full_disk_is_named_with_its_room_and_a_way_out() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (path, name) = (PathBuf::from("/dev/full"), "full".to_owned());
        let mut part = PartWriter { file, path, name, bytes: 0, crc32c: 0, sync: false };
        let error = part.write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let text = error.to_string();
        assert!(text.starts_with("no space left for /dev/full ("), "{text}");
        assert!(
            text.ends_with(" free): /dev\nhint: free some space, or choose an --output elsewhere"),
            "{text}"
        );
    }

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        let too_long = "x".repeat(256);
        for name in [
            "", ".", "..", "/a", "a/", "a//b", "../a", "a/../b", "a/b/c", "a\nb", "a\0b", &too_long,
        ] {
            assert!(check_part_name(name).is_err(), "{name:?}");
        }
        assert!(check_part_name("_SUCCESS").is_err() && check_part_name("_MANIFEST.json").is_err());
        for name in ["part-00000.tsv", "_bad/part-00000.jsonl", "counts/a b", "straße"] {
            assert!(check_part_name(name).is_ok(), "{name:?}");
        }
        assert!(check_attempt_name("r3#1").is_ok() && check_attempt_name("j7/r3#1").is_err());
    }
}
