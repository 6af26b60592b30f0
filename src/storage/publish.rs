//! Publishes an output: writes `_MANIFEST.json` and `_SUCCESS`, syncs the output, and makes it
//! visible with one rename.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::access::Access;
use super::marks::{self, MANIFEST_NAME, SUCCESS_NAME, success_line};
use super::output::state;
use super::owned::{remove_folder, replaced_path};
use super::{Error, Room, contents};
use crate::crash::crash_point;
use crate::model::Manifest;

/// How an output is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StagingOptions {
    /// Replace the output of an earlier run.
    pub overwrite: bool,
    /// Sync parts, manifest and folders (fsync) before they count.
    pub sync: bool,
}

/// Writes `_MANIFEST.json` and then `_SUCCESS`. With `sync`, everything in `output` is on disk when this returns, and
/// `_SUCCESS` reaches the disk last.
pub(super) fn write_marks(output: &Path, manifest: &[u8], sync: bool) -> Result<(), Error> {
    write_mark(&output.join(MANIFEST_NAME), manifest, sync)?;
    if sync {
        sync_folders(output)?;
    }
    crash_point!("l12");
    write_mark(&output.join(SUCCESS_NAME), success_line(manifest).as_bytes(), sync)?;
    if sync { sync_folder(output) } else { Ok(()) }
}

fn write_mark(path: &Path, content: &[u8], sync: bool) -> Result<(), Error> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(content)?;
        if sync { file.sync_all() } else { Ok(()) }
    });
    written.map_err(|e| Error::write("write", path, e, Room::Output))
}

/// Syncs the directory entries of a folder of parts and of its subfolders.
pub(super) fn sync_folders(path: &Path) -> Result<(), Error> {
    let failed = |e| Error::io("read folder", path, e);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            sync_folder(&entry.path())?;
        }
    }
    sync_folder(path)
}

pub(super) fn sync_folder(path: &Path) -> Result<(), Error> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|e| Error::write("sync folder", path, e, Room::Output))
}

/// Moves the folder `output` to `out`.
///
/// If there is nothing to replace, a plain rename suffices: on every file system, rename(2) replaces only nothing or an
/// empty folder. `RENAME_NOREPLACE` (which some lack, and which refuses an empty folder) would add nothing. An earlier
/// output is exchanged for the new one, after which `output` is the old one. A replaced folder, empty or not, passes on
/// its mode, group and owner to the new one.
pub(super) fn replace(
    output: &Path,
    out: &Path,
    options: StagingOptions,
    manifest: &[u8],
) -> Result<(), Error> {
    let kept = Access::of(out).and_then(|mut access| {
        if let Some(access) = &mut access {
            access.give(output)?;
        }
        Ok(access)
    });
    let kept = kept.map_err(|e| Error::io("preserve the permissions of output", out, e))?;
    if options.sync && kept.is_some() && output.is_dir() {
        sync_folder(output)?;
    }
    put(output, out, options.overwrite, manifest)?;
    match kept {
        Some(kept) => {
            kept.complete(out).map_err(|e| Error::io("preserve the permissions of output", out, e))
        }
        None => Ok(()),
    }
}

fn put(output: &Path, out: &Path, overwrite: bool, manifest: &[u8]) -> Result<(), Error> {
    let refused = match fs::rename(output, out) {
        Ok(()) => return Ok(()),
        Err(e) => e,
    };
    match refused.kind() {
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {}
        // A file server may have done the rename although its answer was lost. The client's retry then finds nothing to
        // move.
        ErrorKind::NotFound if marks::is_published(out, manifest) => return Ok(()),
        _ => return Err(Error::write("publish output", out, refused, Room::Output)),
    }
    let found = state(out).map_err(|e| Error::io("inspect output", out, e))?;
    match found.refuse(out, overwrite)? {
        Some(old) => exchange(output, out, &old),
        // The obstacle was removed after the failed rename.
        None => fs::rename(output, out)
            .map_err(|e| Error::write("publish output", out, e, Room::Output)),
    }
}

fn exchange(output: &Path, out: &Path, old: &Manifest) -> Result<(), Error> {
    let failed = |e: io::Error| Error::write("replace output", out, e, Room::Output);
    match renameat_with(CWD, output, CWD, out, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            return exchange_in_two_steps(output, out, old);
        }
        Err(Errno::XDEV) => return replace_in_place(output, out, old),
        Err(errno) => return Err(failed(errno.into())),
    }
    // Something may have been added after the last check. The old folder is out of reach now, so this check is final.
    let others = contents::others(output, old).map_err(failed)?;
    if others.is_empty() {
        return Ok(());
    }
    renameat_with(CWD, output, CWD, out, RenameFlags::EXCHANGE).map_err(|e| failed(e.into()))?;
    Err(Error::OutputHoldsOthers { path: out.to_path_buf(), others })
}

/// Replaces `out` on a file system that cannot exchange folders (NFS, some FUSE file systems). Between the two renames
/// there is no output at `out`. A run that is killed at that moment leaves the old one beside it as
/// `.<name>.gristmill-<nonce>.replaced`, which is swept only once there is an output again.
fn exchange_in_two_steps(output: &Path, out: &Path, old: &Manifest) -> Result<(), Error> {
    let failed = |e: io::Error| Error::write("replace output", out, e, Room::Output);
    let replaced = replaced_path(output.parent().unwrap_or(output));
    match fs::rename(out, &replaced) {
        Err(e) if e.kind() == ErrorKind::CrossesDevices => {
            return replace_in_place(output, out, old);
        }
        moved => moved.map_err(failed)?,
    }
    let restore = || {
        // Report the first failure. An old output that cannot be moved back stays where it is.
        let _restored_or_left = fs::rename(&replaced, out);
    };
    let others = contents::others(&replaced, old).map_err(failed).inspect_err(|_| restore())?;
    if !others.is_empty() {
        restore();
        return Err(Error::OutputHoldsOthers { path: out.to_path_buf(), others });
    }
    fs::rename(output, out).inspect_err(|_| restore()).map_err(failed)?;
    // The new output is in place; the next run sweeps what is left of the old one.
    let _removed_or_left = remove_folder(&replaced);
    Ok(())
}

/// Replaces a folder that cannot be moved although a new one can take its place: one in a lower layer of an overlay, as
/// in containers, or under another project quota. The files of the old output are removed, and then the new one is
/// renamed over the empty folder.
///
/// Between the two there is no complete output at `out`. A repeated commit then finds the rest of the old output,
/// still marked as ours, or an empty folder, and continues.
fn replace_in_place(output: &Path, out: &Path, old: &Manifest) -> Result<(), Error> {
    let others = contents::others(out, old).map_err(|e| Error::io("inspect output", out, e))?;
    if !others.is_empty() {
        return Err(Error::OutputHoldsOthers { path: out.to_path_buf(), others });
    }
    contents::remove_listed(out, old)
        .map_err(|e| Error::write("remove earlier output", out, e, Room::Output))?;
    match fs::rename(output, out) {
        Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => {
            let others = contents::all(out).map_err(|e| Error::io("inspect output", out, e))?;
            Err(Error::OutputHoldsOthers { path: out.to_path_buf(), others })
        }
        done => done.map_err(|e| Error::write("replace output", out, e, Room::Output)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Counters, Part};

    /// Creates a new output and an old one, each with one file.
    fn two(root: &Path) -> (std::path::PathBuf, std::path::PathBuf, Manifest) {
        let (output, out) = (root.join("staging/output"), root.join("out"));
        for folder in [&output, &out] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join("was"), folder.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        let part = Part { name: "was".into(), bytes: 3, records: 1, crc32c: 0 };
        (output, out, Manifest::new("j".into(), "now".into(), vec![part], Counters::new()))
    }

    type Replace = fn(&Path, &Path, &Manifest) -> Result<(), Error>;
    const WAYS: [Replace; 3] = [exchange, exchange_in_two_steps, replace_in_place];

    #[test]
    fn an_old_output_is_replaced_in_every_way() {
        for way in WAYS {
            let root = tempfile::tempdir().unwrap();
            let (output, out, old) = two(root.path());
            way(&output, &out, &old).unwrap();
            assert_eq!(fs::read(out.join("was")).unwrap(), b"output");
            assert!(!replaced_path(output.parent().unwrap()).exists());
        }
    }

    #[test]
    fn files_added_at_the_last_moment_are_kept_in_every_way() {
        for way in WAYS {
            let root = tempfile::tempdir().unwrap();
            let (output, out, old) = two(root.path());
            fs::create_dir(out.join("mine")).unwrap();
            fs::write(out.join("mine/notes"), "mine").unwrap();
            let error = way(&output, &out, &old).unwrap_err().to_string();
            assert!(error.contains(": mine/: "), "{error}");
            assert_eq!(fs::read(out.join("mine/notes")).unwrap(), b"mine");
            assert_eq!(fs::read(output.join("was")).unwrap(), b"output");
        }
    }

    #[test]
    fn an_old_output_is_put_back_if_the_new_one_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let (output, out, old) = two(root.path());
        fs::remove_dir_all(&output).unwrap();
        exchange_in_two_steps(&output, &out, &old).unwrap_err();
        assert_eq!(fs::read(out.join("was")).unwrap(), b"out");
    }
}
