//! The two files that make a folder an output: `_MANIFEST.json` lists its parts, and `_SUCCESS` shows that it is
//! complete.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::model::Manifest;

pub use crate::model::manifest::FILE_NAME as MANIFEST_NAME;

/// The file that is written last: one line, the checksum of the manifest.
pub const SUCCESS_NAME: &str = "_SUCCESS";

/// Maximum bytes of a manifest that is written or read: enough for a million parts with 200 bytes each, and many
/// counters.
pub const MANIFEST_BYTES_MAX: u64 = 256 << 20;

/// Returns the content of `_SUCCESS` for a manifest: `crc32c 0a1b2c3d _MANIFEST.json`.
pub(super) fn success_line(manifest: &[u8]) -> String {
    format!("crc32c {:08x} {MANIFEST_NAME}\n", crc32c::crc32c(manifest))
}

/// Parses the bytes of a manifest.
pub(super) fn parse(manifest: &[u8]) -> Result<Manifest, serde_json::Error> {
    serde_json::from_slice(manifest)
}

/// Reads one of the two files in `folder`; `None` if it does not exist.
pub(super) fn read(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match open_at_once(&folder.join(name)) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidData, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("larger than {MANIFEST_BYTES_MAX} bytes"),
        ));
    }
    Ok(Some(bytes))
}

/// Opens a file for reading, without waiting if it is a pipe.
pub(super) fn open_at_once(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Returns the manifest in `folder`, if it is one that gristmill wrote.
pub(super) fn manifest(folder: &Path) -> Option<Manifest> {
    parse(&read(folder, MANIFEST_NAME).ok().flatten()?).ok()
}

/// Whether `folder` is the complete output with exactly this manifest.
pub(super) fn is_published(folder: &Path, manifest: &[u8]) -> bool {
    let holds =
        |name, bytes: &[u8]| matches!(read(folder, name), Ok(Some(found)) if found == bytes);
    holds(SUCCESS_NAME, success_line(manifest).as_bytes()) && holds(MANIFEST_NAME, manifest)
}
