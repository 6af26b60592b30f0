//! A private folder for the spills of a run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::owned::{Cleanup, OwnedFolder, scratch_name, scratch_prefix, sweep_left};
use super::{Error, Room, Staging};
use crate::model::Nonce;

/// Possible parents of a scratch folder; the first that is given is used.
#[derive(Debug, Clone, Copy)]
pub struct ScratchPlaces<'a> {
    /// The folder that the user named with `--scratch`; it must exist.
    pub dir: Option<&'a Path>,
    /// The output's own file system.
    pub staging: Option<&'a Staging>,
    /// The system's temporary folder.
    pub temporary: &'a Path,
}

/// A folder `gristmill-<nonce>` with mode 0700, locked while the process lives and removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: Arc<OwnedFolder>,
}

impl Scratch {
    /// Creates the folder in the first given place, and sweeps the folders of killed runs there.
    ///
    /// # Errors
    /// [`Error::NotWritable`] or [`Error::NoSpace`], which name the place.
    pub fn create(places: ScratchPlaces<'_>, nonce: Nonce) -> Result<Self, Error> {
        let place = places.dir.or(places.staging.map(Staging::path)).unwrap_or(places.temporary);
        let path = place.join(scratch_name(nonce));
        let folder = OwnedFolder::create(path.clone()).map_err(|e| match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::write("", &path, e, Room::Scratch)
            }
            _ => Error::NotWritable { path: place.to_path_buf(), room: Room::Scratch, source: e },
        })?;
        folder.sweep_siblings(&scratch_prefix(), None);
        Ok(Self { folder })
    }

    /// Sweeps the scratch folders of this user's killed runs in `place`, without creating one.
    pub fn sweep(place: &Path) {
        sweep_left(place, &scratch_prefix(), None, None);
    }

    /// The folder's path. Each writer removes files that it no longer needs, to save disk space.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of a file called `name` in this folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a handle that removes the folder from another thread.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup(Arc::clone(&self.folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Handles may outlive this value, but the folder must not. The next run sweeps what cannot be removed.
        let _removed_or_left = self.folder.remove();
    }
}
