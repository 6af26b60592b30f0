//! Map outputs: kept across a restart, fetched by other workers, and checked for damage.

use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gristmill::model::{AttemptId, Cause, WorkerId};
use gristmill::record::block::Codec;
use gristmill::rpc::workers::{Done, HeldState, LocatedMap};
use gristmill::shuffle::SpillFile;
use gristmill::worker::{Limiter, Options};

use crate::cluster::{Cluster, NONCE};
use crate::executor::crc;

/// Runs the map of this index on a worker, and publishes the location of its output.
async fn mapped(cluster: &Cluster, worker: u64, index: u32) -> AttemptId {
    let attempt = cluster.give(worker, cluster.map(index));
    let master = &cluster.network.master;
    assert!(matches!(master.end_of(attempt).await, HeldState::Done(Done::Map { .. })));
    let at = Some((1, WorkerId(worker), format!("worker-{worker}")));
    master.with(|known| known.located.push(LocatedMap { map: index, within: None, at }));
    attempt
}

fn output_file(cluster: &Cluster, worker: u32, map: u32) -> std::path::PathBuf {
    cluster.data(worker).join("jobs").join(NONCE.to_string()).join(format!("outputs/m{map}-1"))
}

/// Returns a checksum over the stored bytes of a partition.
fn stored(cluster: &Cluster, worker: u32, map: u32, partition: u32) -> u64 {
    let file = SpillFile::open(output_file(cluster, worker, map)).unwrap();
    let info = file.index().segments[partition as usize];
    let mut bytes = vec![0; info.stored_bytes as usize];
    file.read_stored(partition, 0, &mut bytes).unwrap();
    crc(&bytes).into()
}

fn damage(cluster: &Cluster, worker: u32, map: u32, partition: u32) {
    let path = output_file(cluster, worker, map);
    let info = SpillFile::open(&path).unwrap().index().segments[partition as usize];
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"damaged!", info.offset + info.stored_bytes / 2).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduce_gets_its_partition_of_all_maps_wherever_they_are_and_as_they_come() {
    let mut cluster = Cluster::new();
    let first = cluster.worker(|_, _| {}).await;
    let second = cluster.worker(|_, _| {}).await;
    mapped(&cluster, 1, 0).await;
    // The first piece is damaged once on its way, and requested again.
    cluster.network.damages.store(1, Ordering::SeqCst);
    let reduce = cluster.give(2, cluster.reduce(1, 2));
    let master = &cluster.network.master;
    master
        .until("the first output is fetched before the second is made", |known| {
            known.polls.iter().rev().find(|poll| poll.worker == WorkerId(2))?.held.iter().find_map(
                |held| {
                    let is_one = matches!(held.state, HeldState::Running { fetched: 1, .. });
                    (is_one && held.attempt == reduce).then_some(())
                },
            )
        })
        .await;
    assert_eq!(cluster.network.fetches.load(Ordering::SeqCst), 2);
    mapped(&cluster, 2, 1).await;
    let HeldState::Done(Done::Reduce { counters, .. }) = master.end_of(reduce).await else {
        panic!("it failed")
    };
    assert_eq!(counters.get("Test", "records"), 100_000);
    for map in 0..2 {
        let found = counters.get("Test", &format!("crc of m{map}"));
        assert_eq!(found, stored(&cluster, map + 1, map, 1), "m{map}");
    }
    assert_eq!(cluster.network.fetches.load(Ordering::SeqCst), 2, "its own it reads where it lies");
    first.end().await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reduce_stops_waiting_for_a_frozen_worker_if_output_is_elsewhere() {
    let mut cluster = Cluster::new();
    let first = cluster.worker(|_, _| {}).await;
    let second = cluster.worker(|_, _| {}).await;
    let third = cluster.worker(|_, _| {}).await;
    mapped(&cluster, 1, 0).await;
    *cluster.network.frozen.lock().unwrap() = Some("worker-1".into());
    let reduce = cluster.give(3, cluster.reduce(0, 1));
    let fetches = || cluster.network.fetches.load(Ordering::SeqCst);
    let master = &cluster.network.master;
    master.until("the frozen one is asked", |_| (fetches() == 1).then_some(())).await;
    master.with(|known| {
        known.located.push(LocatedMap { map: 0, within: None, at: None });
        // The same attempt ends on the second worker next, and the test waits for that end.
        known.ended.clear();
    });
    mapped(&cluster, 2, 0).await;
    // A request without an answer ends by itself after half a minute.
    let ended = tokio::time::timeout(Duration::from_secs(20), master.end_of(reduce)).await;
    let ended = ended.expect("soon");
    assert!(matches!(ended, HeldState::Done(Done::Reduce { .. })), "{ended:?}");
    assert_eq!(fetches(), 2);
    first.end().await;
    second.end().await;
    third.end().await;
}

/// Returns the outputs that a failed reduce reports as lost, each with whether it is damaged.
async fn lost(cluster: &Cluster, reduce: AttemptId) -> Vec<(AttemptId, bool)> {
    let ended = cluster.network.master.end_of(reduce).await;
    cluster.network.master.with(|known| known.ended.clear());
    let HeldState::Failed { failure, lost } = ended else { panic!("{ended:?}") };
    assert_eq!(failure.cause, Cause::FetchFailed, "{}", failure.message);
    lost.iter().map(|lost| (lost.attempt, lost.is_corrupt)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_workers_on_one_machine_are_read_where_they_lie() {
    let mut cluster = Cluster::new();
    let machine = |options: &mut Options, _: &mut Limiter| options.machine = "this one".into();
    let first = cluster.worker(machine).await;
    let second = cluster.worker(machine).await;
    let other = cluster.worker(|options, _| options.machine = "another".into()).await;
    let sending = cluster.worker(|_, _| {}).await;
    let kept = mapped(&cluster, 1, 0).await;
    let network = cluster.network.clone();
    let places = || network.places.swap(0, Ordering::SeqCst);
    mapped(&cluster, 4, 1).await;
    let codec =
        |worker, map| SpillFile::open(output_file(&cluster, worker, map)).unwrap().header().codec;
    assert_eq!(
        (codec(1, 0), codec(4, 1)),
        (Codec::Stored, Codec::Lz4),
        "only what may be sent is compressed"
    );
    let crc = stored(&cluster, 1, 0, 0);
    // The reducer is a neighbour, a worker elsewhere, and a neighbour that does not see the file and requests its
    // bytes.
    for (worker, misplaces, expected) in [(2, false, 1), (3, false, 0), (2, true, 1)] {
        network.misplaces.store(misplaces, Ordering::SeqCst);
        let reduce = cluster.give(worker, cluster.reduce(0, 1));
        let ended = network.master.end_of(reduce).await;
        let HeldState::Done(Done::Reduce { counters, .. }) = ended else { panic!("{ended:?}") };
        assert_eq!(counters.get("Test", "crc of m0"), crc, "{worker}");
        assert_eq!(places(), expected, "{worker}");
        network.master.with(|known| known.ended.clear());
    }
    network.misplaces.store(false, Ordering::SeqCst);
    damage(&cluster, 1, 0, 0);
    let reduce = cluster.give(2, cluster.reduce(0, 1));
    assert_eq!(lost(&cluster, reduce).await, [(kept, true)]);
    first.end().await;
    second.end().await;
    other.end().await;
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_with_only_wrong_paths_is_given_up() {
    let mut cluster = Cluster::new();
    let machine = |options: &mut Options, _: &mut Limiter| options.machine = "this one".into();
    let first = cluster.worker(machine).await;
    let second = cluster.worker(machine).await;
    let made = mapped(&cluster, 1, 0).await;
    let network = cluster.network.clone();
    network.insists.store(true, Ordering::SeqCst);
    // At the path there is nothing, a FIFO, and a folder.
    for number in 0..3 {
        let lies = cluster.folder.path().join(format!("lies-{number}"));
        match number {
            0 => {}
            1 => {
                let fifo = std::process::Command::new("mkfifo").arg(&lies).status().unwrap();
                assert!(fifo.success());
            }
            _ => std::fs::create_dir(&lies).unwrap(),
        }
        *network.lies.lock().unwrap() = lies;
        let before = network.fetches.load(Ordering::SeqCst);
        let reduce = cluster.give(2, cluster.reduce(0, 1));
        assert_eq!(lost(&cluster, reduce).await, [(made, false)], "{number}");
        let asked = network.fetches.load(Ordering::SeqCst) - before;
        assert_eq!(asked, 3, "once by name of the machine, and twice for the bytes");
    }
    first.end().await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_output_is_asked_for_twice_and_then_named() {
    let mut cluster = Cluster::new();
    let first = cluster.worker(|_, _| {}).await;
    let second = cluster.worker(|_, _| {}).await;
    let whole = mapped(&cluster, 1, 0).await;
    let damaged = mapped(&cluster, 1, 1).await;
    damage(&cluster, 1, 1, 0);
    let missing = whole.task.job.task(whole.task.kind, 2).attempt(1);
    let at = Some((1, WorkerId(1), "worker-1".to_string()));
    cluster
        .network
        .master
        .with(|known| known.located.push(LocatedMap { map: 2, within: None, at }));
    // The reduce runs elsewhere, and then on the worker that has the damaged output. That worker finds the damage only
    // when it reads the output.
    for (worker, expected) in
        [(2, vec![(damaged, true), (missing, false)]), (1, vec![(missing, false)])]
    {
        let reduce = cluster.give(worker, cluster.reduce(0, 3));
        assert_eq!(lost(&cluster, reduce).await, expected);
    }
    assert_eq!(cluster.network.fetches.load(Ordering::SeqCst), 2);
    cluster.network.master.with(|known| known.located.pop());
    let reduce = cluster.give(1, cluster.reduce(0, 2));
    assert_eq!(lost(&cluster, reduce).await, [(damaged, true)]);
    // The other partition of the damaged output is still available.
    let reduce = cluster.give(2, cluster.reduce(1, 2));
    let ended = cluster.network.master.end_of(reduce).await;
    assert!(matches!(ended, HeldState::Done(Done::Reduce { .. })), "{ended:?}");
    first.end().await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_back_registers_the_outputs_that_are_whole() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let kept = mapped(&cluster, 1, 0).await;
    mapped(&cluster, 1, 1).await;
    worker.end().await;
    let path = output_file(&cluster, 1, 1);
    let bytes = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(bytes - 1).unwrap();

    let data = cluster.data(1);
    let back = cluster.worker(|options, _| options.data = data).await;
    let register = cluster.network.master.with(|known| known.registered.last().cloned()).unwrap();
    assert_eq!(register.worker, Some(WorkerId(1)));
    let outputs: Vec<_> = register.outputs.iter().map(|held| (held.attempt, held.nonce)).collect();
    assert_eq!(outputs, [(kept, NONCE)]);
    let digest = SpillFile::open(output_file(&cluster, 1, 0)).unwrap().index().digest;
    assert_eq!(register.outputs[0].digest, digest);
    assert!(!path.exists());
    back.end().await;
}
