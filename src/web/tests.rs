//! Tests that every served address is documented, and that a client that missed events receives a `gap` event.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};

use super::Web;
use super::api::OPENAPI;
use super::events::tell;
use super::routes::table;
use crate::clock::Manual;
use crate::master::{EventId, Master, Options};
use crate::model::{Nonce, WorkerFacts, WorkerId};
use crate::rpc::workers::{Register, Workers};

/// More registrations than events are kept.
const REGISTRATIONS: u128 = 10_000;

/// A master alone in its group.
pub(super) fn alone() -> (Web, TempDir) {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_path_buf();
    let options = Options { data, lease_ms: 3_000, log: Arc::new(|_| ()), journal: None };
    let clock = Manual::at(1_795_424_400_000).clock();
    let master = Master::open(options, clock.clone(), Arc::new(|| Nonce(7))).unwrap();
    (Web::new(master, clock), folder)
}

#[test]
fn served_addresses_are_documented() {
    let described: Value = serde_json::from_str(OPENAPI).unwrap();
    let described: BTreeSet<&str> =
        described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let served: Vec<&str> = table().into_iter().map(|(path, _)| path).collect();
    assert_eq!(served.iter().copied().collect::<BTreeSet<_>>(), described);
    assert_eq!(served.len(), described.len(), "no address is listed twice");
}

#[tokio::test]
async fn client_that_missed_events_gets_one_gap() {
    let (web, _folder) = alone();
    for incarnation in 1..=REGISTRATIONS {
        let register = Register {
            incarnation,
            worker: Some(WorkerId(1)),
            cluster: None,
            facts: WorkerFacts { slots: 2, ..WorkerFacts::default() },
            outputs: Vec::new(),
        };
        assert_eq!(web.master.register(register).await.unwrap().worker, WorkerId(1));
    }
    let (sender, mut pieces) = mpsc::channel(1);
    let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    tokio::spawn(tell(web, None, EventId { index: 0, place: 1 }, sender, room));
    let mut said = String::new();
    while said.matches("event: worker_registered").count() < 300 {
        said += &pieces.recv().await.unwrap().unwrap();
    }
    assert!(said.starts_with(
        "retry: 1000\n\nevent: gap\ndata: {\"type\":\"gap\",\"after\":\"0.1\"}\n\nid: "
    ));
    assert_eq!(said.matches("event: gap").count(), 1);
    let told = "\"at\":\"2026-11-23T09:00:00Z\",\"type\":\"worker_registered\",\"worker\":\"w1\",\"slots\":2}\n\n";
    assert!(said.contains(told), "{said}");
}
