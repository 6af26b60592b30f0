//! Collects a run's output in a hidden folder, and publishes it in one step.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::attempt::{AttemptFolder, Attempts, create_folder};
use super::output::Target;
use super::owned::{Cleanup, OwnedFolder, State, beside_name, beside_prefix};
use super::part::{SealedPart, check_attempt_name, check_part_name};
use super::publish::{self, StagingOptions, write_marks};
use super::{Error, Room, marks};
use crate::model::Nonce;

pub(super) const ATTEMPTS_NAME: &str = "attempts";
pub(super) const OUTPUT_NAME: &str = "output";

/// The output of one run while it is being made. Dropping it before [`Staging::publish`] leaves nothing behind.
#[derive(Debug)]
pub struct Staging {
    folder: Arc<OwnedFolder>,
    attempts: Attempts,
    out: PathBuf,
    options: StagingOptions,
    /// Set permanently by the first fsync that fails.
    sync_failed: AtomicBool,
}

impl Staging {
    /// Creates the staging folder beside `out`, and sweeps staging folders of killed runs with the same output. `nonce`
    /// tells runs apart and must be random.
    ///
    /// # Errors
    /// Everything that can be checked before any work: `out` holds something (with `overwrite`, something that
    /// gristmill did not write), is `/`, a mount point or the current folder, or is a broken link; its parent does
    /// not exist or cannot be written to.
    pub fn create(out: &Path, nonce: Nonce, options: StagingOptions) -> Result<Self, Error> {
        let target = Target::resolve(out)?;
        target.check(out, options.overwrite)?;
        let path = target.parent.join(beside_name(&target.name, nonce));
        let folder = OwnedFolder::create(path).map_err(|e| match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Error::write("", &target.path(), e, Room::Output)
            }
            _ => Error::NotWritable { path: target.parent.clone(), room: Room::Output, source: e },
        })?;
        let attempts = folder.path().join(ATTEMPTS_NAME);
        create_folder(&attempts)?;
        create_folder(&folder.path().join(OUTPUT_NAME))?;
        folder.sweep_siblings(&beside_prefix(&target.name), Some(&target.path()));
        let attempts = Attempts::at(attempts, options.sync);
        let sync_failed = AtomicBool::new(false);
        Ok(Self { folder, attempts, out: target.path(), options, sync_failed })
    }

    /// The place of the output, with links and `..` resolved.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The staging folder: on the output's file system, private, removed with the run.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Parent of the attempts' folders.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Names the folder of an attempt, like [`Attempts::create`].
    ///
    /// # Errors
    /// A name that is not a file name.
    pub fn attempt(&self, name: &str) -> Result<AttemptFolder, Error> {
        self.attempts.create(name)
    }

    /// Moves the sealed `parts` of the winning `attempt` into the output, and removes the rest of the attempt's
    /// folder. Repeating the call has no further effect.
    ///
    /// # Errors
    /// A part with the name of another attempt's part; a missing part; a run that has ended; the system's error.
    pub fn accept(&self, attempt: &str, parts: &[SealedPart]) -> Result<(), Error> {
        check_attempt_name(attempt)?;
        let state = self.folder.state();
        self.refuse_if_removed(*state)?;
        let from = self.folder.path().join(ATTEMPTS_NAME).join(attempt);
        let to = self.folder.path().join(OUTPUT_NAME);
        for part in parts {
            check_part_name(&part.name)?;
            if let Some((folder, _)) = part.name.split_once('/') {
                create_folder(&to.join(folder))?;
            }
            move_part(&from.join(&part.name), &to.join(&part.name), part)?;
        }
        match fs::remove_dir_all(&from) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove attempt's folder", &from, e))
            }
            _ => Ok(()),
        }
    }

    /// Opens an accepted part, to read it before or instead of publishing it.
    ///
    /// # Errors
    /// The system's error.
    pub fn open_accepted(&self, part: &str) -> std::io::Result<File> {
        File::open(self.folder.path().join(OUTPUT_NAME).join(part))
    }

    /// Completes the output: writes `manifest` as `_MANIFEST.json`, then `_SUCCESS`, and moves it to `out` with one
    /// rename. An output to be replaced stays until then. Repeating the call with the same manifest has no further
    /// effect.
    ///
    /// # Errors
    /// Something else appeared at `out`; a run that has ended; the system's error. Nothing is visible then, with one
    /// exception: if the run syncs and only the last fsync, of the parent folder, fails, the whole output is visible
    /// but may not survive a power failure.
    pub fn publish(&self, manifest: &[u8]) -> Result<(), Error> {
        let mut state = self.folder.state();
        if self.sync_failed.load(Ordering::Relaxed) {
            return Err(Error::SyncFailedBefore { path: self.out.clone() });
        }
        let output = self.folder.path().join(OUTPUT_NAME);
        if *state == State::Removed || !output.is_dir() {
            if marks::is_published(&self.out, manifest) {
                return Ok(());
            }
            return Err(Error::Abandoned { path: self.folder.path().to_path_buf() });
        }
        write_marks(&output, manifest, self.options.sync).map_err(|e| self.latch(e))?;
        publish::replace(&output, &self.out, self.options, manifest)?;
        if self.options.sync {
            let parent = self.out.parent().unwrap_or(Path::new("/"));
            let synced = File::open(parent).and_then(|folder| folder.sync_all());
            synced.map_err(|e| self.latch(Error::io("sync folder", parent, e)))?;
        }
        // The output is complete. The next run with this output sweeps what is left of staging.
        let _removed_or_left = self.folder.remove_locked(&mut state);
        Ok(())
    }

    /// Returns a handle that removes the staging folder from another thread.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup(Arc::clone(&self.folder))
    }

    fn refuse_if_removed(&self, state: State) -> Result<(), Error> {
        match state {
            State::Live => Ok(()),
            State::Removed => Err(Error::Abandoned { path: self.folder.path().to_path_buf() }),
        }
    }

    fn latch(&self, error: Error) -> Error {
        if self.options.sync {
            self.sync_failed.store(true, Ordering::Relaxed);
        }
        error
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Handles may outlive this value, but the folder must not. The next run sweeps what cannot be removed.
        let _removed_or_left = self.folder.remove();
    }
}

/// Moves a sealed part into the output. Succeeds if an earlier call has moved it.
///
/// On file systems whose locks do not reach other machines, another commit may move the same part at the same time.
/// Parts only move from `from` to `to`. Therefore checking `to` first never finds a moved part in both places.
pub(super) fn move_part(from: &Path, to: &Path, part: &SealedPart) -> Result<(), Error> {
    let look = |path: &Path| match fs::symlink_metadata(path) {
        Ok(facts) => Ok(Some(facts.len())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        // A folder in the path is a file: another part has that name.
        Err(e) if e.kind() == ErrorKind::NotADirectory => {
            Err(Error::PartTwice { name: part.name.clone() })
        }
        Err(e) => Err(Error::io("check whether the part exists", path, e)),
    };
    let moved = look(to)?;
    let staged = look(from)?;
    if staged.is_some() && moved.is_some() {
        return Err(Error::PartTwice { name: part.name.clone() });
    }
    match (staged.or(moved), moved) {
        (Some(bytes), _) if bytes != part.bytes => {
            let path = if moved.is_some() { to } else { from }.to_path_buf();
            let what = format!("part has {bytes} bytes instead of {}", part.bytes);
            Err(Error::StagedDamaged { path, what })
        }
        (_, Some(_)) => Ok(()),
        _ => fs::rename(from, to).map_err(|e| Error::write("move part", from, e, Room::Output)),
    }
}
