//! Describes a listed file, and the kinds and names of files that are skipped.

use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::model::FileIdentity;

/// Maximum number of files of one job: their entries take about 1 GB of memory.
pub(super) const FILES_MAX: usize = 10_000_000;

/// A file as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path: the named path, or a path below the named folder.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Time of the last modification, in nanoseconds since 1970.
    pub modified_ns: u64,
    /// Identity of the file.
    pub identity: FileIdentity,
}

impl FileEntry {
    pub(super) fn new(path: PathBuf, facts: &Metadata) -> Self {
        let (bytes, modified_ns) = (facts.len(), modified_ns(facts));
        Self { path, bytes, modified_ns, identity: identity(facts) }
    }
}

/// Time of a file's last modification, in nanoseconds since 1970, clamped to the years 1970 to 2554.
fn modified_ns(facts: &Metadata) -> u64 {
    nanoseconds(facts.mtime(), facts.mtime_nsec())
}

/// Identity of the file.
fn identity(facts: &Metadata) -> FileIdentity {
    FileIdentity {
        device: facts.dev(),
        inode: facts.ino(),
        changed_ns: nanoseconds(facts.ctime(), facts.ctime_nsec()),
    }
}

fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    let nonnegative = |number: i64| u64::try_from(number).unwrap_or(0);
    nonnegative(seconds).saturating_mul(1_000_000_000).saturating_add(nonnegative(rest))
}

/// Describes a file that is neither a regular file nor a folder.
pub(super) fn special_kind(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "a special file"
    }
}

/// Whether folders and patterns skip this name.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'.' | b'_'))
}

/// Returns where the link at `path` points to, for a message.
pub(super) fn link_target(path: &Path) -> PathBuf {
    fs::read_link(path).unwrap_or_default()
}
