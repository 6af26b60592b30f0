//! Expands what the user named (files, folders, patterns) into the files of a job, in an order that is always the same.

use std::fs::{self, File, FileType, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Error;
use super::glob;
use super::url;
use super::walk::Walk;

/// Files that are opened while listing, so that an unreadable one is found before any work.
/// Of more files than these, the others are found when they are read: opening all would cost more than it saves.
pub const OPENED_AHEAD_MAX: usize = 1_000;

/// Files that one job takes: about 1 GB of entries, and a bound for folders that links multiply.
pub(super) const FILES_MAX: usize = 10_000_000;

/// A file as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is: as named, or below the folder as named.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last modified, in nanoseconds since 1970.
    pub modified_ns: u64,
}

impl FileEntry {
    pub(super) fn new(path: PathBuf, facts: &Metadata) -> Self {
        Self { path, bytes: facts.len(), modified_ns: modified_ns(facts) }
    }
}

/// What was left out of folders and patterns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Names that begin with `.` or `_`; a folder counts as one, whatever it holds.
    pub hidden: u64,
    /// Pipes, sockets and devices.
    pub special: u64,
}

/// The files of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the inputs; those of one folder or pattern sorted by the bytes of their paths.
    /// A file that is named twice is here twice, and so read twice, as `cat` would.
    pub files: Vec<FileEntry>,
    /// Folders that were entered because they were named, matched, or linked to.
    pub folders: Vec<PathBuf>,
    /// What was left out.
    pub skipped: Skipped,
}

impl Listing {
    /// The size of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Lists the files that `inputs` name.
///
/// A folder is read recursively, and links are followed; names that begin with `.` or `_` and special files are
/// skipped and counted, unless they are named themselves. A path with `*`, `?`, `[` or `{` is a pattern only if no
/// file has that very name. An empty folder is no error: a job may have no input.
///
/// # Errors
/// An input that is missing, special or unreadable (of the first [`OPENED_AHEAD_MAX`]), a pattern that matches
/// nothing, a link that is broken or leads round in a circle, more than ten million files.
pub fn list(inputs: &[PathBuf]) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    for input in inputs {
        let mut walk = Walk::default();
        match fs::symlink_metadata(input) {
            Ok(_) => walk.add_named(input)?,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                if !glob::is_pattern(input.as_os_str().as_bytes()) {
                    let path = input.clone();
                    return Err(if url::is_url(input) {
                        Error::InputIsUrl { path }
                    } else {
                        Error::InputMissing { path }
                    });
                }
                walk.add_pattern(input)?;
            }
            Err(e) => return Err(Error::io("look for input", input, e)),
        }
        walk.files.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
        if listing.files.len() + walk.files.len() > FILES_MAX {
            return Err(Error::TooManyFiles { path: input.clone(), files_max: FILES_MAX });
        }
        listing.files.append(&mut walk.files);
        listing.folders.append(&mut walk.folders);
        listing.skipped.hidden += walk.skipped.hidden;
        listing.skipped.special += walk.skipped.special;
    }
    listing.files.iter().take(OPENED_AHEAD_MAX).try_for_each(check_readable)?;
    Ok(listing)
}

fn check_readable(file: &FileEntry) -> Result<(), Error> {
    let mut opened = File::open(&file.path).map_err(|e| Error::io("open input", &file.path, e))?;
    if file.bytes == 0 {
        let read = opened.read(&mut [0]).map_err(|e| Error::io("read input", &file.path, e))?;
        if read > 0 && opened.metadata().is_ok_and(|facts| facts.len() == 0) {
            return Err(Error::SizeUnknown { path: file.path.clone() });
        }
    }
    Ok(())
}

/// When a file was last modified, in nanoseconds since 1970; times before that, or after 2554, stop there.
pub(super) fn modified_ns(facts: &Metadata) -> u64 {
    let nonnegative = |number: i64| u64::try_from(number).unwrap_or(0);
    nonnegative(facts.mtime())
        .saturating_mul(1_000_000_000)
        .saturating_add(nonnegative(facts.mtime_nsec()))
}

/// What a file that is neither file nor folder is.
pub(super) fn special_kind(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something special"
    }
}

/// Whether folders and patterns leave this name out.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'.' | b'_'))
}

/// Where the link at `path` points to, for a message.
pub(super) fn link_target(path: &Path) -> PathBuf {
    fs::read_link(path).unwrap_or_default()
}
