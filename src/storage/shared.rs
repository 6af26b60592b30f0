//! A staging folder that the processes of one job share: attempts write to it, and a commit attempt publishes it.
//!
//! ```text
//! .out.gristmill-<nonce>.job/        made only by the plan attempt
//!   lock                             held by flock(2) while an attempt commits, so that no two do
//!   attempts/<attempt>/<part>        written by that attempt alone
//!   attempts/<attempt>/_parts        written last: what the attempt has sealed
//!   output/<part>                    the winners' parts, moved here by a commit
//! ```
//!
//! No process lives as long as the job, so a lock cannot show that the folder is in use. The
//! folder's name shows this instead: it ends in `.job`, and sweeps of other runs skip such folders.
//! [`SharedStaging::publish`] or [`SharedStaging::sweep`] removes the folder. They rename it first,
//! so that a process that still writes to it no longer finds it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::attempt::{Attempts, create_folder};
use super::output::Target;
use super::owned::{
    beside_name, is_still_there, open_lock, remove_folder, replaced_path, shared_path, swept_path,
};
use super::part::{SealedPart, check_part_name};
use super::publish::{replace, sync_folder, sync_folders, write_marks};
use super::staging::{ATTEMPTS_NAME, OUTPUT_NAME, move_part};
use super::{Error, Room, StagingOptions, marks};
use crate::crash::crash_point;
use crate::model::{Manifest, Nonce};

/// File with the list of parts that an attempt has sealed. No part has this name.
const PARTS_NAME: &str = "_parts";

/// The staging folder of one job, as one of its attempts uses it. Dropping this value leaves the folder in place.
#[derive(Debug)]
pub struct SharedStaging {
    folder: PathBuf,
    /// The folder's path while it is being removed.
    swept: PathBuf,
    out: PathBuf,
    nonce: Nonce,
    options: StagingOptions,
    attempts: Attempts,
}

impl SharedStaging {
    /// Resolves links and `..` in the path of an output, which need not exist; its parent must.
    ///
    /// # Errors
    /// A parent that does not exist; the errors of the system.
    pub fn place(out: &Path) -> Result<PathBuf, Error> {
        Ok(Target::resolve(out)?.path())
    }

    /// Refuses an output that cannot be written, and changes nothing. Returns its path with links and `..` resolved.
    ///
    /// # Errors
    /// As [`super::Staging::create`].
    pub fn check(out: &Path, overwrite: bool) -> Result<PathBuf, Error> {
        let target = Target::resolve(out)?;
        target.check(out, overwrite)?;
        let path = target.path();
        let allowed = access(&target.parent, Access::WRITE_OK | Access::EXEC_OK);
        allowed.map(|()| path).map_err(|errno| Error::NotWritable {
            path: target.parent,
            room: Room::Output,
            source: errno.into(),
        })
    }

    /// Creates the staging folder beside `out`, unless an earlier attempt has created it. If the job syncs, the folder
    /// is on disk when this returns: no later attempt creates it again, so it must survive a power failure.
    ///
    /// # Errors
    /// As [`super::Staging::create`].
    pub fn create(out: &Path, nonce: Nonce, options: StagingOptions) -> Result<Self, Error> {
        Self::check(out, options.overwrite)?;
        let staging = Self::locate(out, nonce, options)?;
        match DirBuilder::new().mode(0o700).create(&staging.folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::write(
                    "create staging folder",
                    &staging.folder,
                    e,
                    Room::Output,
                ));
            }
            _ => {}
        }
        create_folder(&staging.folder.join(ATTEMPTS_NAME))?;
        create_folder(&staging.folder.join(OUTPUT_NAME))?;
        if options.sync {
            sync_folder(&staging.folder)?;
            sync_folder(staging.parent())?;
        }
        Ok(staging)
    }

    /// Finds the staging folder that the plan attempt has created.
    ///
    /// # Errors
    /// [`Error::NotShared`] if the folder is not visible here.
    pub fn open(out: &Path, nonce: Nonce, options: StagingOptions) -> Result<Self, Error> {
        let staging = match Self::locate(out, nonce, options) {
            Err(Error::ParentMissing { path }) => return Err(not_shared(path)),
            located => located?,
        };
        if staging.folder.join(ATTEMPTS_NAME).is_dir() {
            return Ok(staging);
        }
        Err(not_shared(staging.folder))
    }

    /// Locates the staging folder beside `out`, a path in which the submission has resolved links.
    fn locate(out: &Path, nonce: Nonce, options: StagingOptions) -> Result<Self, Error> {
        let target = Target::at(out)?;
        let own = target.parent.join(beside_name(&target.name, nonce));
        let folder = shared_path(&own);
        let attempts = Attempts::at(folder.join(ATTEMPTS_NAME), options.sync);
        Ok(Self { folder, swept: swept_path(&own), out: target.path(), nonce, options, attempts })
    }

    /// Returns the parent of the attempts' folders.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Stores `parts`, the list of parts that the attempt has sealed, in its folder, followed by a checksum. Creates
    /// the folder if the attempt has no part. [`SharedStaging::sealed`] returns these bytes.
    ///
    /// # Errors
    /// A staging folder that has been removed; the system's error.
    pub fn seal(&self, attempt: &str, parts: &[u8]) -> Result<(), Error> {
        let folder = self.attempts.folder(attempt)?;
        let path = folder.join(PARTS_NAME);
        let made = match fs::create_dir(&folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
            _ => Ok(()),
        };
        let written = made.and_then(|()| File::create(&path)).and_then(|mut file| {
            file.write_all(&[parts, &crc32c::crc32c(parts).to_le_bytes()[..]].concat())?;
            if self.options.sync { file.sync_all() } else { Ok(()) }
        });
        written.map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::Abandoned { path: self.folder.clone() },
            _ => Error::write("write list of parts", &path, e, Room::Output),
        })?;
        if self.options.sync {
            sync_folders(&folder)?;
            sync_folder(&self.folder.join(ATTEMPTS_NAME))?;
        }
        Ok(())
    }

    /// The folder that contains the output and its staging folder.
    fn parent(&self) -> &Path {
        self.out.parent().unwrap_or(Path::new("/"))
    }

    /// Returns the path of the list of parts that an attempt has sealed.
    ///
    /// # Errors
    /// A name that is not a file name.
    pub fn list_path(&self, attempt: &str) -> Result<PathBuf, Error> {
        Ok(self.attempts.folder(attempt)?.join(PARTS_NAME))
    }

    /// Returns the list that an attempt has stored with [`SharedStaging::seal`].
    ///
    /// # Errors
    /// An attempt that has stored no list; [`Error::StagedDamaged`] if the list does not match its checksum; the
    /// system's error.
    pub fn sealed(&self, attempt: &str) -> Result<Vec<u8>, Error> {
        let path = self.list_path(attempt)?;
        let mut bytes = fs::read(&path).map_err(|e| Error::io("read list of parts", &path, e))?;
        let is_whole = bytes
            .split_last_chunk()
            .is_some_and(|(parts, checksum)| crc32c::crc32c(parts).to_le_bytes() == *checksum);
        if !is_whole {
            let what = "the list of an attempt's parts does not match its checksum".into();
            return Err(Error::StagedDamaged { path, what });
        }
        bytes.truncate(bytes.len() - size_of::<u32>());
        Ok(bytes)
    }

    /// Moves the sealed parts of the winners into the output, completes it with `manifest`, which holds the nonce, and
    /// moves it to `out` with one rename. Then removes the staging folder.
    ///
    /// Any number of processes may try, in turn or at the same time: each continues where another was killed, and
    /// none undoes what another has done.
    ///
    /// # Errors
    /// As [`super::Staging::accept`] and [`super::Staging::publish`]; [`Error::Abandoned`] if the folder no longer
    /// exists. Then [`SharedStaging::published`] shows whether another process has published.
    pub fn publish(
        &self,
        winners: &[(String, Vec<SealedPart>)],
        manifest: &[u8],
    ) -> Result<(), Error> {
        // Held until the end: replacing exchanges the new output with the old one, and a second exchange would restore
        // the old one.
        let _lock = self.lock()?;
        if Self::published(&self.out, self.nonce).is_none() {
            for (attempt, parts) in winners {
                crash_point!("l11");
                self.accept(attempt, parts)?;
            }
            let output = self.folder.join(OUTPUT_NAME);
            write_marks(&output, manifest, self.options.sync)?;
            replace(&output, &self.out, self.options, manifest)?;
            crash_point!("l13");
        }
        if self.options.sync {
            sync_folder(self.parent())?;
        }
        // The output is complete. An attempt that was killed may have left a remainder of the previous output.
        let _removed_or_left = remove_folder(&replaced_path(&self.folder));
        self.remove()
    }

    /// Returns the manifest of `out`, if the job with this nonce has published it.
    pub fn published(out: &Path, nonce: Nonce) -> Option<Manifest> {
        let bytes = marks::read(out, marks::MANIFEST_NAME).ok().flatten()?;
        let manifest = marks::parse(&bytes).ok()?;
        (manifest.nonce == Some(nonce) && marks::is_published(out, &bytes)).then_some(manifest)
    }

    /// Removes the staging folder, if there is one.
    ///
    /// # Errors
    /// The system's error.
    pub fn sweep(out: &Path, nonce: Nonce) -> Result<(), Error> {
        match Self::locate(out, nonce, StagingOptions::default()) {
            Err(Error::ParentMissing { .. }) => Ok(()),
            located => located?.remove(),
        }
    }

    /// Locks the staging folder, which makes every later commit wait for this one.
    fn lock(&self) -> Result<File, Error> {
        let failed = |e: io::Error| match e.kind() {
            ErrorKind::NotFound => Error::Abandoned { path: self.folder.clone() },
            _ => Error::write("lock staging folder", &self.folder, e, Room::Output),
        };
        let lock = open_lock(&self.folder).map_err(failed)?;
        match lock.lock() {
            // On a file system without locks, a commit still detects that the output is already published, though maybe
            // later.
            Err(e) if e.kind() != ErrorKind::Unsupported => return Err(failed(e)),
            _ => {}
        }
        match is_still_there(&lock, &self.folder).map_err(failed)? {
            true => Ok(lock),
            false => Err(Error::Abandoned { path: self.folder.clone() }),
        }
    }

    fn accept(&self, attempt: &str, parts: &[SealedPart]) -> Result<(), Error> {
        let (from, to) = (self.attempts.folder(attempt)?, self.folder.join(OUTPUT_NAME));
        for part in parts {
            check_part_name(&part.name)?;
            if let Some((folder, _)) = part.name.split_once('/') {
                create_folder(&to.join(folder))?;
            }
            move_part(&from.join(&part.name), &to.join(&part.name), part)?;
        }
        Ok(())
    }

    fn remove(&self) -> Result<(), Error> {
        let failed = |e| Error::io("remove staging folder", &self.folder, e);
        remove_folder(&self.swept).map_err(failed)?;
        match fs::rename(&self.folder, &self.swept) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(failed(e)),
            Ok(()) => {
                crash_point!("l14");
                remove_folder(&self.swept).map_err(failed)
            }
        }
    }
}

fn not_shared(path: PathBuf) -> Error {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Error::NotShared { path, host: host.trim().to_owned() }
}
