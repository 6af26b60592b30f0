//! Facts about a file system: its free space, what has run out if it is full (bytes, inodes or quota), and whether it
//! may report failed writes late.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Returns how many bytes an ordinary user can still write to the file system of `path`; `None` if it cannot be
/// determined.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(path).ok()?;
    Some(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// What a full file system has run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Room for bytes.
    Bytes,
    /// Room for further files and folders, although bytes may be free.
    Inodes,
    /// The quota of this user, group or project.
    Quota,
}

impl Lack {
    /// Returns what `folder` lacks, if the error means that it is full: what [`Lack::mark`] recorded, otherwise what it
    /// lacks now.
    pub fn of(error: &io::Error, folder: &Path) -> Option<Self> {
        if let Some(Full { lack }) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Some(*lack);
        }
        match error.kind() {
            ErrorKind::StorageFull if has_no_inodes(folder) => Some(Self::Inodes),
            ErrorKind::StorageFull => Some(Self::Bytes),
            ErrorKind::QuotaExceeded => Some(Self::Quota),
            _ => None,
        }
    }

    /// Marks an error of creating or writing a file in `folder` with what the folder lacks. Call this before removing
    /// anything: a freed inode would hide the fact that none were left.
    pub fn mark(error: io::Error, folder: &Path) -> io::Error {
        match Self::of(&error, folder) {
            Some(lack @ Self::Inodes) => io::Error::new(error.kind(), Full { lack }),
            _ => error,
        }
    }
}

/// What a file system lacked when an error occurred.
#[derive(Debug, thiserror::Error)]
#[error("{lack}")]
struct Full {
    lack: Lack,
}

impl Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "no space left",
            Self::Inodes => "no inodes left",
            Self::Quota => "disk quota exceeded",
        })
    }
}

/// Whether a full file system lacks only inodes: it has free bytes, but no free inode. File systems that create inodes
/// on demand report a total of 0, or report no free inodes only if bytes are lacking too.
fn has_no_inodes(folder: &Path) -> bool {
    rustix::fs::statvfs(folder)
        .is_ok_and(|facts| facts.f_files > 0 && facts.f_favail == 0 && facts.f_bavail > 0)
}

/// Whether `file` is on a file system that may accept a write and report its failure only later: a remote or FUSE file
/// system.
pub(super) fn fails_late(file: &File) -> bool {
    // From Linux's magic.h, cifsglob.h and smb2glob.h.
    const NFS: u64 = 0x6969;
    const FUSE: u64 = 0x6573_5546;
    const SMB1: u64 = 0xff53_4d42;
    const SMB2: u64 = 0xfe53_4d42;
    const CEPH: u64 = 0x00c3_6400;
    const LATE: [u64; 5] = [NFS, FUSE, SMB1, SMB2, CEPH];
    // The kernel's number is signed on some machines, so only its lower half can be compared.
    rustix::fs::fstatfs(file).is_ok_and(|facts| LATE.contains(&(facts.f_type as u64 & 0xffff_ffff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_tell_at_once() {
        assert!(!fails_late(&tempfile::tempfile().unwrap()));
    }

    #[test]
    fn a_quota_is_told_from_a_full_disk() {
        let of = |number| Lack::of(&io::Error::from_raw_os_error(number), Path::new("/"));
        assert_eq!(of(libc::EDQUOT), Some(Lack::Quota));
        assert!(matches!(of(libc::ENOSPC), Some(Lack::Bytes | Lack::Inodes)));
        assert_eq!(of(libc::EIO), None);
    }

    #[test]
    fn marked_error_keeps_what_was_lacking() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let marked = io::Error::new(full.kind(), Full { lack: Lack::Inodes });
        // This folder has inodes.
        assert_eq!(Lack::of(&marked, Path::new("/")), Some(Lack::Inodes));
        assert_eq!(marked.to_string(), "no inodes left");
        let other = Lack::mark(io::Error::from_raw_os_error(libc::EIO), Path::new("/"));
        assert_eq!(other.raw_os_error(), Some(libc::EIO));
    }

    #[test]
    fn a_folder_has_room_and_a_missing_one_has_no_answer() {
        assert!(free_bytes(Path::new("/")).is_some());
        assert_eq!(free_bytes(Path::new("/nowhere/at/all")), None);
    }
}
