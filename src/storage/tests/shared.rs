//! Tests a staging folder that several processes share, with repeated, concurrent and late
//! publishers.

use std::io::Write;

use super::*;

const PLAIN: StagingOptions = StagingOptions { overwrite: false, sync: false };
const OVERWRITE: StagingOptions = StagingOptions { overwrite: true, sync: true };
const NONCE: Nonce = Nonce(0xabc);

/// Writes one part as an attempt, and seals it.
fn attempt(out: &Path, name: &str, part: &str, content: &str) -> (String, Vec<SealedPart>) {
    let staging = SharedStaging::open(out, NONCE, PLAIN).unwrap();
    let mut writer = staging.attempts().create(name).unwrap().create_part(part).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    let sealed = writer.seal().unwrap();
    staging.seal(name, content.as_bytes()).unwrap();
    (name.to_owned(), vec![sealed])
}

fn manifest(winners: &[(String, Vec<SealedPart>)], created: &str) -> Vec<u8> {
    let sealed: Vec<SealedPart> = winners.iter().flat_map(|(_, parts)| parts.clone()).collect();
    let mut manifest: Manifest = serde_json::from_slice(&manifest_of(created, &sealed)).unwrap();
    manifest.nonce = Some(NONCE);
    serde_json::to_vec(&manifest).unwrap()
}

#[test]
fn attempts_in_any_process_write_what_one_of_them_publishes() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    for _ in 0..2 {
        SharedStaging::create(&out, NONCE, PLAIN).unwrap();
    }
    let winners = [
        attempt(&out, "r00000-2", "part-00000", "x"),
        attempt(&out, "m00000-1", "_bad/part-m-00000.jsonl", "{}"),
    ];
    attempt(&out, "r00000-1", "part-00000", "lost");
    let staging = SharedStaging::open(&out, NONCE, PLAIN).unwrap();
    assert_eq!(staging.sealed("r00000-2").unwrap(), b"x");
    assert!(staging.sealed("r00000-9").is_err());
    // Another run with the same output leaves the folder alone.
    drop(Staging::create(&out, Nonce(1), PLAIN).unwrap());
    assert_eq!(names(root.path()), [".out.gristmill-00000000000000000000000000000abc.job"]);

    let late = SharedStaging::open(&out, NONCE, PLAIN).unwrap();
    staging.publish(&winners, &manifest(&winners, "now")).unwrap();
    assert_eq!(names(root.path()), ["out"]);
    assert_eq!(fs::read(out.join("part-00000")).unwrap(), b"x");
    assert!(verify(&out).unwrap().findings.is_empty());
    let published = SharedStaging::published(&out, NONCE).unwrap();
    assert_eq!((published.parts.len(), published.created.as_str()), (2, "now"));
    assert!(SharedStaging::published(&out, Nonce(1)).is_none());

    // A late publisher changes nothing and recreates nothing.
    let error = late.publish(&winners, &manifest(&winners, "late")).unwrap_err();
    assert!(matches!(error, Error::Abandoned { .. }), "{error}");
    let error = late.attempts().create("r00001-1").unwrap().create_part("part-00001").unwrap_err();
    assert!(matches!(error, Error::Abandoned { .. }), "{error}");
    assert!(late.seal("r00000-1", b"").is_err());
    assert_eq!(names(root.path()), ["out"]);
    assert_eq!(SharedStaging::published(&out, NONCE).unwrap().created, "now");
}

#[test]
fn a_commit_goes_on_where_another_was_killed() {
    // Number of steps that the first commit completed: moved a part, wrote a mark, published, began to remove.
    for steps in 0..5 {
        let root = tempfile::tempdir().unwrap();
        let out = published(root.path());
        let old = fs::read(out.join(MANIFEST_NAME)).unwrap();
        let staging = SharedStaging::create(&out, NONCE, OVERWRITE).unwrap();
        let winners = [
            attempt(&out, "r00000-1", "part-00000.tsv", "new\t1\n"),
            attempt(&out, "r00001-1", "part-00001.tsv", "new\t2\n"),
        ];
        let folder = root.path().join(".out.gristmill-00000000000000000000000000000abc.job");
        let output = folder.join("output");
        let first = manifest(&winners, "first");
        if steps > 0 {
            let part = folder.join("attempts/r00000-1/part-00000.tsv");
            fs::rename(part, output.join("part-00000.tsv")).unwrap();
        }
        if steps > 1 {
            fs::write(output.join(MANIFEST_NAME), b"half").unwrap();
        }
        if steps > 2 {
            let part = folder.join("attempts/r00001-1/part-00001.tsv");
            fs::rename(part, output.join("part-00001.tsv")).unwrap();
            crate::storage::publish::write_marks(&output, &first, false).unwrap();
            crate::storage::publish::replace(&output, &out, OVERWRITE, &first).unwrap();
            assert_eq!(fs::read(output.join(MANIFEST_NAME)).unwrap(), old, "exchanged");
        }
        if steps > 3 {
            fs::remove_dir_all(folder.join("attempts")).unwrap();
        }
        staging.publish(&winners, &manifest(&winners, "second")).unwrap();
        assert_eq!(names(root.path()), ["out"], "{steps}");
        assert_eq!(fs::read(out.join("part-00001.tsv")).unwrap(), b"new\t2\n", "{steps}");
        assert!(verify(&out).unwrap().findings.is_empty(), "{steps}");
        let created = SharedStaging::published(&out, NONCE).unwrap().created;
        assert_eq!(created, if steps > 2 { "first" } else { "second" });
    }
}

#[test]
fn commits_beside_each_other_publish_once() {
    for round in 0..20 {
        let root = tempfile::tempdir().unwrap();
        let out = published(root.path());
        SharedStaging::create(&out, NONCE, OVERWRITE).unwrap();
        let winners: Vec<_> = (0..20)
            .map(|i| attempt(&out, &format!("r{i:05}-1"), &format!("part-{i:05}"), "x"))
            .collect();
        let all_wait = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for number in 0..3 {
                let (winners, out, all_wait) = (&winners, &out, &all_wait);
                scope.spawn(move || {
                    let staging = SharedStaging::open(out, NONCE, OVERWRITE).unwrap();
                    let manifest = manifest(winners, &number.to_string());
                    all_wait.wait();
                    match staging.publish(winners, &manifest) {
                        Ok(()) | Err(Error::Abandoned { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                    assert!(SharedStaging::published(out, NONCE).is_some());
                });
            }
        });
        assert_eq!(names(root.path()), ["out"], "{round}");
        assert!(verify(&out).unwrap().findings.is_empty(), "{round}");
    }
}

#[test]
fn a_folder_that_cannot_be_seen_is_not_shared() {
    let root = tempfile::tempdir().unwrap();
    let error = SharedStaging::open(&root.path().join("out"), NONCE, PLAIN).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("not shared: the output's staging folder is not visible on host "));
    let path = ".out.gristmill-00000000000000000000000000000abc.job\nhint: choose an --output on a file system that every worker has at the same path";
    assert!(text.ends_with(path), "{text}");
    let error = SharedStaging::open(&root.path().join("no/out"), NONCE, PLAIN).unwrap_err();
    assert!(matches!(error, Error::NotShared { .. }), "{error}");
}

#[test]
fn sweeping_removes_all_that_a_job_left_and_may_be_asked_again() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let staging = SharedStaging::create(&out, NONCE, PLAIN).unwrap();
    attempt(&out, "r00000-1", "part-00000", "x");
    let other = SharedStaging::create(&out, Nonce(2), PLAIN).unwrap();
    for _ in 0..2 {
        SharedStaging::sweep(&out, NONCE).unwrap();
        assert_eq!(names(root.path()), [".out.gristmill-00000000000000000000000000000002.job"]);
    }
    assert!(staging.attempts().create("r00000-2").unwrap().create_part("part-00000").is_err());
    drop(other);
    SharedStaging::sweep(&out, Nonce(2)).unwrap();
    SharedStaging::sweep(&root.path().join("no/out"), NONCE).unwrap();
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn invalid_output_is_refused_before_any_work() {
    let root = tempfile::tempdir().unwrap();
    let out = published(root.path());
    for (overwrite, expected) in [(false, false), (true, true)] {
        assert_eq!(SharedStaging::check(&out, overwrite).is_ok(), expected);
    }
    let error = SharedStaging::create(&root.path().join("no/out"), NONCE, PLAIN).unwrap_err();
    assert!(matches!(error, Error::ParentMissing { .. }), "{error}");
    assert_eq!(names(root.path()), ["out"]);
}
