//! Creates files and folders that only their owner can read, whatever the umask.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The mode of a private folder, and of a private file.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Creates a private file, which must not exist yet.
///
/// # Errors
/// The system's error.
pub fn create_new_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Creates a private file, or empties an existing one.
///
/// # Errors
/// The system's error.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// Creates a private folder, which must not exist yet.
///
/// # Errors
/// The system's error.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)
}

/// Creates a private folder and its parents, unless they exist.
///
/// # Errors
/// The system's error.
pub fn make_private_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn private_files_are_closed_to_other_users() {
        let root = tempfile::tempdir().unwrap();
        let (folder, file) = (root.path().join("a/b"), root.path().join("a/b/file"));
        make_private_folders(&folder).unwrap();
        make_private_folders(&folder).unwrap();
        make_private_folder(&folder.join("c")).unwrap();
        create_new_private(&file).unwrap();
        create_private(&file).unwrap();
        assert!(create_new_private(&file).is_err());
        for path in [folder.parent().unwrap(), &folder, &folder.join("c"), &file] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
    }
}
