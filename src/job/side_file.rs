//! Side files: files that every task of a job reads in full. A side file is a field of the job and is shipped with
//! it.
//!
//! A job value names its side files by their paths at submission. Only serde can find these names, because they may be
//! in any field of the job. Serializing a job value therefore collects the names of its side files. Before a job value
//! is deserialized, the caller sets the paths of those files on this machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Error, Result};
use crate::model::{LocalPath, Location, SideFileSpec};

thread_local! {
    /// Side files found in the job value that is being serialized.
    static NAMED: RefCell<BTreeSet<PathBuf>> = const { RefCell::new(BTreeSet::new()) };
    /// Where this machine keeps the side files of the job value that is being deserialized.
    static PLACES: RefCell<BTreeMap<PathBuf, PathBuf>> = const { RefCell::new(BTreeMap::new()) };
}

/// A file that every task can read, such as a list of stop words or a small table to join with.
///
/// Declare it as a field of the job with `#[arg(long)]`, and read it in [`super::Job::setup`]. The file must be
/// readable when the command line is parsed. On a cluster, its bytes are uploaded when the job is submitted, so every
/// task reads the same bytes on every machine, even if the file changes later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFile {
    name: PathBuf,
    path: PathBuf,
}

impl SideFile {
    /// Reads the whole file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        let Self { name, path } = self;
        fs::read(path).map_err(|cause| {
            Error::new(Unreadable { name: name.clone(), path: path.clone(), cause })
        })
    }

    /// Returns the path to read: on a cluster, that of a read-only copy with an arbitrary name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the absolute path that the file had when the command line was parsed.
    pub fn name(&self) -> &Path {
        &self.name
    }
}

impl Serialize for SideFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        NAMED.with_borrow_mut(|named| named.insert(self.name.clone()));
        LocalPath::from(self.name.as_path()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SideFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = PathBuf::from(LocalPath::deserialize(deserializer)?);
        let place = PLACES.with_borrow(|places| places.get(&name).cloned());
        Ok(SideFile { path: place.unwrap_or_else(|| name.clone()), name })
    }
}

/// Returns the result of `write`, and the side files of the job value that it serializes.
pub(crate) fn named_by<T>(write: impl FnOnce() -> T) -> (T, Vec<SideFileSpec>) {
    NAMED.take();
    let written = write();
    let named = NAMED.take().into_iter().map(|path| {
        let name = Location::from(&path);
        SideFileSpec { location: name.clone(), name, digest: None }
    });
    (written, named.collect())
}

/// Returns the result of `read`, which deserializes a job value whose side files are at these paths.
pub(crate) fn placed_by<T>(files: &[SideFileSpec], read: impl FnOnce() -> T) -> T {
    let place = |file: &SideFileSpec| (file.name.path().into(), file.location.path().into());
    PLACES.set(files.iter().map(place).collect());
    let read = read();
    PLACES.take();
    read
}

impl FromStr for SideFile {
    type Err = Unreadable;

    /// Checks that a file at this path can be opened.
    fn from_str(path: &str) -> Result<Self, Unreadable> {
        let path = PathBuf::from(path);
        let opened = fs::metadata(&path).and_then(|found| match found.file_type() {
            kind if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            kind if kind.is_fifo() => Err(io::Error::other("a pipe can be read only once")),
            _ => File::open(&path).and_then(|_| path.canonicalize()),
        });
        match opened {
            Ok(path) => Ok(SideFile { name: path.clone(), path }),
            Err(cause) => Err(Unreadable { name: path.clone(), path, cause }),
        }
    }
}

/// Error of an unreadable side file.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the side file {}{}: {cause}", name.display(), copy(name, path))]
pub struct Unreadable {
    name: PathBuf,
    path: PathBuf,
    cause: io::Error,
}

/// Names the copy, if the file is one.
fn copy(name: &Path, path: &Path) -> String {
    if name == path { String::new() } else { format!(", copied to {}", path.display()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::record::value;

    #[test]
    fn files_in_a_job_value_are_named_once_and_are_where_they_are_placed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for name in ["a", "b", "copy"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let file = |name: &str| folder.join(name).to_str().unwrap().parse::<SideFile>().unwrap();
        let job = (file("b"), Some(file("a")), vec![file("b")]);
        let mut bytes = Vec::new();
        let (written, mut named) = named_by(|| value::encode_into(&job, &mut bytes));
        written.unwrap();
        let names: Vec<_> = named.iter().map(|file| file.name.path().to_path_buf()).collect();
        assert_eq!(names, [folder.join("a"), folder.join("b")]);

        let read = || value::decode::<(SideFile, Option<SideFile>, Vec<SideFile>)>(&bytes);
        assert_eq!(placed_by(&named, read).unwrap(), job);
        named[1].location = Location::from(&folder.join("copy"));
        let (b, a, again) = placed_by(&named, read).unwrap();
        assert_eq!((b.read().unwrap(), a.unwrap().read().unwrap()), (b"copy".into(), b"a".into()));
        assert_eq!((b.name(), b.path()), (&*folder.join("b"), &*folder.join("copy")));
        // The name stays the same when it is serialized again.
        assert_eq!(named_by(|| value::encode_into(&b, &mut Vec::new())).1[0].name, named[1].name);
        fs::remove_file(folder.join("copy")).unwrap();
        let said = again[0].read().unwrap_err().to_string();
        assert!(said.contains("/b, copied to ") && said.contains("/copy: No such"), "{said}");
        // Other values on this thread are not affected.
        assert_eq!(read().unwrap(), job);
    }

    #[test]
    fn unreadable_side_file_is_refused() {
        let (pipe, _writer) = io::pipe().unwrap();
        let pipe = format!("/proc/self/fd/{}", pipe.as_raw_fd());
        for (path, said) in
            [("/none/such", "No such file"), ("/", "directory"), (&pipe, "only once")]
        {
            let refused = path.parse::<SideFile>().unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("cannot read the side file {path}: ")),
                "{refused}"
            );
            assert!(refused.contains(said), "{refused}");
        }
    }
}
