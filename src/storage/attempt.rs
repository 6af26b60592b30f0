//! The folder of one attempt, in which it writes its parts and nothing else.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::part::{PartWriter, check_attempt_name, check_part_name};
use super::{Error, Room};

/// The folder in which every attempt of a run gets one of its own.
#[derive(Debug)]
pub struct Attempts {
    path: PathBuf,
    sync: bool,
}

impl Attempts {
    pub(super) fn at(path: PathBuf, sync: bool) -> Self {
        Self { path, sync }
    }

    /// Names the folder of an attempt, which is made with its first part. No two attempts of a run may have one name.
    ///
    /// # Errors
    /// A name that is not a file name.
    pub fn create(&self, name: &str) -> Result<AttemptFolder, Error> {
        let path = self.folder(name)?;
        let is_made = Mutex::new(false);
        Ok(AttemptFolder { name: name.to_owned(), path, sync: self.sync, is_made })
    }

    /// Where the attempt of this name writes.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        check_attempt_name(name)?;
        Ok(self.path.join(name))
    }

    /// Removes the folder of an attempt that did not win, at once instead of with the run; well if there is none.
    ///
    /// # Errors
    /// What the system says.
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

/// Where one attempt writes. Its folder is made once, with the first part, since most maps write none; and never its
/// parents: an attempt that outlived its run cannot bring back what was swept.
#[derive(Debug)]
pub struct AttemptFolder {
    name: String,
    path: PathBuf,
    sync: bool,
    /// Locked while the folder is made, so that no part is begun before.
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
    /// A name that is not a file name, or that the attempt has used; with the first part, an attempt's name that is
    /// taken; a run that was ended; what the system says.
    pub fn create_part(&self, name: &str) -> Result<PartWriter, Error> {
        check_part_name(name)?;
        self.make()?;
        if let Some((folder, _)) = name.split_once('/') {
            create_folder(&self.path.join(folder))?;
        }
        PartWriter::create(&self.path, name, self.sync)
    }

    /// Removes the folder of an attempt that did not win, at once instead of with the run; well if there is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn discard(self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove attempt's folder", &self.path, e))
            }
            _ => Ok(()),
        }
    }
}

/// Makes a folder, or finds it made, in a folder that is there.
pub(super) fn create_folder(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            Err(Error::write("create folder", path, e, Room::Output))
        }
        _ => Ok(()),
    }
}
