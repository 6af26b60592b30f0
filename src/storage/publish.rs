//! The last steps of an output: its marks, its fsyncs, and the one rename that makes it visible.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::marks::{self, MANIFEST_NAME, SUCCESS_NAME, success_line};
use super::output::{State, state};
use super::owned::{remove_folder, replaced_path};
use super::{Error, Room};
use crate::crash::crash_point;

/// Writes `_MANIFEST.json` and then `_SUCCESS`; with `sync` all that `output` holds is on disk when this returns,
/// and `_SUCCESS` never before the rest.
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

/// Has on disk which files a folder of parts and the folders in it hold.
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

/// Makes the folder `output` be `out`.
///
/// A plain rename of a folder is all that is needed where nothing is to be replaced: rename(2) puts a folder only
/// where there is nothing or an empty folder, on every file system, so that `RENAME_NOREPLACE` (which some lack, and
/// which minds an empty folder) would add nothing. An earlier output is exchanged for the new one, after which
/// `output` is the old one.
pub(super) fn replace(
    output: &Path,
    out: &Path,
    overwrite: bool,
    manifest: &[u8],
) -> Result<(), Error> {
    let refused = match fs::rename(output, out) {
        Ok(()) => return Ok(()),
        Err(e) => e,
    };
    match refused.kind() {
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {}
        // A server may have done it and its answer been lost, so that the repeated call finds nothing to move.
        ErrorKind::NotFound if marks::is_published(out, manifest) => return Ok(()),
        _ => return Err(Error::write("publish output", out, refused, Room::Output)),
    }
    match state(out).map_err(|e| Error::io("look at output", out, e))? {
        State::Ours if overwrite => {
            exchange(output, out).map_err(|e| Error::write("replace output", out, e, Room::Output))
        }
        found if overwrite && found == State::Foreign => {
            Err(Error::OutputForeign { path: out.to_path_buf() })
        }
        found => Err(Error::OutputExists { path: out.to_path_buf(), ours: found == State::Ours }),
    }
}

fn exchange(output: &Path, out: &Path) -> io::Result<()> {
    match renameat_with(CWD, output, CWD, out, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => exchange_in_two_steps(output, out),
        done => Ok(done?),
    }
}

/// For file systems that cannot exchange (NFS, some of FUSE). Between the two renames there is no output at `out`; a
/// run that is killed just then leaves the old one beside it as `.<name>.gristmill-<nonce>.replaced`, which is swept
/// only once there is an output again.
fn exchange_in_two_steps(output: &Path, out: &Path) -> io::Result<()> {
    let replaced = replaced_path(output.parent().unwrap_or(output));
    fs::rename(out, &replaced)?;
    fs::rename(output, out).inspect_err(|_| {
        // The first failure is the one to report. What cannot be put back stays where it is.
        let _restored_or_left = fs::rename(&replaced, out);
    })?;
    // The new output is in place; what stays of the old one is swept by the next run.
    let _removed_or_left = remove_folder(&replaced);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_folders_cannot_be_exchanged_two_renames_do_it() {
        let root = tempfile::tempdir().unwrap();
        let (staging, out) = (root.path().join("staging"), root.path().join("out"));
        let output = staging.join("output");
        fs::create_dir(&staging).unwrap();
        for folder in [&output, &out] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("was"), folder.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        exchange_in_two_steps(&output, &out).unwrap();
        assert_eq!(fs::read(out.join("was")).unwrap(), b"output");
        assert!(!replaced_path(&staging).exists());

        // The new output is gone: the old one is put back.
        exchange_in_two_steps(&output, &out).unwrap_err();
        assert_eq!(fs::read(out.join("was")).unwrap(), b"output");
    }
}
