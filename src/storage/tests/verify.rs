//! Tests what `verify` finds in a damaged output.

use super::*;

/// Damages a fresh output and checks the findings.
fn check(damage: impl FnOnce(&Path), expected: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    let out = published(root.path());
    damage(&out);
    let verified = verify(&out).unwrap();
    let said: Vec<String> = verified.findings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said:?} should begin with {expected:?}");
    }
}

#[test]
fn a_whole_output_has_no_findings() {
    let root = tempfile::tempdir().unwrap();
    let verified = verify(&published(root.path())).unwrap();
    assert_eq!(
        verified,
        Verified {
            job: "j1".to_owned(),
            parts: 1,
            records: 1,
            bytes: 4,
            bad_records: 1,
            findings: Vec::new()
        }
    );
    check(|out| fs::write(out.join("_notes"), "mine").unwrap(), &[]);
}

#[test]
fn every_kind_of_damage_is_found() {
    let part = "part-00000.tsv";
    check(|out| fs::remove_file(out.join(part)).unwrap(), &["part-00000.tsv is missing"]);
    check(
        |out| fs::remove_file(out.join("_bad/part-00000.jsonl")).unwrap(),
        &["_bad/part-00000.jsonl is missing"],
    );
    check(
        |out| fs::write(out.join(part), "a\t1").unwrap(),
        &["part-00000.tsv has 3 bytes instead of 4"],
    );
    check(|out| fs::write(out.join(part), "b\t1\n").unwrap(), &["part-00000.tsv has crc32c "]);
    check(
        |out| touch(out, &["part-00001.tsv", "x/y"]),
        &["part-00001.tsv is not in _MANIFEST", "x/y is not in _MAN"],
    );
    check(|out| fs::remove_file(out.join("_SUCCESS")).unwrap(), &["_SUCCESS is missing"]);
    check(
        |out| fs::remove_file(out.join("_MANIFEST.json")).unwrap(),
        &["_MANIFEST.json is missing"],
    );
    check(
        |out| fs::write(out.join("_SUCCESS"), "\x1bx").unwrap(),
        &["_SUCCESS should contain `crc32c "],
    );
    check(
        |out| fs::write(out.join("_MANIFEST.json"), "{").unwrap(),
        &["_SUCCESS should contain `crc32c ", "_MANIFEST.json cannot be parsed: EOF"],
    );
    check(
        |out| {
            fs::remove_file(out.join(part)).unwrap();
            fs::create_dir(out.join(part)).unwrap();
        },
        &["part-00000.tsv cannot be read: not a regular file"],
    );
    for name in [part, "_SUCCESS"] {
        let said = format!("{name} cannot be read: not a regular file");
        check(|out| pipe_instead(&out.join(name)), &[&said]);
    }
}

/// Replaces a file with a pipe that has no writer: opening it in the usual way would block forever.
fn pipe_instead(path: &Path) {
    fs::remove_file(path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR).unwrap();
}

#[test]
fn wrong_manifest_is_detected() {
    let lie = |out: &Path, from: &str, to: &str| {
        let text = fs::read_to_string(out.join("_MANIFEST.json")).unwrap().replacen(from, to, 1);
        fs::write(out.join("_MANIFEST.json"), text).unwrap();
    };
    let mark = "_SUCCESS should contain `crc32c ";
    check(
        |out| lie(out, "\"records\":1,\"bytes\":4", "\"records\":1,\"bytes\":8"),
        &[
            mark,
            "_MANIFEST.json lists 8 as the total number of bytes, but the sum over its parts is 4",
        ],
    );
    check(
        |out| lie(out, "\"records\":1,\"bytes\":4", "\"records\":3,\"bytes\":4"),
        &[
            mark,
            "_MANIFEST.json lists 3 as the total number of records, but the sum over its parts is 1",
        ],
    );
    check(
        |out| lie(out, "part-00000.tsv", "../../../etc/passwd"),
        &[
            mark,
            "_MANIFEST.json lists a repeated or invalid part name: ../",
            "part-00000.tsv is not in _MANIFEST",
        ],
    );
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let error = verify(Path::new("/nowhere/at/all")).unwrap_err().to_string();
    assert!(error.starts_with("failed to read output: No such file"), "{error}");
}
