//! Reads objects at any offset, and notices when one is no longer what was listed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::Error;
use super::error::shown;
use super::list::{FileEntry, modified_ns};

/// An object that many threads may read at once, each at its own offset.
#[expect(
    clippy::len_without_is_empty,
    reason = "a reader asks for the size, never whether there is any"
)]
pub trait ReadAt: Send + Sync {
    /// Reads at most `buf.len()` bytes at `offset`; zero only at the end, or for an empty `buf`.
    ///
    /// # Errors
    /// What the store says, or that the object changed since it was listed.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The size in bytes, as listed.
    fn len(&self) -> u64;

    /// When it was last modified, in nanoseconds since 1970, as listed.
    fn modified_ns(&self) -> u64;

    /// Says whether the object still is what was listed: to be asked once the last byte of a split has been read.
    ///
    /// # Errors
    /// [`Error::InputChanged`] when size or time of modification differ, or what the store says.
    fn check_unchanged(&self) -> Result<(), Error>;

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`]; `UnexpectedEof` when the object ends before.
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buf = &mut buf[read..];
                    offset += read as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// A file of the local file system, opened as the one that was listed.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    listed: FileEntry,
}

/// Opens a listed file.
///
/// # Errors
/// What the system says, or [`Error::InputChanged`].
pub fn open(listed: &FileEntry) -> Result<LocalFile, Error> {
    let file = File::open(&listed.path).map_err(|e| Error::io("open input", &listed.path, e))?;
    let opened = LocalFile { file, listed: listed.clone() };
    opened.check_unchanged()?;
    Ok(opened)
}

impl LocalFile {
    /// Where the file is.
    pub fn path(&self) -> &PathBuf {
        &self.listed.path
    }
}

impl ReadAt for LocalFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buf, offset)?;
        if read == 0 && !buf.is_empty() && offset < self.listed.bytes {
            // The file was cut short. Ending here would lose its records without a word.
            self.check_unchanged().map_err(Error::into_io)?;
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                format!(
                    "file ends at byte {offset} of {}; {}",
                    self.listed.bytes,
                    shown(&self.listed.path)
                ),
            ));
        }
        Ok(read)
    }

    fn len(&self) -> u64 {
        self.listed.bytes
    }

    fn modified_ns(&self) -> u64 {
        self.listed.modified_ns
    }

    fn check_unchanged(&self) -> Result<(), Error> {
        let listed = &self.listed;
        let facts =
            self.file.metadata().map_err(|e| Error::io("look at input", &listed.path, e))?;
        let (bytes, modified_ns) = (facts.len(), modified_ns(&facts));
        if (bytes, modified_ns) == (listed.bytes, listed.modified_ns) {
            return Ok(());
        }
        Err(Error::InputChanged {
            path: listed.path.clone(),
            bytes_listed: listed.bytes,
            bytes,
            modified_ns_listed: listed.modified_ns,
            modified_ns,
        })
    }
}
