//! Tests reads at offsets, and inputs that change while they are read.

use std::fs::OpenOptions;
use std::io::ErrorKind;

use super::*;

fn entry(path: &Path) -> FileEntry {
    list(&[path.to_path_buf()]).unwrap().files.remove(0)
}

#[test]
fn bytes_are_read_from_where_they_are() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("f");
    fs::write(&path, b"0123456789").unwrap();
    let file = open(&entry(&path)).unwrap();
    let mut buf = [0; 4];
    file.read_exact_at(&mut buf, 3).unwrap();
    assert_eq!(&buf, b"3456");
    assert_eq!(file.read_at(&mut buf, 8).unwrap(), 2);
    assert_eq!(file.read_at(&mut buf, 10).unwrap(), 0);
    assert_eq!(file.read_exact_at(&mut buf, 8).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(file.len(), 10);
    file.check_unchanged().unwrap();
}

#[test]
fn an_input_that_changes_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("f");
    fs::write(&path, b"0123456789").unwrap();
    let listed = entry(&path);
    let file = open(&listed).unwrap();

    OpenOptions::new().write(true).open(&path).unwrap().set_len(5).unwrap();
    let error = file.read_exact_at(&mut [0; 4], 3).unwrap_err().to_string();
    assert!(error.starts_with("input changed: it had 10 bytes and now has 5: "), "{error}");
    assert!(matches!(file.check_unchanged(), Err(Error::InputChanged { .. })));
    assert!(matches!(open(&listed), Err(Error::InputChanged { .. })));

    // The same size, but a different modification time.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(10).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let message = open(&listed).unwrap_err().to_string();
    assert!(message.contains(" when it was listed, and is now 0 ns"), "{message}");
}

#[test]
fn a_file_replaced_with_size_and_time_kept_has_changed() {
    let root = tempfile::tempdir().unwrap();
    let (path, other) = (root.path().join("f"), root.path().join("other"));
    fs::write(&path, b"0123456789").unwrap();
    let listed = entry(&path);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();

    fs::write(&other, b"9876543210").unwrap();
    OpenOptions::new().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    fs::rename(&other, &path).unwrap();
    let message = open(&listed).unwrap_err().to_string();
    assert!(message.starts_with("input changed: another file took its place (inode "), "{message}");
    assert!(message.contains(path.to_str().unwrap()), "{message}");
}

#[test]
fn a_file_rewritten_in_place_with_size_and_time_kept_has_changed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("f");
    fs::write(&path, b"0123456789").unwrap();
    let listed = entry(&path);
    let opened = open(&listed).unwrap();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    // Timestamps of a file system may be no finer than a clock tick, so several changes may be needed.
    let changed_ns =
        |path: &Path| FileEntry::new(path.into(), &fs::metadata(path).unwrap()).identity.changed_ns;
    for _ in 0..1_000_000 {
        fs::write(&path, b"9876543210").unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        if changed_ns(&path) != listed.identity.changed_ns {
            break;
        }
    }
    let message = opened.check_unchanged().unwrap_err().to_string();
    assert!(message.starts_with("input changed: the change time of its inode was "), "{message}");
}
