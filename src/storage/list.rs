//! Expands inputs (files, folders, patterns) into the list of a job's input files. Each file occurs
//! once, and the order is always the same.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::entry::{FILES_MAX, FileEntry};
use super::glob;
use super::url;
use super::visited::{First, Visited, id_of};
use super::walk::{Found, Walk, is_absent, is_too_long};
use crate::model::input_notes::REPEATS_MAX;
use crate::model::{InputNotes, Location, Repeat};

/// Maximum number of files that listing opens, so that an unreadable one is found before any work. Other files are
/// checked when they are read: opening all of them would cost more than it saves.
pub const OPENED_AHEAD_MAX: usize = 1_000;

/// The files of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the inputs; files of one folder or pattern are sorted by the bytes of their paths.
    /// A file that several inputs of one group reach is listed once.
    pub files: Vec<FileEntry>,
    /// Number of files that each input has added.
    pub counts: Vec<usize>,
    /// Folders that were entered because they were named, matched, or linked to.
    pub folders: Vec<PathBuf>,
    /// Notes on files that were skipped or reached more than once.
    pub notes: InputNotes,
}

impl Listing {
    /// The size of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Adds the findings of one more input.
    fn add(&mut self, input: Found) {
        self.counts.push(input.files.len());
        self.files.extend(input.files);
        self.folders.extend(input.folders);
        self.notes.special += input.special;
    }

    /// Adds to the notes the first of the paths that were reached again.
    fn note_repeats(&mut self, visited: &Visited, files: &[Range<usize>]) {
        self.notes.repeated += visited.repeated;
        let files = || files.iter().flat_map(|range| &self.files[range.clone()]);
        for (path, first) in &visited.repeats {
            if self.notes.repeats.len() == REPEATS_MAX {
                return;
            }
            let first = match first {
                First::Folder(path) => Some(path),
                First::File(id) => files().find(|file| id_of(file) == *id).map(|file| &file.path),
            };
            let first = Location::from(first.unwrap_or(path));
            self.notes.repeats.push(Repeat { path: path.into(), first });
        }
    }
}

/// Lists the files that `inputs` name, each of them once.
///
/// # Errors
/// As [`list_groups`].
pub fn list(inputs: &[PathBuf]) -> Result<Listing, Error> {
    list_groups(inputs.iter().map(|path| (0, path.as_path())))
}

/// Lists the files that the inputs name; each input belongs to a group.
///
/// A folder is read recursively, and links are followed; names that begin with `.` or `_` and special files are skipped
/// and counted, unless they are named explicitly. A path with `*`, `?`, `[` or `{` is a pattern only if no file has
/// exactly that name. An empty folder is not an error: a job may have no input.
///
/// A file that is reached more than once within a group (through links, hard links too, or by overlapping inputs) is
/// listed once, under the path that comes first. Groups do not affect each other.
///
/// # Errors
/// An input that is missing, special or unreadable (of the first [`OPENED_AHEAD_MAX`]), a pattern that matches
/// nothing, a link that is broken or forms a loop, more than ten million files.
pub fn list_groups<'i>(
    inputs: impl IntoIterator<Item = (u32, &'i Path)>,
) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    let mut groups: BTreeMap<u32, (Visited, Vec<Range<usize>>)> = BTreeMap::new();
    for (group, input) in inputs {
        let (visited, ranges) = groups.entry(group).or_default();
        let begin = listing.files.len();
        let found = find(input, visited)?;
        if begin + found.files.len() > FILES_MAX {
            return Err(Error::TooManyFiles { path: input.to_path_buf(), files_max: FILES_MAX });
        }
        listing.add(found);
        ranges.push(begin..listing.files.len());
    }
    for (visited, ranges) in groups.values() {
        listing.notes.hidden += visited.hidden_files();
        listing.note_repeats(visited, ranges);
    }
    listing.files.iter().take(OPENED_AHEAD_MAX).try_for_each(check_readable)?;
    Ok(listing)
}

/// Finds the files that one input names.
fn find(input: &Path, visited: &mut Visited) -> Result<Found, Error> {
    let bytes = input.as_os_str().as_bytes();
    let mut walk = Walk::new(visited);
    match fs::symlink_metadata(input) {
        Ok(_) => walk.add_named(input)?,
        // A pattern may be longer than the longest file name, since the names that it matches may be shorter.
        Err(e) if is_absent(&e) || (is_too_long(&e) && glob::is_pattern(bytes)) => {
            if !glob::is_pattern(bytes) {
                let path = input.to_path_buf();
                let is_url = url::is_url(input);
                return Err(match is_url {
                    true => Error::InputIsUrl { path },
                    false => Error::InputMissing { path },
                });
            }
            walk.add_pattern(input)?;
        }
        Err(e) => return Err(Error::io("find input", input, e)),
    }
    let mut found = walk.found;
    found.files.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    Ok(found)
}

fn check_readable(file: &FileEntry) -> Result<(), Error> {
    let mut opened = File::open(&file.path).map_err(|e| Error::io("open input", &file.path, e))?;
    if file.bytes == 0 {
        let read = opened.read(&mut [0]).map_err(|e| Error::io("read input", &file.path, e))?;
        if read > 0 && opened.metadata().is_ok_and(|facts| facts.len() == 0) {
            return Err(Error::SizeUnknown { path: file.path.clone() });
        }
    }
    Ok(())
}
