//! The files of the tree, and how a rule reports a violation.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file.
pub(crate) struct Source {
    /// The path in the tree, with `/`: `src/record/text.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Returns `src/record/text.rs:7: what`. Lines are counted from 1.
    pub(crate) fn at(&self, line: usize, what: impl AsRef<str>) -> String {
        format!("{}:{line}: {}", self.path, what.as_ref())
    }

    /// Returns the file's module, outermost name first: `["record", "text"]`; `None` outside `src/`.
    pub(crate) fn module(&self) -> Option<Vec<&str>> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        Some(inside.strip_suffix("/mod").unwrap_or(inside).split('/').collect())
    }

    /// Returns the module of `src/` that the file belongs to: `record`, or `lib`, `main`, `clock`.
    pub(crate) fn top_module(&self) -> Option<&str> {
        Some(self.module()?[0])
    }
}

/// Returns the root of the tree.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all Rust files of the tree, in order of their paths.
pub(crate) fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "jobs", "tests", "benches", "proto"] {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a file that was just listed can be read");
        let place = path.strip_prefix(root()).expect("it was listed below the root");
        Source::new(&place.to_string_lossy().replace('\\', "/"), text)
    };
    paths.iter().map(read).collect()
}

/// Adds the Rust files below `folder`, which need not exist.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Returns the entries of `folder`, or nothing if it does not exist.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = fs::read_dir(folder) else { return Vec::new() };
    listing.map(|entry| entry.expect("an open folder can be read on").path()).collect()
}

/// Fails with one line for each violation.
#[track_caller]
pub(crate) fn stands(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn a_file_knows_its_module() {
    let table = [
        ("src/record/text.rs", Some(vec!["record", "text"])),
        ("src/record/mod.rs", Some(vec!["record"])),
        ("src/launch.rs", Some(vec!["launch"])),
        ("jobs/wordcount/src/main.rs", None),
    ];
    for (path, module) in table {
        assert_eq!(Source::new(path, "").module(), module);
    }
}
