//! Folders that were restored from old copies are refused, and so is a history that contradicts a newer one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::counting::Bench;
use super::group::Group;

/// Far longer than anything that a test waits for takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn restore(group: &Group, place: usize, copied: &Path) {
    fs::remove_dir_all(group.folder(place)).unwrap();
    copy(copied, &group.folder(place));
}

/// The first message of a master that had to end.
async fn fatal(group: &Group) -> String {
    let told = async {
        loop {
            if let Some(fatal) = group.bench.fatal.lock().unwrap().first() {
                return fatal.message.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("a master has to end")
}

/// Waits until all nodes have applied what was agreed on, including their own starts.
async fn settle(group: &Group, state: (u64, u64)) {
    for place in 0..3 {
        group.reaches(place, state).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_follower_is_refused_and_the_others_go_on() {
    let mut group = Group::of(Bench::new(), 3).await;
    let leader = group.leader().await;
    let (old, other) = ((leader + 1) % 3, (leader + 2) % 3);
    group.at(leader).add(1).await;
    settle(&group, (1, 1)).await;
    group.stop(old).await;
    let copied = group.bench.folder.path().join("copy");
    copy(&group.folder(old), &copied);
    group.start_again(old).await;
    group.at(leader).add(1).await;
    settle(&group, (2, 2)).await;

    group.stop(old).await;
    restore(&group, old, &copied);
    group.start_again(old).await;
    let said = fatal(&group).await;
    assert!(
        said.contains("this folder is an older copy")
            && said.contains("this is start number 2")
            && said.contains("has recorded another process under that number"),
        "{said}"
    );
    assert!(said.contains(&group.folder(old).display().to_string()), "{said}");
    assert!(said.contains("\nhint: restore the newest copy"), "{said}");
    assert_eq!(group.at(leader).add(1).await, 3);
    group.reaches(other, (3, 3)).await;
    assert_eq!(group.at(old).counter.state(), (1, 1), "it takes no part");
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_of_a_running_master_is_refused_by_its_entries() {
    let mut group = Group::of(Bench::new(), 3).await;
    let leader = group.leader().await;
    let old = (leader + 1) % 3;
    group.at(leader).add(1).await;
    settle(&group, (1, 1)).await;
    let copied = group.bench.folder.path().join("copy");
    copy(&group.folder(old), &copied);
    for _ in 0..5 {
        group.at(leader).add(1).await;
    }
    settle(&group, (6, 6)).await;
    group.at(leader).add(1).await;
    group.stop(old).await;
    restore(&group, old, &copied);
    group.start_again(old).await;
    let said = fatal(&group).await;
    assert!(
        said.contains("an older copy") && said.contains("the folder's last entry is"),
        "{said}"
    );
    assert_eq!(group.at(leader).add(1).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_leader_is_refused_too() {
    let mut group = Group::of(Bench::new(), 3).await;
    let first = group.leader().await;
    group.at(first).add(1).await;
    settle(&group, (1, 1)).await;
    group.stop(first).await;
    let copied = group.bench.folder.path().join("copy");
    copy(&group.folder(first), &copied);
    group.start_again(first).await;
    let leader = group.leader().await;
    group.at(leader).add(1).await;
    settle(&group, (2, 2)).await;
    group.stop(first).await;
    restore(&group, first, &copied);
    let leader = group.leader().await;
    group.at(leader).add(1).await;
    group.start_again(first).await;
    let said = fatal(&group).await;
    assert!(said.contains("this folder is an older copy"), "{said}");
    assert_eq!(group.at(leader).add(1).await, 4);
}

/// A node that lags behind and a node from an old copy are a majority. Nothing can prevent this, since neither knows
/// better.
#[tokio::test(flavor = "multi_thread")]
async fn master_that_knows_better_refuses_a_history_that_contradicts_its_own() {
    let mut group = Group::of(Bench::new(), 3).await;
    let knows = group.leader().await;
    let (old, lags) = ((knows + 1) % 3, (knows + 2) % 3);
    group.at(knows).add(1).await;
    settle(&group, (1, 1)).await;
    group.stop(lags).await;
    group.stop(old).await;
    let copied = group.bench.folder.path().join("copy");
    copy(&group.folder(old), &copied);
    group.start_again(old).await;
    let leader = group.leader().await;
    for _ in 0..5 {
        group.at(leader).add(10).await;
    }
    group.reaches(knows, (51, 6)).await;
    group.reaches(old, (51, 6)).await;
    group.stop(knows).await;
    group.stop(old).await;

    restore(&group, old, &copied);
    group.start_again(old).await;
    group.start_again(lags).await;
    let leader = group.leader().await;
    assert_eq!(group.at(leader).add(100).await, 101, "what was agreed on since is gone");
    assert!(group.bench.fatal.lock().unwrap().is_empty());
    for _ in 0..2 {
        group.start_again(knows).await;
        let said = fatal(&group).await;
        assert!(said.contains("contradicts entries that this master has applied"), "{said}");
        assert!(said.contains(&group.folder(knows).display().to_string()), "{said}");
        assert!(said.contains("another master was probably started"), "{said}");
        assert_eq!(group.at(knows).counter.state(), (51, 6), "it keeps what it knows");
        group.stop(knows).await;
        group.bench.fatal.lock().unwrap().clear();
    }
    assert_eq!(group.at(leader).add(100).await, 201, "the majority goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_that_restart_often_are_never_taken_for_copies() {
    let mut bench = Bench::new();
    bench.limits.log_bytes = 2_000;
    let mut group = Group::of(bench, 3).await;
    let mut sum = 0;
    for round in 0..6 {
        for _ in 0..20 {
            let leader = group.leader().await;
            sum = group.at(leader).add(1).await;
        }
        group.stop(round % 3).await;
        group.start_again(round % 3).await;
    }
    let leader = group.leader().await;
    assert_eq!(group.at(leader).add(1).await, sum + 1);
    for place in 0..3 {
        group.reaches(place, (121, 121)).await;
    }
    assert_eq!(group.bench.fatal.lock().unwrap().clone(), []);
}
