//! Folders in which a node refuses to start, and the error messages.

use std::fs;
use std::path::Path;

use super::counting::Bench;
use crate::consensus::snapshot::SNAPSHOTS;
use crate::consensus::tables::LOG_FILE;
use crate::consensus::{Begin, Error, IDENTITY_FILE};

/// A folder in which 30 numbers were agreed on, the first of them in a snapshot.
async fn used() -> Bench {
    let mut bench = Bench::new();
    bench.limits.log_bytes = 800;
    let running = bench.begin().await;
    for n in 0..30 {
        running.add(n).await;
    }
    running.node.close().await;
    bench
}

async fn refusal(bench: &Bench, folder: &Path) -> String {
    let refused = bench.open(folder).await;
    let said = refused.err().expect("it is refused").to_string();
    assert!(said.contains(&bench.folder.path().display().to_string()), "names the place: {said}");
    said
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn empty_folder_is_not_initialised_without_init() {
    let bench = Bench::new();
    let said = refusal(&bench, &bench.data()).await;
    assert!(said.contains("give --init to start a new cluster"), "{said}");
    assert!(!bench.data().exists());
}

#[tokio::test]
async fn new_master_needs_an_empty_folder() {
    let bench = Bench::new();
    let data = bench.data();
    for begin in [Begin::Member { cluster: 0xc1 }, Begin::Cluster { cluster: 0xc1 }] {
        for (name, is_folder) in [("notes.txt", false), ("other", true), ("w1\n", true)] {
            fs::create_dir_all(&data).unwrap();
            match is_folder {
                true => fs::create_dir(data.join(name)).unwrap(),
                false => fs::write(data.join(name), "of a user").unwrap(),
            }
            let refused = bench.start(bench.options(&data, begin)).await.err().unwrap();
            let said = refused.to_string();
            let shown = name.replace('\n', "\\n");
            assert!(said.contains(&format!("not empty: it holds `{shown}`")), "{said}");
            assert!(said.contains(&data.display().to_string()), "{said}");
            assert!(data.join(name).exists() && !data.join(LOG_FILE).exists(), "nothing changed");
            fs::remove_dir_all(&data).unwrap();
        }
        // What a file system contains from the start, and what an interrupted start has left.
        fs::create_dir_all(data.join("lost+found")).unwrap();
        fs::create_dir_all(data.join(SNAPSHOTS)).unwrap();
        let running = bench.start(bench.options(&data, begin)).await.unwrap();
        running.node.close().await;
        fs::remove_dir_all(&data).unwrap();
    }
}

#[tokio::test]
async fn a_wiped_folder_is_refused_with_what_is_missing() {
    let bench = used().await;
    let snapshots = bench.data().join(SNAPSHOTS);
    let moved = bench.folder.path().join("elsewhere");
    fs::rename(&snapshots, &moved).unwrap();
    let said = refusal(&bench, &bench.data()).await;
    assert!(said.contains("master 1 has lost snapshots/0"), "{said}");
    assert!(said.contains("restore that file"), "{said}");
    fs::rename(&moved, &snapshots).unwrap();

    let log = bench.data().join(LOG_FILE);
    fs::rename(&log, &moved).unwrap();
    let said = refusal(&bench, &bench.data()).await;
    assert!(said.contains("master 1 has lost log.redb"), "{said}");
    let again = bench.start(bench.options(&bench.data(), Begin::Cluster { cluster: 0xc2 })).await;
    assert!(matches!(again.err(), Some(Error::Wiped { .. })), "not with --init either");
    fs::rename(&moved, &log).unwrap();

    let running = bench.open(&bench.data()).await.unwrap();
    assert_eq!(running.counter.state(), (29 * 15, 30), "whole again");
}

#[tokio::test]
async fn folder_without_identity_is_refused() {
    let bench = used().await;
    fs::remove_file(bench.data().join(IDENTITY_FILE)).unwrap();
    let said = refusal(&bench, &bench.data()).await;
    assert!(said.contains("holds log.redb but no identity file"), "{said}");
    let again = bench.start(bench.options(&bench.data(), Begin::Cluster { cluster: 0xc2 })).await;
    assert!(matches!(again.err(), Some(Error::Nameless { .. })), "not with --init either");
}

#[tokio::test]
async fn the_folder_of_another_is_refused() {
    let bench = used().await;
    let identity = bench.data().join(IDENTITY_FILE);
    let options =
        crate::consensus::Options { node: 2, ..bench.options(&bench.data(), Begin::Nothing) };
    let refused = bench.start(options).await.err().unwrap().to_string();
    assert!(
        refused.contains("belongs to master 1") && refused.contains("give --id 1"),
        "{refused}"
    );

    edit(&identity, "000c1", "000c2");
    let said = refusal(&bench, &bench.data()).await;
    assert!(said.contains("000c1") && said.contains("000c2"), "{said}");
    edit(&identity, "000c2", "000c1");
    edit(&identity, "format 10", "format 9");
    let said = refusal(&bench, &bench.data()).await;
    assert!(
        said.contains("has format 9, but this version of gristmill writes format 10"),
        "{said}"
    );
    fs::write(&identity, "some file of somebody").unwrap();
    let said = refusal(&bench, &bench.data()).await;
    assert!(said.contains("does not begin with `gristmill master`"), "{said}");
}

#[tokio::test]
async fn a_folder_belongs_to_one_process() {
    let bench = Bench::new();
    let running = bench.begin().await;
    let said = refusal(&bench, &bench.data()).await;
    assert!(said.contains("another process uses the log"), "{said}");
    running.node.close().await;
    bench.open(&bench.data()).await.unwrap();
}

#[tokio::test]
async fn interrupted_initialisation_starts_over() {
    let bench = Bench::new();
    fs::create_dir_all(bench.data()).unwrap();
    fs::write(bench.data().join(".incoming-log.redb"), "half a file").unwrap();
    let running = bench.begin().await;
    assert_eq!(running.add(1).await, 1);
}
