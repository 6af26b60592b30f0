//! Artifacts: a master stores exactly what was sent, or nothing.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gristmill::clock::{Clock, Manual};
use gristmill::master::{Begin, Error, LEASE_MS_MIN, Limits, Master, Options, Seat, run};
use gristmill::model::{JobId, Nonce};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::jobs::Jobs;
use gristmill::rpc::workers::Workers;

use crate::bench::{Bench, class};
use crate::fake::register;

#[tokio::test]
async fn an_artifact_comes_back_as_it_was_sent() {
    let bench = Bench::new();
    let bytes = vec![7; 3 << 20];
    let digest = bench.put(&bytes).await;
    assert!(bench.master.has(digest).await.unwrap());
    let copy = bench.folder.path().join("copy");
    bench.master.get(digest, &copy).await.unwrap();
    assert_eq!(fs::read(&copy).unwrap(), bytes);
    assert_eq!(bench.put(&bytes).await, digest, "twice is once");
    assert_eq!(class(bench.master.get(Digest(5), &copy).await), "not found");
}

#[tokio::test]
async fn artifact_with_a_wrong_digest_is_refused_and_not_stored() {
    let bench = Bench::new();
    let file = bench.folder.path().join("upload");
    fs::write(&file, b"bytes").unwrap();
    assert_eq!(class(bench.master.put(Digest(5), &file).await), "invalid");
    assert!(!bench.master.has(Digest(5)).await.unwrap());
    let folder = bench.folder.path().join("data/artifacts");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    let missing = bench.folder.path().join("missing");
    assert_eq!(class(bench.master.put(Digest(5), &missing).await), "internal");
}

#[tokio::test]
async fn damaged_and_lost_artifacts_are_repaired_by_sending_again() {
    let bench = Bench::new();
    let digest = bench.put(b"sound bytes").await;
    let stored = bench.folder.path().join("data/artifacts").join(digest.to_string());
    fs::write(&stored, b"Sound bytes").unwrap();
    let copy = bench.folder.path().join("copy");
    let answer = bench.master.get(digest, &copy).await;
    assert!(answer.unwrap_err().to_string().contains("damaged"));
    assert!(!copy.exists());
    assert!(!bench.master.has(digest).await.unwrap());
    bench.put(b"sound bytes").await;
    bench.master.get(digest, &copy).await.unwrap();
    assert_eq!(fs::read(&copy).unwrap(), b"sound bytes");

    fs::remove_file(&stored).unwrap();
    assert!(!bench.master.has(digest).await.unwrap());
    bench.put(b"sound bytes").await;
    assert!(bench.master.has(digest).await.unwrap());
}

fn options(data: &std::path::Path) -> Options {
    Options {
        data: data.to_path_buf(),
        lease_ms: LEASE_MS_MIN,
        log: Arc::new(|_| {}),
        journal: None,
    }
}

#[tokio::test]
async fn a_master_takes_over_its_folder() {
    let bench = Bench::new();
    let digest = bench.put(b"bytes").await;
    let data = bench.folder.path().join("data");
    let half = data.join("artifacts/.incoming-3");
    fs::write(&half, b"ha").unwrap();
    let nonces = Arc::new(|| Nonce(1));
    let next = Master::open(options(&data), Manual::at(0).clock(), nonces.clone()).unwrap();
    assert!(next.has(digest).await.unwrap() && !half.exists());

    let blocked = bench.folder.path().join("file");
    fs::write(&blocked, b"").unwrap();
    let refused = Master::open(options(&blocked), Manual::at(0).clock(), nonces.clone());
    assert!(matches!(refused, Err(Error::Data { .. })));
    let short = Options { lease_ms: LEASE_MS_MIN - 1, ..options(&data) };
    let refused = Master::open(short, Manual::at(0).clock(), nonces);
    assert!(matches!(refused, Err(Error::Lease { .. })));
}

#[tokio::test]
async fn joining_master_rejects_artifacts() {
    let bench = Bench::new();
    let seat = Seat {
        id: 2,
        address: "127.0.0.1:7402".into(),
        web: None,
        pid: 4_712,
        begin: Begin::Member { cluster: 0xc1 },
        links: gristmill::rpc::client::Options::default(),
        limits: Limits::default(),
        disk: None,
        on_fatal: Arc::new(|fatal| panic!("{fatal}")),
    };
    let data = bench.folder.path().join("m2");
    let nonces = Arc::new(|| Nonce(1));
    let started = Master::start(options(&data), seat, Clock::system(), nonces).await;
    let guest = started.unwrap();
    let file = bench.folder.path().join("upload");
    fs::write(&file, b"bytes").unwrap();
    let digest = bench.put(b"bytes").await;
    assert_eq!(class(guest.put(digest, &file).await), "unavailable");
    assert_eq!(class(guest.get(digest, &bench.folder.path().join("copy")).await), "unavailable");
    assert!(!guest.has(digest).await.unwrap());
    assert_eq!(fs::read_dir(data.join("artifacts")).unwrap().count(), 0);
    guest.close().await;
}

#[tokio::test]
async fn stopping_master_ends_waiting_requests() {
    let folder = tempfile::tempdir().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let nonces = Arc::new(|| Nonce(1));
    let seat = Seat {
        id: 1,
        address: "127.0.0.1:7400".into(),
        web: None,
        pid: 4_711,
        begin: Begin::Cluster { cluster: 0xc1 },
        links: gristmill::rpc::client::Options::default(),
        limits: Limits::default(),
        disk: None,
        on_fatal: Arc::new(|fatal| panic!("{fatal}")),
    };
    let options = options(folder.path());
    let master = run(options, seat, Clock::system(), nonces, stopped).await.unwrap();
    let registered = master.register(register(1, 1)).await.unwrap();
    let poll = |sequence| gristmill::rpc::workers::Poll {
        worker: registered.worker,
        incarnation: 1,
        sequence,
        held: Vec::new(),
        jobs: Vec::new(),
        draining: false,
        room: Default::default(),
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, master.poll(poll(1))).await.unwrap().unwrap();
    let held = tokio::spawn({
        let (master, poll) = (master.clone(), poll(2));
        async move { master.poll(poll).await }
    });
    stop.send(()).unwrap();
    let answer = tokio::time::timeout(patience, held).await.unwrap().unwrap();
    assert!(matches!(class(answer), "unavailable" | "ok"));
    let after = tokio::time::timeout(patience, master.poll(poll(3))).await.unwrap();
    assert_eq!(class(after), "unavailable");
    assert_eq!(class(master.status(JobId(1), 0).await), "unavailable");
}
