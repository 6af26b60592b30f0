//! End-to-end tests of storage, on real folders.

mod glob;
mod list;
mod locks;
mod overlap;
mod publish;
mod read;
mod shared;
mod verify;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::model::{Counters, Manifest, Nonce, Part};

/// Creates empty files below `root`, and the folders that they need.
fn touch(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
}

/// Returns the names in a folder, including hidden ones, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Returns the files of a listing, relative to `root`, with bytes that are not UTF-8 as `\xff`.
fn listed(root: &Path, listing: &Listing) -> Vec<String> {
    let relative = |file: &FileEntry| {
        let path: &Path = file.path.strip_prefix(root).unwrap();
        path.as_os_str().as_bytes().escape_ascii().to_string()
    };
    listing.files.iter().map(relative).collect()
}

/// Returns a manifest of `parts`, as a run would write it.
fn manifest_of(created: &str, parts: &[SealedPart]) -> Vec<u8> {
    let part = |part: &SealedPart| Part {
        name: part.name.clone(),
        bytes: part.bytes,
        records: 1,
        crc32c: part.crc32c,
    };
    let parts = parts.iter().map(part).collect();
    let manifest = Manifest::new("j1".to_owned(), created.to_owned(), parts, Counters::new());
    serde_json::to_vec(&manifest).unwrap()
}

/// Writes the parts `(name, content)` as one attempt, accepts them, and returns their manifest.
fn write_parts(staging: &Staging, attempt: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    use std::io::Write;
    let folder = staging.attempt(attempt).unwrap();
    let mut sealed = Vec::new();
    for (name, content) in parts {
        let mut part = folder.create_part(name).unwrap();
        part.write_all(content.as_bytes()).unwrap();
        sealed.push(part.seal().unwrap());
    }
    staging.accept(attempt, &sealed).unwrap();
    manifest_of(attempt, &sealed)
}

/// Publishes an output with two parts, one of them in a folder.
fn published(root: &Path) -> PathBuf {
    let out = root.join("out");
    let staging = Staging::create(&out, Nonce(1), StagingOptions::default()).unwrap();
    let manifest = write_parts(
        &staging,
        "r0#1",
        &[("part-00000.tsv", "a\t1\n"), ("_bad/part-00000.jsonl", "{}\n")],
    );
    staging.publish(&manifest).unwrap();
    out
}
