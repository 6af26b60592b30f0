//! Files that every task of a job reads whole: a field of the job, shipped with it.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// A file that every task can read: a list of stop words, a small table to join with.
///
/// Make it a field of the job with `#[arg(long)]`; whether it can be read is checked before any work.
/// Read it in [`super::Job::setup`]. Every task opens it at the same absolute path, as it does the inputs, and so must
/// every worker of a cluster be able to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFile {
    path: PathBuf,
}

impl SideFile {
    /// The whole file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path)
            .map_err(|cause| Error::new(Unreadable { path: self.path.clone(), cause }))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl FromStr for SideFile {
    type Err = Unreadable;

    /// Takes a path, and checks that a file can be opened there.
    fn from_str(path: &str) -> Result<Self, Unreadable> {
        let path = PathBuf::from(path);
        let opened = std::fs::File::open(&path).and_then(|file| match file.metadata()?.is_dir() {
            true => Err(std::io::ErrorKind::IsADirectory.into()),
            false => path.canonicalize(),
        });
        match opened {
            Ok(path) => Ok(SideFile { path }),
            Err(cause) => Err(Unreadable { path, cause }),
        }
    }
}

/// A side file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the side file {}: {cause}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    cause: std::io::Error,
}
