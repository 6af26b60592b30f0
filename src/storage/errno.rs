//! Maps each system error to a hint for the user, and tells which errors mean that the machine
//! lacks a resource.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};

/// The errors that can occur with files, folders and executables: number and hint.
const HINTS: &[(i32, &str)] = &[
    (libc::ENOSPC, "free some space on that disk, or choose another folder"),
    (libc::EDQUOT, "remove some of your files on that disk, or ask for a larger disk quota"),
    (libc::EMFILE, "raise the limit on open files per process (ulimit -n)"),
    (libc::ENFILE, "raise the machine's limit on open files (sysctl fs.file-max)"),
    (libc::ENOMEM, "free some memory, or lower --memory"),
    (libc::EAGAIN, "raise the limit on processes and threads (ulimit -u)"),
    (
        libc::EFBIG,
        "raise the limit on file size (ulimit -f), or use more --reducers for smaller parts",
    ),
    (libc::EROFS, "choose a folder on a file system that is not mounted read-only"),
    (libc::EACCES, "ask for permission, or run as a user who has it"),
    (
        libc::EPERM,
        "check the owner, the immutable flag (lsattr) and the limits of the sandbox or container",
    ),
    (
        libc::ENOENT,
        "check the path, and whether another program removes files there while jobs run",
    ),
    (libc::ENOTDIR, "check the path: a part of it is not a folder"),
    (libc::EISDIR, "check the path: it is a folder, not a file"),
    (libc::EEXIST, "remove the existing file or folder, or choose another path"),
    (libc::ENOTEMPTY, "empty the folder, or choose another one"),
    (
        libc::EMLINK,
        "choose a file system that allows more subfolders in a folder, or use fewer parts",
    ),
    (libc::ENAMETOOLONG, "use shorter file and folder names"),
    (libc::ELOOP, "remove the symbolic link that leads back to itself"),
    (libc::EXDEV, "choose a folder that is on the same file system as its parent folder"),
    (
        libc::EBUSY,
        "stop the programs that use this path (fuser -vm), unmount what is mounted there, and run again",
    ),
    (libc::ETXTBSY, "wait until no program writes to the executable, and run again"),
    (libc::ENOEXEC, "build the executable for this machine's operating system and processor"),
    (libc::EIO, "check the disk: the kernel's log (dmesg) may say more"),
    (libc::ENODEV, "check whether the device is still connected"),
    (libc::ENXIO, "check whether the device is still connected"),
    (
        libc::ESTALE,
        "the file server replaced or removed the file: check the network file system, mount it again, and run again",
    ),
    (libc::ETIMEDOUT, "check whether the file server answers, and run again"),
    (libc::EHOSTDOWN, "check whether the file server answers, and run again"),
    (libc::ENOTCONN, "mount the file system again: the program that serves it has ended"),
    (libc::EOPNOTSUPP, "choose another file system: this one does not support the operation"),
    (libc::EINVAL, "choose another file system: this one does not support the operation"),
    (libc::ENOSYS, "choose another file system: this one does not support the operation"),
    (libc::EOVERFLOW, "choose another file system: this one cannot hold a file of this size"),
];

/// Hint for an error that the table does not contain.
const OTHER: &str = "check the path, and run again";

/// Errors that mean that a resource of the process or the machine, not of a disk, is exhausted.
const SHORTAGES: [i32; 5] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::EFBIG];

/// Returns the hint for an error of the system.
pub fn hint(error: &io::Error) -> &'static str {
    let found = number(error).and_then(|n| HINTS.iter().find(|(number, _)| *number == n));
    found.map_or(OTHER, |(_, hint)| hint)
}

/// Whether the process or the machine lacks something, such as descriptors or memory, so that no disk is to blame.
pub fn is_shortage(error: &io::Error) -> bool {
    number(error).is_some_and(|number| SHORTAGES.contains(&number))
}

/// Returns the hint for an executable that cannot be started.
pub fn executable_hint(path: &Path, error: &io::Error) -> &'static str {
    if number(error) != Some(libc::EACCES) {
        return hint(error);
    }
    let mode = path.metadata().map_or(0o111, |facts| facts.permissions().mode());
    match () {
        () if path.is_dir() => "name an executable file, not a folder",
        () if mode & 0o111 == 0 => "make it executable (chmod +x)",
        () if is_noexec(path) => "copy it to a file system that is mounted without noexec",
        () => hint(error),
    }
}

/// Whether the file system of a path is mounted with `noexec`.
pub fn is_noexec(path: &Path) -> bool {
    statvfs(path).is_ok_and(|facts| facts.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Returns the error's number, or the number for its kind if it has none.
fn number(error: &io::Error) -> Option<i32> {
    let of_kind = || match error.kind() {
        ErrorKind::StorageFull => Some(libc::ENOSPC),
        ErrorKind::QuotaExceeded => Some(libc::EDQUOT),
        ErrorKind::OutOfMemory => Some(libc::ENOMEM),
        ErrorKind::FileTooLarge => Some(libc::EFBIG),
        ErrorKind::ReadOnlyFilesystem => Some(libc::EROFS),
        ErrorKind::PermissionDenied => Some(libc::EACCES),
        ErrorKind::NotFound => Some(libc::ENOENT),
        ErrorKind::TimedOut => Some(libc::ETIMEDOUT),
        _ => None,
    };
    error.raw_os_error().or_else(of_kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_error_has_one_hint_that_names_its_remedy() {
        let numbers: BTreeSet<i32> = HINTS.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), HINTS.len(), "an error stands in the table twice");
        for (number, remedy) in [
            (libc::ENOSPC, "space"),
            (libc::EDQUOT, "quota"),
            (libc::EMFILE, "ulimit -n"),
            (libc::ENFILE, "fs.file-max"),
            (libc::ENOMEM, "--memory"),
            (libc::EAGAIN, "ulimit -u"),
            (libc::EFBIG, "ulimit -f"),
            (libc::EROFS, "read-only"),
            (libc::EACCES, "permission"),
            (libc::EPERM, "lsattr"),
            (libc::EMLINK, "more subfolders"),
            (libc::ENAMETOOLONG, "shorter"),
            (libc::ELOOP, "symbolic link"),
            (libc::EXDEV, "the same file system"),
            (libc::EBUSY, "fuser"),
            (libc::ENOEXEC, "build"),
            (libc::EIO, "dmesg"),
            (libc::ESTALE, "mount it again"),
            (libc::ENOTCONN, "mount the file system again"),
            (libc::EDOM, OTHER),
        ] {
            let found = hint(&io::Error::from_raw_os_error(number));
            assert!(found.contains(remedy), "{number}: {found}");
        }
        assert_eq!(hint(&ErrorKind::StorageFull.into()), HINTS[0].1);
    }

    #[test]
    fn shortages_of_a_process_are_told_from_faults_of_a_disk() {
        let is_shortage = |number| is_shortage(&io::Error::from_raw_os_error(number));
        for number in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::EFBIG] {
            assert!(is_shortage(number), "{number}");
        }
        for number in [libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::EROFS, libc::ESTALE] {
            assert!(!is_shortage(number), "{number}");
        }
    }

    #[test]
    fn executables_that_may_not_run_say_what_they_lack() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job");
        std::fs::write(&file, "").unwrap();
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        assert_eq!(executable_hint(&file, &denied), "make it executable (chmod +x)");
        assert_eq!(
            executable_hint(folder.path(), &denied),
            "name an executable file, not a folder"
        );
        // Most systems mount /proc with noexec.
        let proc = executable_hint(Path::new("/proc/self/environ"), &denied);
        assert!(proc.contains("chmod") || proc.contains("noexec"), "{proc}");
        let foreign = io::Error::from_raw_os_error(libc::ENOEXEC);
        assert!(executable_hint(&file, &foreign).contains("processor"));
    }
}
