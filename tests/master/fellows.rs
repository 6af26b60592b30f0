//! Three masters that call each other directly; one of them does not answer for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use gristmill::clock::Clock;
use gristmill::master::{Begin, LEASE_MS, Limits, Master, Options, Seat};
use gristmill::model::{MasterId, Nonce};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::client::{self, Played, RaftCall, Soon};
use gristmill::rpc::masters::{Join, MasterLine, Masters, RemovedList};
use gristmill::rpc::raft::{Call, Raft};
use gristmill::rpc::refusal::Refusal;
use tempfile::TempDir;

use crate::bench::class;

const CLUSTER: u128 = 0xc1;

/// The masters by address, and those that do not answer requests about artifacts.
#[derive(Clone, Default)]
struct Fellows {
    masters: Arc<Mutex<BTreeMap<String, Master>>>,
    silent: Arc<Mutex<BTreeSet<String>>>,
}

impl Fellows {
    fn at(&self, address: &str) -> Result<Master, Refusal> {
        let nobody = || Refusal::Unavailable { message: format!("nobody at {address}") };
        self.masters.lock().unwrap().get(address).cloned().ok_or_else(nobody)
    }

    fn heard(&self, address: &str) -> Result<Master, Refusal> {
        if self.silent.lock().unwrap().contains(address) {
            return Err(Refusal::Unavailable { message: format!("{address} is silent") });
        }
        self.at(address)
    }

    fn silence(&self, addresses: &[String]) {
        *self.silent.lock().unwrap() = addresses.iter().cloned().collect();
    }
}

impl client::Fellows for Fellows {
    fn deliver(&self, to: &str, what: RaftCall, call: Call) -> Soon<Vec<u8>> {
        let master = self.at(to);
        Box::pin(async move {
            match what {
                RaftCall::AppendEntries => master?.append_entries(call).await,
                RaftCall::Vote => master?.vote(call).await,
                RaftCall::Stand => master?.stand(call).await,
                RaftCall::InstallSnapshot => master?.install_snapshot(call).await,
            }
        })
    }

    fn is_refused(&self, to: &str) -> Soon<bool> {
        let is_there = self.at(to).is_ok();
        Box::pin(async move { Ok(!is_there) })
    }

    fn has(&self, to: &str, digest: Digest) -> Soon<bool> {
        let master = self.heard(to);
        Box::pin(async move { master?.has(digest).await })
    }

    fn put(&self, to: &str, digest: Digest, file: &Path) -> Soon<()> {
        let (master, file) = (self.heard(to), file.to_path_buf());
        Box::pin(async move { master?.put(digest, &file).await })
    }

    fn get(&self, to: &str, digest: Digest, file: &Path) -> Soon<()> {
        let (master, file) = (self.heard(to), file.to_path_buf());
        Box::pin(async move { master?.get(digest, &file).await })
    }

    fn standing(&self, to: &str) -> Soon<MasterLine> {
        let master = self.at(to);
        Box::pin(async move { master?.standing().await })
    }

    fn removed(&self, to: &str) -> Soon<RemovedList> {
        let master = self.at(to);
        Box::pin(async move { master?.removed().await })
    }
}

fn address(number: u64) -> String {
    format!("127.0.0.1:{}", 7_400 + number)
}

async fn start(fellows: &Fellows, folder: &TempDir, number: u64) -> Master {
    let seat = Seat {
        id: number,
        address: address(number),
        web: None,
        pid: 4_711,
        begin: match number {
            1 => Begin::Cluster { cluster: CLUSTER },
            _ => Begin::Member { cluster: CLUSTER },
        },
        links: client::Options {
            played: Some(Played(Arc::new(fellows.clone()))),
            ..client::Options::default()
        },
        limits: Limits::default(),
        disk: None,
        on_fatal: Arc::new(|fatal| panic!("{fatal}")),
    };
    let options = Options {
        data: folder.path().join(format!("m{number}")),
        lease_ms: LEASE_MS,
        log: Arc::new(|_| {}),
        journal: None,
    };
    let started = Master::start(options, seat, Clock::system(), Arc::new(|| Nonce(1))).await;
    let master = started.unwrap();
    fellows.masters.lock().unwrap().insert(address(number), master.clone());
    master
}

#[tokio::test]
async fn artifact_of_an_unreachable_master_is_not_reported_as_missing() {
    let (fellows, folder) = (Fellows::default(), tempfile::tempdir().unwrap());
    let first = start(&fellows, &folder, 1).await;
    let mut masters = vec![first.clone()];
    for number in 2..=3 {
        masters.push(start(&fellows, &folder, number).await);
        let request = Join { cluster: CLUSTER, id: MasterId(number), address: address(number) };
        first.join(request).await.unwrap();
    }
    let copy: PathBuf = folder.path().join("copy");
    let get = || first.get(Digest::of(b"bytes"), &copy);
    assert_eq!(class(get().await), "not found", "all say so");

    let file = folder.path().join("upload");
    std::fs::write(&file, b"bytes").unwrap();
    masters[2].put(Digest::of(b"bytes"), &file).await.unwrap();
    fellows.silence(&[address(3)]);
    assert_eq!(class(get().await), "unavailable", "most have answered, but not who has it");
    fellows.silence(&[address(2), address(3)]);
    assert_eq!(class(get().await), "unavailable");
    fellows.silence(&[address(2)]);
    get().await.unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), b"bytes");
    for master in masters {
        master.close().await;
    }
}
