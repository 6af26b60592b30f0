//! Remembers which files and folders a group of inputs has reached, so that each counts once.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::FileEntry;
use crate::model::input_notes::REPEATS_MAX;

/// A device and an inode on it: one file or folder, whatever its paths.
pub(super) type Id = (u64, u64);

/// Where a file or folder was first reached.
#[derive(Debug)]
pub(super) enum First {
    /// A file: its index in the listing.
    File(Id),
    /// A folder, and its path.
    Folder(PathBuf),
}

/// Everything that the inputs of a group have reached so far.
#[derive(Debug, Default)]
pub(super) struct Visited {
    files: HashSet<Id>,
    /// For each folder, its first path and how many files it has added.
    folders: HashMap<Id, (PathBuf, u64)>,
    /// For each hidden file or folder that was skipped, the number of files skipped with it.
    hidden: HashMap<Id, u64>,
    /// Number of additional paths to known files.
    pub(super) repeated: u64,
    /// The first of these paths, each with the file or folder that it leads to. A folder represents all its files.
    pub(super) repeats: Vec<(PathBuf, First)>,
}

impl Visited {
    /// Notes a file; false if it was seen before.
    pub(super) fn add_file(&mut self, path: &Path, facts: &Metadata) -> bool {
        let id = id(facts);
        self.hidden.remove(&id);
        let is_new = self.files.insert(id);
        if !is_new {
            self.repeat(path, First::File(id), 1);
        }
        is_new
    }

    /// Returns the number of files in a folder that was seen before, and counts them as repeated; `None` for a new
    /// folder.
    pub(super) fn repeats_folder(&mut self, path: &Path, facts: &Metadata) -> Option<u64> {
        self.hidden.remove(&id(facts));
        let (first, files) = self.folders.get(&id(facts)).cloned()?;
        if files > 0 {
            self.repeat(path, First::Folder(first), files);
        }
        Some(files)
    }

    /// Notes a folder that has been read, and how many files it has added.
    pub(super) fn add_folder(&mut self, path: &Path, facts: &Metadata, files: u64) {
        self.folders.insert(id(facts), (path.to_path_buf(), files));
    }

    /// Whether a hidden file or folder must be counted. False if it was counted before, or was named and read.
    pub(super) fn is_new_hidden(&self, facts: &Metadata) -> bool {
        let id = id(facts);
        !(self.hidden.contains_key(&id)
            || self.files.contains(&id)
            || self.folders.contains_key(&id))
    }

    /// Notes a hidden file or folder that is skipped, and the number of files skipped with it.
    pub(super) fn add_hidden(&mut self, facts: &Metadata, files: u64) {
        self.hidden.insert(id(facts), files);
    }

    /// Number of files that were skipped because of their names.
    pub(super) fn hidden_files(&self) -> u64 {
        self.hidden.values().sum()
    }

    fn repeat(&mut self, path: &Path, first: First, files: u64) {
        self.repeated += files;
        if self.repeats.len() < REPEATS_MAX {
            self.repeats.push((path.to_path_buf(), first));
        }
    }
}

/// Returns the identity of the file or folder with this metadata.
pub(super) fn id(facts: &Metadata) -> Id {
    (facts.dev(), facts.ino())
}

/// Returns the identity of a listed file.
pub(super) fn id_of(file: &FileEntry) -> Id {
    (file.identity.device, file.identity.inode)
}
