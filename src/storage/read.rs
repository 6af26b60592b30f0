//! Reads objects at any offset, and detects when an object has changed since it was listed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::Error;
use super::entry::FileEntry;
use super::error::display_path;

/// An object that several threads can read at once, each at its own offset.
#[expect(
    clippy::len_without_is_empty,
    reason = "readers need the size; `is_empty` would be unused"
)]
pub trait ReadAt: Send + Sync {
    /// Reads at most `buf.len()` bytes at `offset`. Returns 0 only at the end, or for an empty `buf`.
    ///
    /// # Errors
    /// The store's error, or that the object has changed since it was listed.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The size in bytes, as listed.
    fn len(&self) -> u64;

    /// The time of its last modification, in nanoseconds since 1970, as listed.
    fn modified_ns(&self) -> u64;

    /// Fails if the object has changed since it was listed. Readers call it once they have the last byte of a split.
    ///
    /// # Errors
    /// [`Error::InputChanged`] if the size, a time or the identity differs, or the store's error.
    fn check_unchanged(&self) -> Result<(), Error>;

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`]; `UnexpectedEof` if the object ends before `buf` is full.
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

/// An open local file. Opening checks that it is unchanged since it was listed.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    listed: FileEntry,
}

/// Opens a listed file.
///
/// # Errors
/// The system's error, or [`Error::InputChanged`].
pub fn open(listed: &FileEntry) -> Result<LocalFile, Error> {
    let file = File::open(&listed.path).map_err(|e| Error::io("open input", &listed.path, e))?;
    let opened = LocalFile { file, listed: listed.clone() };
    opened.check_unchanged()?;
    Ok(opened)
}

impl LocalFile {
    /// The file's path.
    pub fn path(&self) -> &PathBuf {
        &self.listed.path
    }
}

impl ReadAt for LocalFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buf, offset)?;
        if read == 0 && !buf.is_empty() && offset < self.listed.bytes {
            // The file was truncated. Stopping here would lose its records silently.
            self.check_unchanged().map_err(Error::into_io)?;
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                format!(
                    "file ends at or before byte {offset}, but had {} bytes when it was listed: {}",
                    self.listed.bytes,
                    display_path(&self.listed.path)
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
            self.file.metadata().map_err(|e| Error::io("inspect input", &listed.path, e))?;
        let now = FileEntry::new(listed.path.clone(), &facts);
        if now == *listed {
            return Ok(());
        }
        Err(Error::InputChanged { path: now.path.clone(), change: change(listed, &now) })
    }
}

/// Describes how a file has changed, by the most informative difference.
fn change(listed: &FileEntry, now: &FileEntry) -> String {
    let (before, after) = (listed.identity, now.identity);
    if listed.bytes != now.bytes {
        format!("it had {} bytes and now has {}", listed.bytes, now.bytes)
    } else if (before.device, before.inode) != (after.device, after.inode) {
        format!(
            "another file took its place (inode {} on device {}; it was inode {} on device {} when it was listed)",
            after.inode, after.device, before.inode, before.device
        )
    } else if listed.modified_ns != now.modified_ns {
        let (before, after) = (listed.modified_ns, now.modified_ns);
        format!(
            "its modification time was {before} ns since 1970 when it was listed, and is now {after} ns"
        )
    } else {
        let (before, after) = (before.changed_ns, after.changed_ns);
        format!(
            "the change time of its inode was {before} ns since 1970 when it was listed, and is now \
             {after} ns"
        )
    }
}
