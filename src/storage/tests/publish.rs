//! Tests that publishing is all or nothing, for the output and the files beside it, in whatever way
//! a run ends.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const PLAIN: StagingOptions = StagingOptions { overwrite: false, sync: false };
const OVERWRITE: StagingOptions = StagingOptions { overwrite: true, sync: true };

fn refusal(out: &Path, options: StagingOptions) -> String {
    Staging::create(out, Nonce(1), options).unwrap_err().to_string()
}

#[test]
fn before_publishing_nothing_is_visible_and_after_it_everything_is() {
    for sync in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        let staging =
            Staging::create(&out, Nonce(0xabc), StagingOptions { sync, overwrite: false }).unwrap();
        assert_eq!(names(root.path()), [".out.gristmill-00000000000000000000000000000abc"]);
        assert_eq!(fs::metadata(staging.path()).unwrap().permissions().mode() & 0o777, 0o700);

        let loser = staging.attempt("r0#1").unwrap();
        loser.create_part("part-00000.tsv").unwrap().write_all(b"wrong").unwrap();
        let manifest =
            write_parts(&staging, "r0#2", &[("part-00000.tsv", "right"), ("side/x.txt", "y")]);
        assert!(!out.exists());
        staging.publish(&manifest).unwrap();

        assert_eq!(names(root.path()), ["out"]);
        assert_eq!(names(&out), ["_MANIFEST.json", "_SUCCESS", "part-00000.tsv", "side"]);
        assert_eq!(fs::read(out.join("part-00000.tsv")).unwrap(), b"right");
        assert_eq!(fs::read(out.join("_MANIFEST.json")).unwrap(), manifest);
        assert!(verify(&out).unwrap().findings.is_empty());
    }
}

#[test]
fn dropped_or_abandoned_output_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let staging = Staging::create(&out, Nonce(1), PLAIN).unwrap();
    write_parts(&staging, "r0#1", &[("part-00000", "x")]);
    let handle_that_outlives_it = staging.cleanup();
    drop(staging);
    assert_eq!(names(root.path()), [""; 0]);
    handle_that_outlives_it.run().unwrap();
    Staging::create(&out, Nonce(1), PLAIN).unwrap().cleanup().run().unwrap();
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn publishing_and_accepting_again_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let staging = Staging::create(&root.path().join("out"), Nonce(1), PLAIN).unwrap();
    let mut part = staging.attempt("r0#1").unwrap().create_part("part-00000").unwrap();
    part.write_all(b"x").unwrap();
    let sealed = [part.seal().unwrap()];
    staging.accept("r0#1", &sealed).unwrap();
    staging.accept("r0#1", &sealed).unwrap();
    let manifest = manifest_of("r0#1", &sealed);
    staging.publish(&manifest).unwrap();
    staging.publish(&manifest).unwrap();
    assert!(matches!(staging.publish(b"another"), Err(Error::Abandoned { .. })));
    fs::remove_dir_all(root.path().join("out")).unwrap();
    assert!(matches!(staging.publish(&manifest), Err(Error::Abandoned { .. })));
}

#[test]
fn each_part_name_is_accepted_once() {
    let root = tempfile::tempdir().unwrap();
    let staging = Staging::create(&root.path().join("out"), Nonce(1), PLAIN).unwrap();
    write_parts(&staging, "r0#1", &[("part-00000", "first")]);
    let second = staging.attempt("r0#2").unwrap();
    let sealed = second.create_part("part-00000").unwrap().seal().unwrap();
    assert!(matches!(
        staging.accept("r0#2", std::slice::from_ref(&sealed)),
        Err(Error::PartTwice { .. })
    ));
    assert!(staging.attempt("r0#2").unwrap().create_part("part-00001").is_err());
    assert!(staging.attempt("../x").is_err());
    second.discard().unwrap();
    let gone = staging.accept("r0#3", &[SealedPart { name: "part-00001".to_owned(), ..sealed }]);
    assert!(matches!(gone, Err(Error::Io { .. })));
}

#[test]
fn an_empty_folder_is_taken_and_anything_else_refused_before_any_work() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    fs::create_dir(&out).unwrap();
    let staging = Staging::create(&out, Nonce(1), PLAIN).unwrap();
    let manifest = write_parts(&staging, "r0#1", &[("part-00000", "x")]);
    staging.publish(&manifest).unwrap();
    assert!(verify(&out).unwrap().findings.is_empty());

    let exists = refusal(&out, PLAIN);
    assert!(
        exists.starts_with("output already exists: ") && exists.ends_with("--overwrite"),
        "{exists}"
    );
    touch(root.path(), &["file", "mine/x", "half/_MANIFEST.json"]);
    let file = refusal(&root.path().join("file"), OVERWRITE);
    assert!(file.starts_with("output exists and is not a folder: "), "{file}");
    assert_eq!(refusal(&root.path().join("file"), PLAIN), file);
    for (name, holds) in [("mine", "x"), ("half", "_MANIFEST.json")] {
        let exists = refusal(&root.path().join(name), PLAIN);
        let expected = format!("output folder is not empty: it holds {holds}: ");
        assert!(exists.starts_with(&expected), "{exists}");
        let foreign = refusal(&root.path().join(name), OVERWRITE);
        let expected = "output folder was not written by gristmill, so --overwrite ";
        assert!(foreign.starts_with(expected) && foreign.contains(holds), "{foreign}");
    }
    assert_eq!(names(root.path()), ["file", "half", "mine", "out"]);
}

#[test]
fn places_that_can_hold_no_output_are_refused() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["file"]);
    symlink("gone", root.path().join("link")).unwrap();
    for (out, expected) in [
        ("/", "output is the root of the file system: /\nhint: choose a folder inside it"),
        ("/proc", "output folder is not empty: it holds "),
        (
            "/proc/out",
            "output's parent folder cannot be written to: No such file or directory (os error 2): /proc\nhint: ",
        ),
        (
            "file/out",
            "failed to find output: Not a directory (os error 20): ROOT/file/out\nhint: check the path",
        ),
        ("no/out", "output's parent folder does not exist: ROOT/no\nhint: create it first"),
        ("no/..", "output's parent folder does not exist: ROOT/no\nhint: create it first"),
        ("link", "symbolic link leads to nothing: ROOT/link -> gone\nhint: fix or remove the link"),
    ] {
        let message =
            refusal(&root.path().join(out), PLAIN).replace(root.path().to_str().unwrap(), "ROOT");
        assert!(message.starts_with(expected), "{message}");
    }
    let long = root.path().join("x".repeat(250));
    assert!(refusal(&long, PLAIN).starts_with("output's name has 250 bytes, but the maximum is "));
    assert_eq!(names(root.path()), ["file", "link"]);
}

#[test]
fn links_to_an_output_folder_lead_to_it() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("disk/real")).unwrap();
    symlink("disk/real", root.path().join("out")).unwrap();
    let staging = Staging::create(&root.path().join("out"), Nonce(1), PLAIN).unwrap();
    let manifest = write_parts(&staging, "r0#1", &[("part-00000", "x")]);
    staging.publish(&manifest).unwrap();
    assert_eq!(names(root.path()), ["disk", "out"]);
    assert!(verify(&root.path().join("disk/real")).unwrap().findings.is_empty());
}

#[test]
fn an_old_output_stays_until_it_is_replaced_whole() {
    let root = tempfile::tempdir().unwrap();
    let out = published(root.path());
    let staging = Staging::create(&out, Nonce(2), OVERWRITE).unwrap();
    let manifest = write_parts(&staging, "r1#1", &[("part-00001", "new")]);
    assert!(out.join("part-00000.tsv").exists());
    staging.publish(&manifest).unwrap();
    staging.publish(&manifest).unwrap();
    assert_eq!(names(&out), ["_MANIFEST.json", "_SUCCESS", "part-00001"]);
    assert_eq!(names(root.path()), ["out"]);

    // It also succeeds if there is nothing to replace.
    let staging = Staging::create(&root.path().join("fresh"), Nonce(3), OVERWRITE).unwrap();
    let manifest = write_parts(&staging, "r1#1", &[("part-00001", "new")]);
    staging.publish(&manifest).unwrap();
    assert_eq!(names(root.path()), ["fresh", "out"]);
}

#[test]
fn files_that_appear_at_the_output_are_not_touched() {
    for options in [PLAIN, OVERWRITE] {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        let staging = Staging::create(&out, Nonce(1), options).unwrap();
        let manifest = write_parts(&staging, "r0#1", &[("part-00000", "x")]);
        touch(root.path(), &["out/mine"]);
        let error = staging.publish(&manifest).unwrap_err().to_string();
        assert!(error.starts_with("output folder "), "{error}");
        fs::remove_dir_all(&out).unwrap();
        fs::write(&out, "mine").unwrap();
        staging.publish(&manifest).unwrap_err();
        assert_eq!(fs::read(&out).unwrap(), b"mine");
        // The run can publish once the obstacle is removed.
        fs::remove_file(&out).unwrap();
        staging.publish(&manifest).unwrap();
        assert!(verify(&out).unwrap().findings.is_empty());
    }
}

#[test]
fn files_beside_an_old_output_are_never_removed() {
    let root = tempfile::tempdir().unwrap();
    let out = published(root.path());
    touch(root.path(), &["out/notes.txt"]);
    let error = refusal(&out, OVERWRITE);
    let expected = "output folder holds files that are not part of the earlier output: notes.txt: ";
    assert!(error.starts_with(expected), "{error}");
    fs::remove_file(out.join("notes.txt")).unwrap();

    // Files that were added during the run make it fail. They and the old output stay.
    let staging = Staging::create(&out, Nonce(2), OVERWRITE).unwrap();
    let manifest = write_parts(&staging, "r1#1", &[("part-00001", "new")]);
    touch(root.path(), &["out/.DS_Store", "out/side/mine"]);
    let error = staging.publish(&manifest).unwrap_err();
    assert!(matches!(error, Error::OutputHoldsOthers { .. }), "{error}");
    assert!(out.join("side/mine").exists() && out.join("part-00000.tsv").exists());
    fs::remove_dir_all(out.join("side")).unwrap();
    fs::remove_file(out.join(".DS_Store")).unwrap();
    staging.publish(&manifest).unwrap();
    assert_eq!(names(&out), ["_MANIFEST.json", "_SUCCESS", "part-00001"]);
}

#[test]
fn a_replaced_folder_hands_on_its_mode() {
    let root = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let out = root.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o2710)).unwrap();
    for (nonce, options) in [(1, PLAIN), (2, OVERWRITE)] {
        let staging = Staging::create(&out, Nonce(nonce), options).unwrap();
        let manifest = write_parts(&staging, "r0#1", &[("part-00000", "x")]);
        staging.publish(&manifest).unwrap();
        assert_eq!(mode(&out), 0o2710);
    }
    assert!(verify(&out).unwrap().findings.is_empty());
}

#[test]
fn commits_that_move_the_same_parts_at_once_do_not_take_them_for_damaged() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("from"), root.path().join("to"));
    let part = |n: usize| SealedPart { name: format!("part-{n:05}"), bytes: 1, crc32c: 0 };
    for folder in [&from, &to] {
        fs::create_dir(folder).unwrap();
    }
    let parts: Vec<_> = (0..2_000).map(part).collect();
    for part in &parts {
        fs::write(from.join(&part.name), "x").unwrap();
    }
    let move_all = || {
        for part in &parts {
            let moved = staging::move_part(&from.join(&part.name), &to.join(&part.name), part);
            // The other thread may move the part between the check and the rename. A real commit then tries again.
            let is_lost_race =
                matches!(&moved, Err(error) if error.to_string().contains("move part"));
            assert!(moved.is_ok() || is_lost_race, "{moved:?}");
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(move_all))));
    assert_eq!(fs::read_dir(&to).unwrap().count(), parts.len());
}
