//! Walks folders and expands patterns for one input. It visits each folder once, and detects links
//! that form a loop.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Error;
use super::entry::{FILES_MAX, FileEntry, is_hidden, link_target, special_kind};
use super::glob::{self, ALTERNATIVES_MAX, Component};
use super::visited::{Id, Visited, id};

/// The files and folders that one input has contributed so far.
#[derive(Default)]
pub(super) struct Found {
    /// Files, in the order in which they were found.
    pub(super) files: Vec<FileEntry>,
    /// Folders entered by name, by match or by link.
    pub(super) folders: Vec<PathBuf>,
    /// Pipes, sockets and devices that were skipped.
    pub(super) special: u64,
}

/// A walk over the files and folders of one input.
pub(super) struct Walk<'s> {
    pub(super) found: Found,
    /// Everything that this input and earlier ones have reached.
    visited: &'s mut Visited,
    /// Whether hidden names are read like others, to count the files that are skipped because of them.
    with_hidden: bool,
    /// Ancestors of the current folder: name and identity.
    above: Vec<(PathBuf, Id)>,
    /// Number of paths to files that were reached, new or known.
    reached: u64,
    names_seen: u64,
}

impl<'s> Walk<'s> {
    pub(super) fn new(visited: &'s mut Visited) -> Self {
        let (found, above) = (Found::default(), Vec::new());
        Self { found, visited, with_hidden: false, above, reached: 0, names_seen: 0 }
    }

    /// Adds a named input: it must exist, and be a file or a folder.
    pub(super) fn add_named(&mut self, path: &Path) -> Result<(), Error> {
        let facts = followed(path)?;
        if !facts.is_dir() && !facts.is_file() {
            return Err(Error::SpecialFile {
                path: path.to_path_buf(),
                kind: special_kind(facts.file_type()),
            });
        }
        self.add_found(path.to_path_buf(), &facts, true)
    }

    /// Adds everything that `pattern` matches.
    pub(super) fn add_pattern(&mut self, pattern: &Path) -> Result<(), Error> {
        let bytes = pattern.as_os_str().as_bytes();
        let alternatives = glob::without_braces(bytes).ok_or_else(|| Error::PatternTooWide {
            pattern: pattern.to_path_buf(),
            alternatives_max: ALTERNATIVES_MAX,
        })?;
        let base = if bytes.starts_with(b"/") { "/" } else { "" };
        let mut matched = BTreeSet::new();
        for alternative in alternatives {
            self.follow(Path::new(base), &glob::components(&alternative), &mut matched)?;
        }
        if matched.is_empty() {
            return Err(Error::NoMatch {
                pattern: pattern.to_path_buf(),
                names_seen: self.names_seen,
            });
        }
        self.add_matched(matched)
    }

    /// Adds each matched path, in byte order. Ignores paths in a folder that matched too: its contents are already
    /// added.
    fn add_matched(&mut self, matched: BTreeSet<PathBuf>) -> Result<(), Error> {
        let mut in_order = BTreeMap::new();
        for path in matched {
            // `**` alone matches the folder in which it begins.
            let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
            let facts = followed(&path)?;
            in_order.insert(sort_key(path.as_os_str(), facts.is_dir()), (path, facts));
        }
        let mut folders = HashSet::new();
        for (path, facts) in in_order.into_values() {
            if is_below(&path, &folders) {
                continue;
            }
            if facts.is_dir() {
                folders.insert(path.clone());
            }
            self.add_found(path, &facts, true)?;
        }
        Ok(())
    }

    fn follow(
        &mut self,
        base: &Path,
        rest: &[Component],
        matched: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        let Some((component, rest)) = rest.split_first() else {
            matched.insert(base.to_path_buf());
            return Ok(());
        };
        match component {
            Component::Literal(name) => {
                let path = base.join(OsStr::from_bytes(name));
                self.names_seen += 1;
                match fs::symlink_metadata(&path) {
                    Ok(_) => self.follow(&path, rest, matched),
                    // No file can have a name that is too long, but another alternative may match.
                    Err(e) if is_absent(&e) || is_too_long(&e) => Ok(()),
                    Err(e) => Err(Error::io("find input", &path, e)),
                }
            }
            // Matched folders are read recursively anyway, so a last `**` adds nothing.
            Component::Folders if rest.is_empty() => self.follow(base, rest, matched),
            Component::Folders => {
                self.follow(base, rest, matched)?;
                self.follow_folders(base, rest, matched)
            }
            Component::Names(pattern) => {
                for name in names(base)? {
                    self.names_seen += 1;
                    if !pattern.matches(&name) {
                        continue;
                    }
                    let path = base.join(OsStr::from_bytes(&name));
                    if self.skips(&name) && !pattern.asks_for_hidden(&name) {
                        self.skip(&path, rest);
                        continue;
                    }
                    if rest.is_empty() || path.is_dir() {
                        self.follow(&path, rest, matched)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Follows `rest` from every folder below `base`.
    fn follow_folders(
        &mut self,
        base: &Path,
        rest: &[Component],
        matched: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        for name in names(base)? {
            let path = base.join(OsStr::from_bytes(&name));
            // A broken link is not a folder. If a later component of the pattern matches its name, the link is reported
            // then.
            let Ok(facts) = fs::metadata(&path) else { continue };
            if !facts.is_dir() {
                continue;
            }
            if self.skips(&name) {
                let below: Vec<Component> =
                    [Component::Folders].into_iter().chain(rest.iter().cloned()).collect();
                self.skip(&path, &below);
                continue;
            }
            self.enter(&path, &facts)?;
            self.follow(&path, rest, matched)?;
            self.follow_folders(&path, rest, matched)?;
            self.above.pop();
        }
        Ok(())
    }

    /// Adds a file, or all files of a folder. `is_root` tells whether it was named, matched, or linked to.
    fn add_found(&mut self, path: PathBuf, facts: &Metadata, is_root: bool) -> Result<(), Error> {
        if facts.is_dir() {
            self.enter(&path, facts)?;
            if !self.repeats_folder(&path, facts) {
                let before = self.reached;
                self.add_folder(&path)?;
                self.visited.add_folder(&path, facts, self.reached - before);
                if is_root {
                    self.found.folders.push(path);
                }
            }
            self.above.pop();
        } else if !facts.is_file() {
            self.found.special += 1;
        } else if self.found.files.len() >= FILES_MAX {
            return Err(Error::TooManyFiles { path, files_max: FILES_MAX });
        } else {
            self.reached += 1;
            if self.visited.add_file(&path, facts) {
                self.found.files.push(FileEntry::new(path, facts));
            }
        }
        Ok(())
    }

    /// Whether a folder was read before. If so, counts all its files as reached once more.
    fn repeats_folder(&mut self, path: &Path, facts: &Metadata) -> bool {
        let files = self.visited.repeats_folder(path, facts);
        self.reached += files.unwrap_or(0);
        files.is_some()
    }

    /// Adds the contents of a folder in byte order of the paths, so that the first path to a file is always the same.
    fn add_folder(&mut self, folder: &Path) -> Result<(), Error> {
        let failed = |e| Error::io("read folder", folder, e);
        let entries: Vec<DirEntry> =
            fs::read_dir(folder).and_then(Iterator::collect).map_err(failed)?;
        let mut in_order = Vec::with_capacity(entries.len());
        for entry in entries {
            let name = entry.file_name();
            if self.skips(name.as_bytes()) {
                self.skip(&entry.path(), &[]);
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            let is_folder =
                if kind.is_symlink() { followed(&entry.path())?.is_dir() } else { kind.is_dir() };
            in_order.push((sort_key(&name, is_folder), kind.is_symlink()));
        }
        in_order.sort_unstable();
        for (key, is_link) in in_order {
            let path = folder.join(OsStr::from_bytes(key.strip_suffix(b"/").unwrap_or(&key)));
            let facts = if is_link {
                followed(&path)?
            } else {
                fs::symlink_metadata(&path).map_err(|e| Error::io("inspect input", &path, e))?
            };
            self.add_found(path, &facts, is_link)?;
        }
        Ok(())
    }

    /// Whether folders and patterns skip this name.
    fn skips(&self, name: &[u8]) -> bool {
        is_hidden(name) && !self.with_hidden
    }

    /// Skips a hidden name, and counts the files that are skipped with it: those below it that match `rest` of the
    /// pattern.
    fn skip(&mut self, path: &Path, rest: &[Component]) {
        // A broken link skips no file.
        let Ok(facts) = fs::metadata(path) else { return };
        if !self.visited.is_new_hidden(&facts) {
            return;
        }
        let mut own = Visited::default();
        let mut walk = Walk { with_hidden: true, ..Walk::new(&mut own) };
        let mut matched = BTreeSet::new();
        let counted = walk
            .follow(path, rest, &mut matched)
            .and_then(|()| walk.add_matched(matched))
            .map(|()| walk.found.files.len() as u64);
        // A folder that cannot be read counts as one file, so that it is not skipped silently.
        self.visited.add_hidden(&facts, counted.unwrap_or(1));
    }

    /// Notes that the walk enters `folder`. Fails if the walk is already inside it: a link forms a loop.
    fn enter(&mut self, folder: &Path, facts: &Metadata) -> Result<(), Error> {
        if let Some((target, _)) = self.above.iter().find(|(_, above)| *above == id(facts)) {
            return Err(Error::LinkLoop { path: folder.to_path_buf(), target: target.clone() });
        }
        self.above.push((folder.to_path_buf(), id(facts)));
        Ok(())
    }
}

/// Returns the sort key of a path, or of a name in a folder. A folder sorts like the paths below it.
fn sort_key(name: &OsStr, is_folder: bool) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    if is_folder && !key.ends_with(b"/") {
        key.push(b'/');
    }
    key
}

/// Whether `path` is read as part of one of these folders.
fn is_below(path: &Path, folders: &HashSet<PathBuf>) -> bool {
    let mut below = path;
    while let (Some(parent), Some(name)) = (below.parent(), below.file_name()) {
        if is_hidden(name.as_bytes()) {
            return false;
        }
        if folders.contains(parent) {
            return true;
        }
        below = parent;
    }
    false
}

/// Returns the metadata of the file or folder at `path`, with links followed.
fn followed(path: &Path) -> Result<Metadata, Error> {
    fs::metadata(path).map_err(|e| {
        let path_is_link = fs::symlink_metadata(path).is_ok_and(|facts| facts.is_symlink());
        match e.raw_os_error() {
            Some(libc::ELOOP) => {
                Error::LinkLoop { path: path.to_path_buf(), target: link_target(path) }
            }
            Some(libc::ENOENT) if path_is_link => {
                Error::LinkBroken { path: path.to_path_buf(), target: link_target(path) }
            }
            _ => Error::io("inspect input", path, e),
        }
    })
}

/// Returns the names in `folder`; empty if it is not a folder.
fn names(folder: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let readable = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: io::Result<Vec<Vec<u8>>> = fs::read_dir(readable).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name().into_vec())).collect()
    });
    match names {
        Ok(names) => Ok(names),
        Err(e) if is_absent(&e) => Ok(Vec::new()),
        Err(e) => Err(Error::io("read folder", readable, e)),
    }
}

/// Whether the error means that the path does not exist.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether the error means that the name is too long for a file.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidFilename
}
