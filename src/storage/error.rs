//! Errors of files and folders. Each message says what is wrong, where, and what to do. The fields of each variant hold
//! the values in its message, such as the path.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::errno::{hint, is_shortage};
use super::space::{Lack, free_bytes};
use super::url;
use crate::model::{About, TEXT_CHARS_MAX, escape, size};

/// Error of listing, reading, writing or publishing files.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message and the field names of each variant document it")]
pub enum Error {
    /// A named input does not exist.
    #[error("input does not exist: {}\nhint: check the spelling", display_path(.path))]
    InputMissing { path: PathBuf },
    /// A named input is a URL.
    #[error("input is a URL, but only files can be read: {}\nhint: {}", display_path(.path), url::hint(.path))]
    InputIsUrl { path: PathBuf },
    /// The target of a symbolic link among the inputs does not exist.
    #[error("symbolic link leads to nothing: {} -> {}\nhint: fix or remove the link", display_path(.path), display_path(.target))]
    LinkBroken { path: PathBuf, target: PathBuf },
    /// A symbolic link (or a mount) leads back into a folder that holds it.
    #[error("links form a loop: {} -> {}\nhint: remove the link, or name other folders", display_path(.path), display_path(.target))]
    LinkLoop { path: PathBuf, target: PathBuf },
    /// A pattern matched no file; `names_seen` names were compared with it.
    #[error(
        "pattern matches no file (names compared: {names_seen}): {}\nhint: check the pattern (names \
         that begin with . or _ are skipped)",
        display_path(.pattern)
    )]
    NoMatch { pattern: PathBuf, names_seen: u64 },
    /// The braces of a pattern stand for too many patterns.
    #[error("braces of a pattern expand to more than {alternatives_max} patterns: {}\nhint: name a folder \
             instead", display_path(.pattern))]
    PatternTooWide { pattern: PathBuf, alternatives_max: usize },
    /// A named input is not a file; `kind` says what it is.
    #[error("input is {kind}, not a file: {}\nhint: copy it to a file first, or pipe it in and \
             give `-` as input", display_path(.path))]
    SpecialFile { path: PathBuf, kind: &'static str },
    /// A file reports that it is empty but contains data, like files in /proc, so it cannot be split by size.
    #[error("input reports size 0 but contains data: {}\nhint: copy it to a file first, or pipe it in and \
             give `-` as input", display_path(.path))]
    SizeUnknown { path: PathBuf },
    /// The inputs contain more files than one job accepts.
    #[error("inputs name more than {files_max} files; the first file beyond this limit: {}\nhint: \
             name fewer files, or combine them", display_path(.path))]
    TooManyFiles { path: PathBuf, files_max: usize },
    /// A file has changed since it was listed; `change` describes how.
    #[error("input changed: {change}: {}\nhint: run again when nothing writes to it", display_path(.path))]
    InputChanged { path: PathBuf, change: String },

    /// The output is one of the inputs.
    #[error("input and output are the same: {} and {}\nhint: choose another output", display_path(.input), display_path(.output))]
    InputIsOutput { input: PathBuf, output: PathBuf },
    /// The output would lie in a folder that is read.
    #[error("output lies inside an input: {} is inside {}\nhint: choose an output outside the input", display_path(.output), display_path(.input))]
    OutputInsideInput { input: PathBuf, output: PathBuf },
    /// An input lies in the folder that would be replaced.
    #[error("input lies inside the output: {} is inside {}\nhint: choose another output", display_path(.input), display_path(.output))]
    InputInsideOutput { input: PathBuf, output: PathBuf },

    /// The output of an earlier run exists, and must not be replaced.
    #[error("output already exists: {}\nhint: choose another, remove it, or replace it with \
             --overwrite", display_path(.path))]
    OutputExists { path: PathBuf },
    /// The output is a folder that holds something other than an output of gristmill.
    #[error("output folder is not empty: it holds {holds}: {}\nhint: choose another, or empty it", display_path(.path))]
    OutputNotEmpty { path: PathBuf, holds: Held },
    /// The output is not a folder.
    #[error("output exists and is not a folder: {}\nhint: choose another output, or remove this one", display_path(.path))]
    OutputNotFolder { path: PathBuf },
    /// The output must be replaced, but was not written by gristmill.
    #[error(
        "output folder was not written by gristmill, so --overwrite does not replace it: it holds {holds}: {}\nhint: choose another output, or remove this one yourself",
        display_path(.path)
    )]
    OutputForeign { path: PathBuf, holds: Held },
    /// The output must be replaced, but holds files that are not part of the earlier output, or
    /// that were changed since.
    #[error(
        "output folder holds files that are not part of the earlier output: {others}: {}\nhint: move them elsewhere, then repeat with --overwrite",
        display_path(.path)
    )]
    OutputHoldsOthers { path: PathBuf, others: Held },
    /// The output can never be replaced by a folder; `reason` says why.
    #[error("output {reason}: {}\nhint: choose a folder inside it", display_path(.path))]
    OutputRefused { path: PathBuf, reason: &'static str },
    /// The output's name leaves no room for the name of the staging folder beside it.
    #[error("output's name has {bytes} bytes, but the maximum is {bytes_max}: {}\nhint: \
             choose a shorter one", display_path(.path))]
    OutputNameTooLong { path: PathBuf, bytes: usize, bytes_max: usize },
    /// The named output is a URL.
    #[error("output is a URL, but only folders can be written to: {}\nhint: {}", display_path(.path), url::hint(.path))]
    OutputIsUrl { path: PathBuf },
    /// The folder that must contain the output does not exist.
    #[error("output's parent folder does not exist: {}\nhint: create it first", display_path(.path))]
    ParentMissing { path: PathBuf },
    /// A folder cannot be written to.
    #[error("{room} cannot be written to: {source}: {}\nhint: {}", display_path(.path), .room.elsewhere(.source))]
    NotWritable { path: PathBuf, room: Room, source: io::Error },
    /// The file system (or the quota) is full. `path` was being written, and `folder` is the place that is full.
    #[error(
        "{lack} for {} ({}): {}\nhint: {}",
        display_path(.path), Free(*.free_bytes), display_path(.folder), .room.more(*.lack)
    )]
    NoSpace { path: PathBuf, folder: PathBuf, free_bytes: Option<u64>, lack: Lack, room: Room },

    /// The name of an attempt or part is not a plain file name.
    #[error("name cannot be used for a file: {}\nhint: use letters, digits, -, . and #", shown_name(.name))]
    BadName { name: String },
    /// A part of this name is already in the output.
    #[error("part already exists: {}\nhint: give every part its own name", shown_name(.name))]
    PartTwice { name: String },
    /// The staging or scratch folder has been removed, because the run was interrupted or has ended.
    #[error("the run has ended and its folder was removed: {}\nhint: run again", display_path(.path))]
    Abandoned { path: PathBuf },
    /// The staging folder of a job is not visible from here: the output is on a file system of
    /// another machine, or the job has already ended.
    #[error(
        "not shared: the output's staging folder is not visible on host {host}: {}\nhint: choose an --output on a file system that every worker has at the same path",
        display_path(.path)
    )]
    NotShared { path: PathBuf, host: String },
    /// The sealed parts of an attempt were changed or damaged.
    #[error(
        "staged output is damaged: {what}: {}\nhint: check the disk, and whether another program writes there, then submit the job again",
        display_path(.path)
    )]
    StagedDamaged { path: PathBuf, what: String },
    /// An earlier fsync failed. The kernel may then forget which writes were lost, so later writes
    /// are not reported as durable.
    #[error("an earlier fsync failed, so files of this output may be missing on disk: {}\nhint: run again \
             on a healthy disk", display_path(.path))]
    SyncFailedBefore { path: PathBuf },
    /// Any other error of the system.
    #[error("failed to {doing}: {source}: {}\nhint: {}", display_path(.path), hint(.source))]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// The purpose of a folder that is written to, which decides the hint when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The output and its staging folder beside it.
    Output,
    /// Spills.
    Scratch,
}

impl Room {
    fn more(self, lack: Lack) -> &'static str {
        match (lack, self) {
            (Lack::Bytes, Room::Output) => "free some space, or choose an --output elsewhere",
            (Lack::Bytes, Room::Scratch) => {
                "free some space, or name a folder on a larger disk with --scratch DIR"
            }
            (Lack::Inodes, Room::Output) => {
                "remove files there (df -i shows the free inodes), or choose an --output elsewhere"
            }
            (Lack::Inodes, Room::Scratch) => {
                "remove files there (df -i shows the free inodes), or name another folder with --scratch DIR"
            }
            (Lack::Quota, Room::Output) => {
                "remove some of your files there, ask for a larger quota, or choose an \
                 --output elsewhere"
            }
            (Lack::Quota, Room::Scratch) => {
                "remove some of your files there, ask for a larger quota, or name another \
                 folder with --scratch DIR"
            }
        }
    }

    fn elsewhere(self, source: &io::Error) -> &'static str {
        match self {
            // Another folder would not help.
            _ if is_shortage(source) => hint(source),
            Room::Output if source.kind() != ErrorKind::PermissionDenied => {
                "choose an --output elsewhere"
            }
            Room::Output => "choose an --output elsewhere, or fix the folder's permissions",
            Room::Scratch => "name another folder with --scratch DIR",
        }
    }
}

impl Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Room::Output => "output's parent folder",
            Room::Scratch => "scratch folder",
        })
    }
}

/// Maximum number of names that a message shows. The others are counted.
const SHOWN_MAX: usize = 5;

/// Files and folders in an output folder, for a message: the first few by name, and how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    names: Vec<String>,
    more: u64,
}

impl Held {
    pub(super) fn of(mut names: Vec<String>) -> Self {
        names.sort();
        let more = names.len().saturating_sub(SHOWN_MAX) as u64;
        names.truncate(SHOWN_MAX);
        Self { names, more }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Formats a path for a message.
pub(super) fn display_path(path: &Path) -> String {
    escape(path.as_os_str().as_bytes(), TEXT_CHARS_MAX)
}

/// Formats a name for a message.
pub(super) fn shown_name(name: &str) -> String {
    escape(name.as_bytes(), TEXT_CHARS_MAX)
}

struct Free(Option<u64>);

impl Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{} free", size::format(bytes)),
            None => f.write_str("free space unknown"),
        }
    }
}

impl Error {
    /// Creates an error of the system while `doing` something to `path`. The text in `doing` completes "failed to …".
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_path_buf(), source }
    }

    /// Like [`Error::io`] for writes. If the disk is full, the error says which one, how much space
    /// is free, and what to do.
    pub(super) fn write(doing: &'static str, path: &Path, source: io::Error, room: Room) -> Self {
        let folder =
            path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        let Some(lack) = Lack::of(&source, folder) else { return Self::io(doing, path, source) };
        let (path, free_bytes) = (path.to_path_buf(), free_bytes(folder));
        Self::NoSpace { path, folder: folder.to_path_buf(), free_bytes, lack, room }
    }

    /// Returns what the error is about, which decides the advice that is given.
    pub(crate) fn about(&self) -> About {
        match self {
            Self::InputMissing { .. }
            | Self::InputIsUrl { .. }
            | Self::LinkBroken { .. }
            | Self::LinkLoop { .. }
            | Self::NoMatch { .. }
            | Self::PatternTooWide { .. }
            | Self::SpecialFile { .. }
            | Self::SizeUnknown { .. }
            | Self::TooManyFiles { .. } => About::Input,
            Self::InputChanged { .. } => About::BadInput,
            Self::Io { doing, .. } if doing.ends_with(" input") => About::Input,
            Self::NoSpace { .. } => About::FullDisk,
            Self::InputIsOutput { .. }
            | Self::OutputInsideInput { .. }
            | Self::InputInsideOutput { .. }
            | Self::OutputRefused { .. }
            | Self::OutputNameTooLong { .. }
            | Self::OutputIsUrl { .. }
            | Self::ParentMissing { .. }
            | Self::NotWritable { .. }
            | Self::NotShared { .. } => About::Output,
            Self::OutputExists { .. }
            | Self::OutputNotEmpty { .. }
            | Self::OutputNotFolder { .. }
            | Self::OutputForeign { .. }
            | Self::OutputHoldsOthers { .. } => About::OutputTaken,
            Self::StagedDamaged { .. } => About::StagedDamaged,
            Self::BadName { .. }
            | Self::PartTwice { .. }
            | Self::Abandoned { .. }
            | Self::SyncFailedBefore { .. }
            | Self::Io { .. } => About::Nothing,
        }
    }

    /// Like [`Error::about`], for an error of a commit. Everything that a commit reads existed when the job decided to
    /// commit, so a file that is not found has been removed or is not visible here. A name that cannot be used will
    /// never be usable.
    pub(crate) fn about_commit(&self) -> About {
        match self {
            Self::NotShared { .. } | Self::ParentMissing { .. } | Self::Abandoned { .. } => {
                About::StagedMissing
            }
            Self::Io { source, .. } if source.kind() == ErrorKind::NotFound => About::StagedMissing,
            Self::BadName { .. } | Self::PartTwice { .. } => About::StagedDamaged,
            other => other.about(),
        }
    }

    /// Converts the error into an `io::Error` of the same kind, for the traits of std.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Io { source, .. } | Self::NotWritable { source, .. } => source.kind(),
            Self::NoSpace { .. } => ErrorKind::StorageFull,
            _ => ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_keeps_its_own_hint() {
        let path = Path::new("/gone/out/part-00000.tsv");
        for (number, cause, hint) in [
            (libc::EDQUOT, "disk quota exceeded for", "ask for a larger quota"),
            (libc::EROFS, "Read-only file system", "not mounted read-only"),
            (libc::EMLINK, "Too many links", "more subfolders"),
            (libc::ESTALE, "Stale file handle", "mount it again"),
            (libc::EMFILE, "Too many open files", "ulimit -n"),
            (libc::EFBIG, "File too large", "ulimit -f"),
        ] {
            let source = io::Error::from_raw_os_error(number);
            let said = Error::write("write part", path, source, Room::Output).to_string();
            assert!(said.contains(cause) && said.contains(hint), "{said}");
        }
    }

    #[test]
    fn another_folder_is_suggested_only_where_it_helps() {
        for (number, room, hint) in [
            (libc::EMFILE, Room::Scratch, "ulimit -n"),
            (libc::ENFILE, Room::Output, "fs.file-max"),
            (libc::ENOMEM, Room::Output, "--memory"),
            (libc::EROFS, Room::Scratch, "--scratch DIR"),
            (libc::EACCES, Room::Output, "fix the folder's permissions"),
        ] {
            let (path, source) = ("/gone".into(), io::Error::from_raw_os_error(number));
            let said = Error::NotWritable { path, room, source }.to_string();
            let (_, found) = said.split_once("\nhint: ").unwrap();
            assert!(found.contains(hint), "{said}");
            let is_elsewhere = ["--scratch", "--output"].iter().any(|flag| found.contains(flag));
            assert_eq!(is_elsewhere, [libc::EROFS, libc::EACCES].contains(&number), "{said}");
        }
    }
}
