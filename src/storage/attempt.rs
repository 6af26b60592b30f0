//! The folder of one attempt, which holds only the attempt's parts.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::part::{PartWriter, check_attempt_name, check_part_name};
use super::{Error, Room};

/// The parent of the folders of a run's attempts.
#[derive(Debug)]
pub struct Attempts {
    path: PathBuf,
    sync: bool,
}

impl Attempts {
    pub(super) fn at(path: PathBuf, sync: bool) -> Self {
        Self { path, sync }
    }

    /// Names the folder of an attempt; the folder is created with its first part. Attempts of a run must have
    /// different names.
    ///
    /// # Errors
    /// A name that is not a file name.
    pub fn create(&self, name: &str) -> Result<AttemptFolder, Error> {
        let path = self.folder(name)?;
        let is_made = Mutex::new(false);
        Ok(AttemptFolder { name: name.to_owned(), path, sync: self.sync, is_made })
    }

    /// Returns the path of the folder of the attempt with this name.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        check_attempt_name(name)?;
        Ok(self.path.join(name))
    }

    /// Removes a losing attempt's folder now rather than at the end of the run. Succeeds if it does not exist.
    ///
    /// # Errors
    /// The system's error.
    pub fn discard(&self, name: &str) -> Result<(), Error> {
        let path = self.folder(name)?;
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove attempt's folder", &path, e))
            }
            _ => Ok(()),
        }
    }
}

/// The folder that one attempt writes to. It is created with the first part, since most maps write none. Its parents
/// are never created, so an attempt that outlives its run cannot recreate a swept folder.
#[derive(Debug)]
pub struct AttemptFolder {
    name: String,
    path: PathBuf,
    sync: bool,
    /// Locked while the folder is created, so that no part is begun before the folder exists.
    is_made: Mutex<bool>,
}

impl AttemptFolder {
    fn make(&self) -> Result<(), Error> {
        let mut is_made = self.is_made.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_made {
            DirBuilder::new().create(&self.path).map_err(|e| match e.kind() {
                ErrorKind::NotFound => Error::Abandoned { path: self.path.clone() },
                _ => Error::write("create attempt's folder", &self.path, e, Room::Output),
            })?;
            *is_made = true;
        }
        Ok(())
    }

    /// The attempt's name, as given to [`Attempts::create`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins a part called `name`: a file name, or one below one folder, such as `_bad/part-00000.jsonl`.
    ///
    /// # Errors
    /// A name that is not a file name, or that the attempt has already used; for the first part, an attempt's name that
    /// is already taken; a run that has ended; the system's error.
    pub fn create_part(&self, name: &str) -> Result<PartWriter, Error> {
        check_part_name(name)?;
        self.make()?;
        if let Some((folder, _)) = name.split_once('/') {
            create_folder(&self.path.join(folder))?;
        }
        PartWriter::create(&self.path, name, self.sync)
    }

    /// Removes a losing attempt's folder now rather than at the end of the run. Succeeds if it does not exist.
    ///
    /// # Errors
    /// The system's error.
    pub fn discard(self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove attempt's folder", &self.path, e))
            }
            _ => Ok(()),
        }
    }
}

/// Creates a folder in an existing folder. Succeeds if it already exists.
pub(super) fn create_folder(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            Err(Error::write("create folder", path, e, Room::Output))
        }
        _ => Ok(()),
    }
}
