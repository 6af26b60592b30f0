//! Tests that folders of killed runs are swept, folders of live runs stay, and an ended run cannot
//! bring its folder back.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::*;

const OPTIONS: StagingOptions = StagingOptions { overwrite: false, sync: false };

/// Another process that holds the lock of `folder`, like a run. It ends by SIGKILL.
struct OtherRun(Child);

impl OtherRun {
    fn start(folder: &Path) -> Self {
        touch(folder, &["lock", "output/part-00000"]);
        let mut child = Command::new("flock")
            .arg("--no-fork")
            .arg(folder.join("lock"))
            .args(["sh", "-c", "echo held; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for OtherRun {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn staging_name(name: &str, nonce: u128) -> String {
    format!(".{name}.gristmill-{nonce:032x}")
}

#[test]
fn staging_of_a_killed_run_is_swept_and_of_a_live_one_is_not() {
    let root = tempfile::tempdir().unwrap();
    let other = staging_name("out", 7);
    let mut run = OtherRun::start(&root.path().join(&other));
    Staging::create(&root.path().join("out"), Nonce(8), OPTIONS).unwrap();
    assert_eq!(names(root.path()), [other.as_str()]);
    run.kill();
    Staging::create(&root.path().join("another"), Nonce(8), OPTIONS).unwrap();
    assert_eq!(names(root.path()), [other.as_str()]);
    Staging::create(&root.path().join("out"), Nonce(8), OPTIONS).unwrap();
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn scratch_of_a_killed_run_is_swept_and_of_a_live_one_is_not() {
    let root = tempfile::tempdir().unwrap();
    let other = format!("gristmill-{:032x}", 7);
    let mut run = OtherRun::start(&root.path().join(&other));
    let places =
        ScratchPlaces { dir: Some(root.path()), staging: None, temporary: Path::new("/nowhere") };
    let scratch = Scratch::create(places, Nonce(8)).unwrap();
    assert_eq!(
        names(root.path()),
        [other.as_str(), scratch.path().file_name().unwrap().to_str().unwrap()]
    );
    run.kill();
    drop(scratch);
    drop(Scratch::create(places, Nonce(9)).unwrap());
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn only_leftovers_of_ours_are_swept() {
    let root = tempfile::tempdir().unwrap();
    let leftover = staging_name("out", 1);
    let keep = [
        ".out.gristmill-1".to_owned(),
        format!("{leftover}0"),
        leftover.replace(".out", "out"),
        leftover.replace(".out", ".outs"),
        format!("{leftover}.replaced"),
    ];
    for name in keep.iter().chain([&leftover, &format!("{leftover}.swept")]) {
        touch(root.path(), &[&format!("{name}/x")]);
    }
    fs::write(root.path().join(staging_name("out", 2)), "a file").unwrap();
    let staging = Staging::create(&root.path().join("out"), Nonce(3), OPTIONS).unwrap();
    let manifest = write_parts(&staging, "r0#1", &[]);
    let mut kept = names(root.path());
    kept.retain(|name| *name != staging_name("out", 3));
    let mut expected = keep.to_vec();
    expected.push(staging_name("out", 2));
    expected.sort();
    assert_eq!(kept, expected);

    // An old output that was moved aside is swept once a new output exists.
    staging.publish(&manifest).unwrap();
    Staging::create(
        &root.path().join("out"),
        Nonce(4),
        StagingOptions { overwrite: true, sync: false },
    )
    .unwrap();
    assert!(!root.path().join(format!("{leftover}.replaced")).exists());
}

#[test]
fn runs_that_begin_and_sweep_at_once_leave_each_other_alone() {
    let root = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for run in 0..4 {
            let out = root.path().join("out");
            scope.spawn(move || {
                for round in 0..50 {
                    let staging =
                        Staging::create(&out, Nonce(run * 1_000 + round), OPTIONS).unwrap();
                    write_parts(&staging, "r0#1", &[("part-00000", "x")]);
                }
            });
        }
    });
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn an_attempt_that_outlives_its_run_brings_nothing_back() {
    let root = tempfile::tempdir().unwrap();
    let staging = Staging::create(&root.path().join("out"), Nonce(1), OPTIONS).unwrap();
    let attempt = staging.attempt("r0#1").unwrap();
    let mut part = attempt.create_part("part-00000").unwrap();
    let cleanup = staging.cleanup();
    thread::spawn(move || cleanup.run()).join().unwrap().unwrap();

    part.write_all(b"late").unwrap();
    let sealed = part.seal().unwrap();
    assert!(attempt.create_part("part-00001").is_err() && attempt.create_part("_bad/x").is_err());
    let second = staging.attempt("r0#2").unwrap();
    assert!(matches!(second.create_part("part-00000"), Err(Error::Abandoned { .. })));
    assert!(matches!(staging.accept("r0#1", &[sealed]), Err(Error::Abandoned { .. })));
    assert!(matches!(staging.publish(b"{}"), Err(Error::Abandoned { .. })));
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn cleaning_up_wins_against_writers() {
    let root = tempfile::tempdir().unwrap();
    let staging = Staging::create(&root.path().join("out"), Nonce(1), OPTIONS).unwrap();
    thread::scope(|scope| {
        for writer in 0..3 {
            let attempt = staging.attempt(&format!("r{writer}#1")).unwrap();
            scope.spawn(move || (0..).find(|n| attempt.create_part(&format!("part-{n}")).is_err()));
        }
        staging.cleanup().run().unwrap();
    });
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn scratch_is_created_where_requested_or_refused() {
    let root = tempfile::tempdir().unwrap();
    let staging = Staging::create(&root.path().join("out"), Nonce(1), OPTIONS).unwrap();
    let beside = Scratch::create(
        ScratchPlaces { dir: None, staging: Some(&staging), temporary: root.path() },
        Nonce(2),
    )
    .unwrap();
    assert_eq!(beside.path().parent(), Some(staging.path()));
    let temporary = Scratch::create(
        ScratchPlaces { dir: None, staging: None, temporary: root.path() },
        Nonce(3),
    )
    .unwrap();
    assert_eq!(temporary.path().parent(), Some(root.path()));
    drop(staging);
    drop(beside);

    let missing = root.path().join("missing");
    let error = Scratch::create(
        ScratchPlaces { dir: Some(&missing), staging: None, temporary: root.path() },
        Nonce(4),
    );
    let message = error.unwrap_err().to_string().replace(root.path().to_str().unwrap(), "ROOT");
    let expected = "scratch folder cannot be written to: No such file or directory (os error 2): ROOT/missing\nhint: name another folder with --scratch DIR";
    assert_eq!(message, expected);

    let full = std::io::Error::from_raw_os_error(libc::ENOSPC);
    let path = temporary.join("spill-0");
    let message = Error::write("write spill", &path, full, Room::Scratch).to_string();
    assert!(message.starts_with("no space left for "), "{message}");
    assert!(
        message.ends_with("free some space, or name a folder on a larger disk with --scratch DIR"),
        "{message}"
    );
}
