//! The folder for artifacts that are being transferred.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Names files in a folder that no other process uses.
#[derive(Debug)]
pub(super) struct Inbox {
    folder: PathBuf,
    next: AtomicU64,
}

impl Inbox {
    /// Creates the folder, or removes what an earlier process has left in it.
    pub(super) fn empty(folder: &Path) -> io::Result<Self> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(folder)?,
        }
        Ok(Self { folder: folder.to_path_buf(), next: AtomicU64::new(0) })
    }

    /// Returns a name that no file has yet.
    pub(super) fn place(&self) -> Place {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Place { path: self.folder.join(number.to_string()) }
    }
}

/// A file that is removed when this is dropped, if it still exists.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
}

impl Place {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It may have been renamed, or never created. What cannot be removed is removed at the next start.
        let _gone_or_not = fs::remove_file(&self.path);
    }
}
