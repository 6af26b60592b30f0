//! Checks, before any work, whether an output folder may be created or replaced.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatxAttributes, StatxFlags, access};

use super::entry::link_target;
use super::owned::NAME_BYTES_ADDED;
use super::{Error, Held, contents, marks, url};
use crate::model::Manifest;

/// The longest file name on Linux file systems.
const NAME_BYTES_MAX: usize = 255;

/// The place of an output, with links and `..` resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) parent: PathBuf,
    pub(super) name: OsString,
}

impl Target {
    /// Resolves `out`, which need not exist; its parent must.
    pub(super) fn resolve(out: &Path) -> Result<Self, Error> {
        let real = match fs::canonicalize(out) {
            Ok(real) => real,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                if fs::symlink_metadata(out).is_ok() {
                    return Err(Error::LinkBroken {
                        path: out.to_path_buf(),
                        target: link_target(out),
                    });
                }
                let parent = match out.parent() {
                    Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
                    Some(parent) => parent,
                    None => Path::new("/"),
                };
                let Some(name) = out.file_name() else {
                    return Err(Error::ParentMissing { path: parent.to_path_buf() });
                };
                match fs::canonicalize(parent) {
                    Ok(parent) => parent.join(name),
                    Err(e) if e.kind() == ErrorKind::NotFound && url::is_url(out) => {
                        return Err(Error::OutputIsUrl { path: out.to_path_buf() });
                    }
                    Err(e) if e.kind() == ErrorKind::NotFound => {
                        return Err(Error::ParentMissing { path: parent.to_path_buf() });
                    }
                    Err(e) => return Err(Error::io("find output's parent folder", parent, e)),
                }
            }
            Err(e) => return Err(Error::io("find output", out, e)),
        };
        match (real.parent(), real.file_name()) {
            (Some(parent), Some(name)) => {
                Ok(Self { parent: parent.to_path_buf(), name: name.to_owned() })
            }
            _ => Err(Error::OutputRefused {
                path: out.to_path_buf(),
                reason: "is the root of the file system",
            }),
        }
    }

    /// Uses a path without links and `..` as it is. A link that later takes its place is not followed.
    pub(super) fn at(out: &Path) -> Result<Self, Error> {
        let refused = || Error::OutputRefused {
            path: out.to_path_buf(),
            reason: "is the root of the file system",
        };
        let name = out.file_name().ok_or_else(refused)?.to_owned();
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match fs::metadata(parent) {
            Ok(_) => Ok(Self { parent: parent.to_path_buf(), name }),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                Err(Error::ParentMissing { path: parent.to_path_buf() })
            }
            Err(e) => Err(Error::io("find output's parent folder", parent, e)),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// Refuses an output that cannot or must not be replaced. `out` is the path as the user wrote it.
    pub(super) fn check(&self, out: &Path, overwrite: bool) -> Result<(), Error> {
        let (bytes, bytes_max) = (self.name.len(), NAME_BYTES_MAX - NAME_BYTES_ADDED);
        if bytes > bytes_max {
            return Err(Error::OutputNameTooLong { path: out.to_path_buf(), bytes, bytes_max });
        }
        let real = self.path();
        let found = state(&real).map_err(|e| Error::io("inspect output", out, e))?;
        if found == State::Absent {
            return Ok(());
        }
        let is_old = found != State::Empty;
        found.refuse(out, overwrite)?;
        if is_old {
            // To move or empty a folder, the user must have write permission for it.
            access(&real, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(
                |errno| Error::io("get permission to replace output", out, errno.into()),
            )?;
        }
        let refused = |reason| Err(Error::OutputRefused { path: out.to_path_buf(), reason });
        if is_mount_point(&real) {
            return refused("is a mount point, which cannot be replaced");
        }
        if fs::canonicalize(".").is_ok_and(|current| current.starts_with(&real)) {
            return refused("holds the current folder, which would be lost");
        }
        Ok(())
    }
}

/// What exists at the place of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Absent,
    /// An empty folder.
    Empty,
    /// The output of an earlier run, as its manifest lists it, and other contents of the folder.
    Ours { manifest: Box<Manifest>, others: Held },
    /// A folder with other contents.
    Foreign { holds: Held },
    /// Not a folder.
    NotFolder,
}

impl State {
    /// Refuses an output that must not be replaced. `out` is the path as the user wrote it. Returns the manifest of an
    /// old output.
    pub(super) fn refuse(
        self,
        out: &Path,
        overwrite: bool,
    ) -> Result<Option<Box<Manifest>>, Error> {
        let path = out.to_path_buf();
        Err(match self {
            Self::Absent | Self::Empty => return Ok(None),
            Self::Ours { manifest, others } if overwrite && others.is_empty() => {
                return Ok(Some(manifest));
            }
            Self::Ours { others, .. } if overwrite => Error::OutputHoldsOthers { path, others },
            Self::Ours { .. } => Error::OutputExists { path },
            Self::Foreign { holds } if overwrite => Error::OutputForeign { path, holds },
            Self::Foreign { holds } => Error::OutputNotEmpty { path, holds },
            Self::NotFolder => Error::OutputNotFolder { path },
        })
    }
}

pub(super) fn state(out: &Path) -> std::io::Result<State> {
    match fs::symlink_metadata(out) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(State::Absent),
        Err(e) => return Err(e),
        Ok(facts) if !facts.is_dir() => return Ok(State::NotFolder),
        Ok(_) => {}
    }
    if let Some(manifest) = marks::manifest(out) {
        let others = contents::others(out, &manifest)?;
        return Ok(State::Ours { manifest: Box::new(manifest), others });
    }
    let holds = contents::all(out)?;
    Ok(if holds.is_empty() { State::Empty } else { State::Foreign { holds } })
}

/// Whether a file system is mounted at `path`; false if the kernel cannot tell. Then only the rename finds out.
fn is_mount_point(path: &Path) -> bool {
    rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE)
        .is_ok_and(|facts| facts.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
