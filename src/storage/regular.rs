//! Opens regular files and refuses everything else, because a path from another process may lead to
//! anything.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a file for reading if it is a regular file. Never waits for the other end of a FIFO, and does not follow a
/// link in the last component of the path.
///
/// # Errors
/// The system's error, or that the path leads to something else.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
        assert!(made.success());
        let _listener = UnixListener::bind(path("socket")).unwrap();
        assert_eq!(io::read_to_string(open_regular(&path("file")).unwrap()).unwrap(), "text");
        // Other kinds of file are refused without waiting.
        let others =
            [path("link"), path("fifo"), path("socket"), folder.path().into(), "/dev/null".into()];
        for other in others {
            assert!(open_regular(&other).is_err(), "{}", other.display());
        }
    }
}
