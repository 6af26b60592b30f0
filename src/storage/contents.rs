//! Finds what an output folder holds besides the files of the output, so that `--overwrite` does
//! not remove other files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::error::{Held, display_path};
use super::marks::{MANIFEST_NAME, SUCCESS_NAME};
use crate::model::Manifest;

/// Returns everything in `folder`, without descending into its folders.
pub(super) fn all(folder: &Path) -> io::Result<Held> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        names.push(display_name(Path::new(&entry.file_name()), entry.file_type()?.is_dir()));
    }
    Ok(Held::of(names))
}

/// Sizes of the listed files by name; `None` for those that are not parts.
type Sizes<'m> = BTreeMap<&'m [u8], Option<u64>>;

/// Returns everything in `folder` that does not belong to the output that `manifest` lists: other names, and under a
/// listed name anything but a regular file of the listed size. A part that was changed without changing its size is not
/// found, since no file is read.
pub(super) fn others(folder: &Path, manifest: &Manifest) -> io::Result<Held> {
    let marks = [MANIFEST_NAME, SUCCESS_NAME].map(|name| (name.as_bytes(), None));
    let parts = manifest.parts.iter().map(|part| (part.name.as_bytes(), Some(part.bytes)));
    let listed: Sizes = parts.chain(marks).collect();
    let mut found = Vec::new();
    look(folder, Path::new(""), &listed, &subfolders(manifest), &mut found)?;
    Ok(Held::of(found))
}

fn look(
    folder: &Path,
    below: &Path,
    listed: &Sizes,
    subfolders: &BTreeSet<&str>,
    found: &mut Vec<String>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let (path, kind) = (below.join(entry.file_name()), entry.file_type()?);
        let name = path.as_os_str().as_bytes();
        if kind.is_dir() && path.to_str().is_some_and(|name| subfolders.contains(name)) {
            look(folder, &path, listed, subfolders, found)?;
            continue;
        }
        match listed.get(name).filter(|_| kind.is_file()) {
            Some(&Some(bytes)) => found.extend(changed(&entry, &path, bytes)?),
            Some(None) => {}
            None => found.push(display_name(&path, kind.is_dir())),
        }
    }
    Ok(())
}

/// Describes a part that does not have the listed size; `None` if it has, or if it no longer exists.
fn changed(entry: &fs::DirEntry, path: &Path, bytes: u64) -> io::Result<Option<String>> {
    let now = match entry.metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        facts => facts?.len(),
    };
    let change = || format!("{} (changed from {bytes} to {now} bytes)", display_path(path));
    Ok((now != bytes).then(change))
}

/// Removes the files of the output that `manifest` lists, and nothing else. `_SUCCESS` goes first, so that a partly
/// removed output is never taken for a complete one, and the manifest last, so that the rest is still known to be
/// ours.
pub(super) fn remove_listed(folder: &Path, manifest: &Manifest) -> io::Result<()> {
    let remove = |name: &str| found(fs::remove_file(folder.join(name)));
    remove(SUCCESS_NAME)?;
    manifest.parts.iter().try_for_each(|part| remove(&part.name))?;
    subfolders(manifest).iter().try_for_each(|name| found(fs::remove_dir(folder.join(name))))?;
    remove(MANIFEST_NAME)
}

/// Turns the error of a missing file into success.
fn found(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The folders in the output folder that hold parts.
fn subfolders(manifest: &Manifest) -> BTreeSet<&str> {
    let split = |part: &'_ crate::model::Part| part.name.find('/');
    manifest.parts.iter().filter_map(|part| split(part).map(|at| &part.name[..at])).collect()
}

fn display_name(path: &Path, is_folder: bool) -> String {
    display_path(path) + if is_folder { "/" } else { "" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::model::{Counters, Part};

    fn manifest() -> Manifest {
        let part = |name: &str| Part { name: name.into(), bytes: 1, records: 1, crc32c: 0 };
        let parts = vec![part("part-00000.tsv"), part("_bad/part-m-00000.jsonl")];
        Manifest::new("job".into(), "now".into(), parts, Counters::new())
    }

    fn write(folder: &Path, names: &[&str]) {
        for name in names {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    const OUTPUT: [&str; 4] =
        ["part-00000.tsv", "_bad/part-m-00000.jsonl", MANIFEST_NAME, SUCCESS_NAME];

    #[test]
    fn files_of_the_output_are_told_from_all_others() {
        let table = BTreeMap::from([
            ("notes.txt", "notes.txt"),
            (".DS_Store", ".DS_Store"),
            ("_bad/mine", "_bad/mine"),
            ("deep/er/x", "deep/"),
            ("part-00001.tsv", "part-00001.tsv"),
        ]);
        for (added, expected) in table {
            let root = tempfile::tempdir().unwrap();
            write(root.path(), &OUTPUT);
            assert_eq!(others(root.path(), &manifest()).unwrap(), Held::default());
            write(root.path(), &[added]);
            assert_eq!(others(root.path(), &manifest()).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn changed_parts_are_named_with_their_sizes() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &OUTPUT);
        fs::write(root.path().join("part-00000.tsv"), "edited").unwrap();
        fs::write(root.path().join("_bad/part-m-00000.jsonl"), "").unwrap();
        let found = others(root.path(), &manifest()).unwrap().to_string();
        let expected = "_bad/part-m-00000.jsonl (changed from 1 to 0 bytes), part-00000.tsv (changed from 1 to 6 bytes)";
        assert_eq!(found, expected);
        // A part that is already gone cannot be lost.
        fs::remove_file(root.path().join("part-00000.tsv")).unwrap();
        fs::remove_file(root.path().join("_bad/part-m-00000.jsonl")).unwrap();
        assert_eq!(others(root.path(), &manifest()).unwrap(), Held::default());
    }

    #[test]
    fn a_listed_name_must_be_a_file_and_a_listed_folder_a_folder() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &["part-00000.tsv/mine", MANIFEST_NAME]);
        symlink("/etc", root.path().join("_bad")).unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        let found = others(root.path(), &manifest()).unwrap().to_string();
        assert_eq!(found, "_bad, empty/, part-00000.tsv/");
    }

    #[test]
    fn only_listed_files_are_removed() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &OUTPUT);
        remove_listed(root.path(), &manifest()).unwrap();
        assert_eq!(all(root.path()).unwrap(), Held::default());
        write(root.path(), &OUTPUT);
        write(root.path(), &["notes.txt"]);
        remove_listed(root.path(), &manifest()).unwrap();
        assert_eq!(all(root.path()).unwrap().to_string(), "notes.txt");
    }

    #[test]
    fn many_names_are_counted() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(all(root.path()).unwrap().to_string(), "a, b, c, d, e and 2 more");
    }
}
