//! Walks folders and follows patterns for one input, and knows when links lead round in a circle.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::glob::{self, ALTERNATIVES_MAX, Component};
use super::list::{FILES_MAX, FileEntry, Skipped, is_hidden, link_target, special_kind};

/// What one input has come to so far.
#[derive(Default)]
pub(super) struct Walk {
    /// Files, in the order they were found.
    pub(super) files: Vec<FileEntry>,
    /// Folders entered by name, by match or by link.
    pub(super) folders: Vec<PathBuf>,
    /// What was left out.
    pub(super) skipped: Skipped,
    /// Folders above the one that is being read: its name and identity.
    above: Vec<(PathBuf, (u64, u64))>,
    names_seen: u64,
}

impl Walk {
    /// Adds what was named itself: it must be there, and be a file or a folder.
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

    /// Adds all that `pattern` matches.
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
        for path in matched {
            // `**` alone matches the folder that it begins in.
            let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
            let facts = followed(&path)?;
            self.add_found(path, &facts, true)?;
        }
        // Of a folder and a file in it that both match, the file is read once.
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.files.dedup_by(|a, b| a.path == b.path);
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
                    Err(e) if is_absent(&e) => Ok(()),
                    Err(e) => Err(Error::io("look for input", &path, e)),
                }
            }
            // Folders are read recursively in any case, so that a last `**` adds nothing to them.
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
                    if is_hidden(&name) && !pattern.asks_for_hidden(&name) {
                        self.skipped.hidden += 1;
                        continue;
                    }
                    let path = base.join(OsStr::from_bytes(&name));
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
            if is_hidden(&name) {
                continue;
            }
            let path = base.join(OsStr::from_bytes(&name));
            // Links to nothing are no folders; whoever matches them by name says so.
            let Ok(facts) = fs::metadata(&path) else { continue };
            if facts.is_dir() {
                self.enter(&path, &facts)?;
                self.follow(&path, rest, matched)?;
                self.follow_folders(&path, rest, matched)?;
                self.above.pop();
            }
        }
        Ok(())
    }

    fn add_found(&mut self, path: PathBuf, facts: &Metadata, is_root: bool) -> Result<(), Error> {
        if facts.is_dir() {
            self.enter(&path, facts)?;
            self.add_folder(&path)?;
            self.above.pop();
            if is_root {
                self.folders.push(path);
            }
        } else if !facts.is_file() {
            self.skipped.special += 1;
        } else if self.files.len() >= FILES_MAX {
            return Err(Error::TooManyFiles { path, files_max: FILES_MAX });
        } else {
            self.files.push(FileEntry::new(path, facts));
        }
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), Error> {
        let failed = |e| Error::io("read folder", folder, e);
        let entries: Vec<DirEntry> =
            fs::read_dir(folder).and_then(Iterator::collect).map_err(failed)?;
        for entry in entries {
            if is_hidden(entry.file_name().as_bytes()) {
                self.skipped.hidden += 1;
                continue;
            }
            let path = entry.path();
            let is_link = entry.file_type().map_err(failed)?.is_symlink();
            let facts = if is_link {
                followed(&path)?
            } else {
                entry.metadata().map_err(|e| Error::io("look at input", &path, e))?
            };
            self.add_found(path, &facts, is_link)?;
        }
        Ok(())
    }

    /// Notes that the walk is now inside `folder`, unless it is there already.
    fn enter(&mut self, folder: &Path, facts: &Metadata) -> Result<(), Error> {
        let identity = (facts.dev(), facts.ino());
        if let Some((target, _)) = self.above.iter().find(|(_, above)| *above == identity) {
            return Err(Error::LinkLoop { path: folder.to_path_buf(), target: target.clone() });
        }
        self.above.push((folder.to_path_buf(), identity));
        Ok(())
    }
}

/// The facts of what `path` leads to.
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
            _ => Error::io("look at input", path, e),
        }
    })
}

/// The names in `folder`, none when it is no folder.
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

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
