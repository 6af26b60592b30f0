//! Refuses jobs that would read their own output, or replace their input.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::entry::is_hidden;
use super::output::Target;
use super::{Error, Listing};

/// Refuses an output that is an input, that lies in an input folder, or that contains an input.
/// Links are resolved on both sides. An output below a name that begins with `.` or `_` is not read, and is therefore
/// accepted.
///
/// # Errors
/// [`Error::InputIsOutput`], [`Error::OutputInsideInput`] or [`Error::InputInsideOutput`], or the system's error.
pub fn refuse_overlap(listing: &Listing, out: &Path) -> Result<(), Error> {
    let target = Target::resolve(out)?.path();
    for folder in &listing.folders {
        let real = fs::canonicalize(folder).map_err(|e| Error::io("inspect input", folder, e))?;
        let Ok(below) = target.strip_prefix(&real) else { continue };
        let (input, output) = (folder.clone(), out.to_path_buf());
        if below.as_os_str().is_empty() {
            return Err(Error::InputIsOutput { input, output });
        }
        if !below.iter().any(|name| is_hidden(name.as_bytes())) {
            return Err(Error::OutputInsideInput { input, output });
        }
    }
    if fs::symlink_metadata(&target).is_err() {
        return Ok(());
    }
    for file in &listing.files {
        let real =
            fs::canonicalize(&file.path).map_err(|e| Error::io("inspect input", &file.path, e))?;
        if let Ok(below) = real.strip_prefix(&target) {
            let (input, output) = (file.path.clone(), out.to_path_buf());
            return Err(match below.as_os_str().is_empty() {
                true => Error::InputIsOutput { input, output },
                false => Error::InputInsideOutput { input, output },
            });
        }
    }
    Ok(())
}
