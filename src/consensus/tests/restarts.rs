//! After a restart, committed entries are restored from the log, from a snapshot, or from both.

use super::counting::Bench;
use crate::consensus::snapshot::SNAPSHOTS;

#[tokio::test]
async fn restart_loses_nothing_and_continues() {
    let bench = Bench::new();
    let mut running = bench.begin().await;
    let mut sum = 0;
    for round in 1..=3 {
        for n in 0..20 {
            sum += n;
            assert_eq!(running.add(n).await, sum);
        }
        running.node.close().await;
        running = bench.open(&bench.data()).await.unwrap();
        assert_eq!(running.counter.state(), (sum, round * 20), "before anything is proposed");
    }
    assert!(bench.fatal.lock().unwrap().is_empty());
}

#[tokio::test]
async fn init_in_a_used_folder_continues() {
    let bench = Bench::new();
    let running = bench.begin().await;
    running.add(5).await;
    running.node.close().await;
    let running = bench.begin().await;
    assert_eq!(running.counter.state(), (5, 1));
}

#[tokio::test]
async fn log_is_truncated_by_bytes_and_one_snapshot_is_kept() {
    let mut bench = Bench::new();
    bench.limits.log_bytes = 4_000;
    let running = bench.begin().await;
    for n in 0..600 {
        running.add(n).await;
    }
    let expected = (599 * 300, 600);
    assert_eq!(running.counter.state(), expected);
    running.node.close().await;
    let snapshots = std::fs::read_dir(bench.data().join(SNAPSHOTS)).unwrap().count();
    assert_eq!(snapshots, 1);

    let running = bench.open(&bench.data()).await.unwrap();
    assert_eq!(running.counter.state(), expected);
    let log = running.node.log_entries().await;
    assert!(log < 300, "{log} entries are still there");
    assert_eq!(running.add(1).await, expected.0 + 1);
}

#[tokio::test]
async fn the_log_is_cut_by_its_entries_too() {
    let mut bench = Bench::new();
    bench.limits.log_entries = 100;
    let running = bench.begin().await;
    for n in 0..350 {
        running.add(n).await;
    }
    let log = running.node.log_entries().await;
    assert!(log < 250, "{log} entries are still there");
    running.node.close().await;
    let running = bench.open(&bench.data()).await.unwrap();
    assert_eq!(running.counter.state(), (349 * 175, 350));
}

/// A kill between any two steps of storing a snapshot leaves unnamed files.
#[tokio::test]
async fn remains_of_an_unfinished_snapshot_are_ignored_and_swept() {
    let mut bench = Bench::new();
    bench.limits.log_bytes = 2_000;
    let running = bench.begin().await;
    running.add(3).await;
    running.node.close().await;
    let snapshots = bench.data().join(SNAPSHOTS);
    let half = snapshots.join(".incoming-00000000000000000900-1.snapshot");
    let unnamed = snapshots.join("00000000000000000901-1.snapshot");
    std::fs::write(&half, "half a").unwrap();
    std::fs::write(&unnamed, "a whole one that the log does not name").unwrap();
    let running = bench.open(&bench.data()).await.unwrap();
    assert_eq!(running.counter.state(), (3, 1));
    for _ in 0..200 {
        running.add(0).await;
    }
    running.node.close().await;
    assert!(!half.exists() && !unnamed.exists(), "both are swept with the next one");
    assert_eq!(bench.open(&bench.data()).await.unwrap().counter.state(), (3, 201));
}
