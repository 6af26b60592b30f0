//! Reading at offsets, and what happens when the input changes.

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
fn an_input_that_changes_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("f");
    fs::write(&path, b"0123456789").unwrap();
    let listed = entry(&path);
    let file = open(&listed).unwrap();

    OpenOptions::new().write(true).open(&path).unwrap().set_len(5).unwrap();
    let error = file.read_exact_at(&mut [0; 4], 3).unwrap_err().to_string();
    assert!(error.starts_with("input changed: 10 bytes modified at "), "{error}");
    assert!(matches!(
        file.check_unchanged(),
        Err(Error::InputChanged { bytes_listed: 10, bytes: 5, .. })
    ));
    assert!(matches!(open(&listed), Err(Error::InputChanged { .. })));

    // The same size, but another time of modification.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(10).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(matches!(open(&listed), Err(Error::InputChanged { bytes: 10, modified_ns: 0, .. })));
}
