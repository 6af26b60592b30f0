//! Folders that belong to one run. The run removes them. If the run was killed, a later run removes
//! them, because their lock is then free.
//!
//! The lock is a file in the folder, held by flock(2). The run that owns a folder and a run that
//! sweeps it follow a protocol. It ensures that no folder in use is swept, and that a sweeper
//! removes only what it has locked.
//!
//! The owner creates the folder, locks `lock` in it, and checks that the locked file is still in
//! place; if not, it starts over. A sweeper locks `lock` (and creates it if the owner did not get
//! that far), checks that the locked file is still in place, renames the folder to `….swept`, and
//! only then removes it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Lack;
use super::is_shortage;
use crate::model::Nonce;

const LOCK_NAME: &str = "lock";
const SWEPT_SUFFIX: &str = ".swept";
/// Suffix of the staging folder that processes share. It tells other runs that the folder is not a leftover of a
/// killed run.
const SHARED_SUFFIX: &str = ".job";
/// Suffix that turns the name of a staging folder into that of an old output that waits to be removed: see
/// `publish.rs`.
const REPLACED_SUFFIX: &str = ".replaced";
/// Separator between the name of an output and a nonce, and prefix of the nonce of a scratch folder.
const MARK: &str = "gristmill-";
const NONCE_DIGITS: usize = 32;

/// Bytes that [`beside_name`] and sweeping add to the name of an output.
pub(super) const NAME_BYTES_ADDED: usize = 2 + MARK.len() + NONCE_DIGITS + REPLACED_SUFFIX.len();

/// Maximum number of tries to create and lock a folder. A try fails if another run starts at that moment and sweeps the
/// folder.
const CREATE_TRIES_MAX: usize = 16;

/// Maximum number of tries to remove a folder. A try fails if another thread is still writing. Each round removes the
/// folders that writers need, so a few rounds suffice.
const REMOVE_TRIES_MAX: usize = 64;

/// Returns the name of the staging folder of an output called `name`.
pub(super) fn beside_name(name: &OsStr, nonce: Nonce) -> OsString {
    let mut beside = beside_prefix(name);
    beside.push(nonce.to_string());
    beside
}

/// Returns the prefix of the names of all staging folders of an output called `name`.
pub(super) fn beside_prefix(name: &OsStr) -> OsString {
    OsString::from_vec([b".", name.as_bytes(), b".", MARK.as_bytes()].concat())
}

/// Returns the path of the staging folder that processes share, from the path of one run's own staging folder.
pub(super) fn shared_path(staging: &Path) -> PathBuf {
    with_suffix(staging, SHARED_SUFFIX)
}

/// Returns the path of a staging folder while it is being removed.
pub(super) fn swept_path(staging: &Path) -> PathBuf {
    with_suffix(staging, SWEPT_SUFFIX)
}

/// Returns the name of a scratch folder.
pub(super) fn scratch_name(nonce: Nonce) -> OsString {
    format!("{MARK}{nonce}").into()
}

/// Returns the prefix of the names of all scratch folders.
pub(super) fn scratch_prefix() -> OsString {
    MARK.into()
}

/// Returns the path of an old output that waits to be removed while the new one takes its place. It is outside the
/// staging folder, so that no sweep removes it before the new output exists.
pub(super) fn replaced_path(staging: &Path) -> PathBuf {
    let bytes = staging.as_os_str().as_bytes();
    let own = bytes.strip_suffix(SHARED_SUFFIX.as_bytes()).unwrap_or(bytes);
    with_suffix(Path::new(OsStr::from_bytes(own)), REPLACED_SUFFIX)
}

/// A private folder (mode 0700) with a lock, removed when dropped.
#[derive(Debug)]
pub(super) struct OwnedFolder {
    path: PathBuf,
    /// Released early only if the process has no descriptor left.
    lock: Mutex<Option<File>>,
    /// Held while something is being published from here, to prevent removal.
    state: Mutex<State>,
}

/// Whether an owned folder is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Live,
    Removed,
}

impl OwnedFolder {
    /// Creates and locks `path`, which must not exist but whose parent must.
    pub(super) fn create(path: PathBuf) -> io::Result<Arc<Self>> {
        for _ in 0..CREATE_TRIES_MAX {
            DirBuilder::new().mode(0o700).create(&path)?;
            let locked = lock_own(&path).map_err(|error| {
                // The disk is most likely full. The folder is either still here and empty, or taken by a sweeper.
                let error = Lack::mark(error, &path);
                let _removed_or_swept = fs::remove_dir(&path);
                error
            });
            if let Some(lock) = locked? {
                let lock = Mutex::new(Some(lock));
                return Ok(Arc::new(Self { path, lock, state: Mutex::new(State::Live) }));
            }
        }
        Err(io::Error::new(
            ErrorKind::ResourceBusy,
            "other runs removed the new folder at each try",
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the state until the guard is dropped.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was locked leaves a valid value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the folder and everything in it once the state is unlocked. Does nothing the second time.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.remove_locked(&mut self.state())
    }

    /// Like [`OwnedFolder::remove`], for a caller that has locked the state.
    pub(super) fn remove_locked(&self, state: &mut State) -> io::Result<()> {
        if *state == State::Live {
            *state = State::Removed;
            let removed = remove_folder(&self.path);
            if !removed.as_ref().is_err_and(is_shortage) {
                return removed;
            }
            // Removing a folder takes a descriptor for each level. Closing the lock frees one, enough to remove one
            // level at a time.
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
            return match remove_level_by_level(&self.path) {
                // Without the lock, a sweep may have removed it.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                removed => removed,
            };
        }
        Ok(())
    }

    /// Removes the folders beside this one that are called `prefix` and a nonce, belong to the same user, and are not
    /// locked: their run was killed. Folders that cannot be removed stay for the next run. `out` is the output to which
    /// the staging folders belong, if any.
    pub(super) fn sweep_siblings(&self, prefix: &OsStr, out: Option<&Path>) {
        if let Some(parent) = self.path.parent() {
            sweep_left(parent, prefix, Some(&self.path), out);
        }
    }
}

/// Removes the folders of killed runs in `parent`, except `own`, like [`OwnedFolder::sweep_siblings`].
pub(super) fn sweep_left(parent: &Path, prefix: &OsStr, own: Option<&Path>, out: Option<&Path>) {
    let user = rustix::process::geteuid().as_raw();
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let Some(sibling) = sibling(&entry.file_name(), prefix) else { continue };
        let path = entry.path();
        if own == Some(path.as_path()) {
            continue;
        }
        if !entry.metadata().is_ok_and(|facts| facts.is_dir() && facts.uid() == user) {
            continue;
        }
        // Ignore a failure: this run does not depend on it, and the next run tries again.
        let _swept_or_left = match sibling {
            Sibling::Folder => sweep(&path),
            Sibling::Swept => remove_folder(&path),
            // Without an output, the replaced one may be the only copy.
            Sibling::Replaced if out.is_some_and(Path::exists) => remove_folder(&path),
            Sibling::Replaced => Ok(()),
        };
    }
}

impl Drop for OwnedFolder {
    fn drop(&mut self) {
        // A later run sweeps a folder that cannot be removed now.
        let _removed_or_left = self.remove();
    }
}

/// Removes a run's staging or scratch folder from any thread, such as the one that handles Ctrl-C.
///
/// Cheap to clone. Removal waits for a publication in progress, and keeps its result. Afterwards every write of the run
/// fails.
#[derive(Debug, Clone)]
pub struct Cleanup(pub(super) Arc<OwnedFolder>);

impl Cleanup {
    /// Removes the folder and everything in it. Does nothing the second time.
    ///
    /// # Errors
    /// The system's error. The next run with the same output or scratch folder sweeps what is left.
    pub fn run(&self) -> Result<(), super::Error> {
        self.0.remove().map_err(|e| super::Error::io("remove folder", self.0.path(), e))
    }
}

enum Sibling {
    Folder,
    Swept,
    Replaced,
}

fn sibling(name: &OsStr, prefix: &OsStr) -> Option<Sibling> {
    let rest = name.as_bytes().strip_prefix(prefix.as_bytes())?;
    let (nonce, rest) = rest.split_at_checked(NONCE_DIGITS)?;
    let is_nonce = str::from_utf8(nonce).is_ok_and(|nonce| nonce.parse::<Nonce>().is_ok());
    match rest {
        _ if !is_nonce => None,
        b"" => Some(Sibling::Folder),
        rest if rest == SWEPT_SUFFIX.as_bytes() => Some(Sibling::Swept),
        rest if rest == REPLACED_SUFFIX.as_bytes() => Some(Sibling::Replaced),
        _ => None,
    }
}

/// Locks the new folder; `None` if a sweeper has moved it first.
fn lock_own(folder: &Path) -> io::Result<Option<File>> {
    let lock = match open_lock(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match lock.lock() {
        // On a file system without locks, a sweeper cannot lock anything either, so it leaves all folders alone.
        Err(e) if !matches!(e.kind(), ErrorKind::Unsupported) => Err(e),
        _ => Ok(is_still_there(&lock, folder)?.then_some(lock)),
    }
}

fn sweep(folder: &Path) -> io::Result<()> {
    let lock = open_lock(folder)?;
    lock.try_lock()?;
    if !is_still_there(&lock, folder)? {
        return Ok(());
    }
    let swept = with_suffix(folder, SWEPT_SUFFIX);
    remove_folder(&swept)?;
    fs::rename(folder, &swept)?;
    remove_folder(&swept)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn open_lock(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOFOLLOW)
        .open(folder.join(LOCK_NAME))
}

pub(super) fn is_still_there(lock: &File, folder: &Path) -> io::Result<bool> {
    let held = lock.metadata()?;
    match fs::symlink_metadata(folder.join(LOCK_NAME)) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Removes a folder and everything in it, with a single descriptor.
fn remove_level_by_level(folder: &Path) -> io::Result<()> {
    let inspect = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.path(), entry.file_type()?.is_dir()))
    };
    // The folder is closed again once all names are known.
    let entries = fs::read_dir(folder)?.map(inspect).collect::<io::Result<Vec<_>>>()?;
    for (path, is_folder) in entries {
        if is_folder { remove_level_by_level(&path)? } else { fs::remove_file(path)? }
    }
    fs::remove_dir(folder)
}

/// Removes a folder and everything in it, while others may still be writing to it. Succeeds if it does not exist.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..REMOVE_TRIES_MAX {
        result = fs::remove_dir_all(path);
        match &result {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => {}
            _ => break,
        }
    }
    result
}
