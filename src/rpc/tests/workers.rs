//! Tests requests of workers to a master.

use super::*;
use crate::model::{
    AttemptId, Counters, HotKey, Nonce, RecordRef, Room, Usage, Volume, WorkerFacts,
};
use crate::rpc::workers::{Done, Held, HeldOutput, HeldState, LocatedMap, LostOutput, Order, Work};

fn attempt(index: u32) -> AttemptId {
    JobId(7).task(TaskKind::Map, index).attempt(2)
}

fn counters() -> Counters {
    let mut counters = Counters::new();
    counters.add("Words", "long", 3);
    counters
}

pub(super) fn facts() -> WorkerFacts {
    WorkerFacts {
        pid: 77,
        address: "127.0.0.1:7411".into(),
        slots: 2,
        attempt_memory_bytes: 1 << 30,
        limiter: "cgroup v1".into(),
        version: "0.1.0".into(),
    }
}

pub(super) fn register() -> Register {
    Register {
        incarnation: u128::MAX / 3,
        worker: Some(WorkerId(4)),
        facts: facts(),
        outputs: vec![HeldOutput { attempt: attempt(1), nonce: Nonce(5), digest: u64::MAX }],
        cluster: Some(u128::MAX / 5),
    }
}

pub(super) fn poll() -> Poll {
    let lost = LostOutput { attempt: attempt(9), worker: WorkerId(3), is_corrupt: true };
    let mut failure = Failure::new(Cause::UserError, "no \u{1b}number");
    failure.at = Some("src/main.rs:14".into());
    failure.record = Some(RecordRef {
        location: crate::model::Location::from("/in/a"),
        offset: 1234,
        excerpt: vec![0xff, 0],
    });
    let hottest = vec![HotKey { shown: "ann, 3".into(), records: 3 }];
    let usage = Usage { bytes_in: 1 << 42, records_in: 9, spills: 3, ..Usage::default() };
    let volume = Volume { usage, hottest };
    let states = [
        HeldState::Running { progress: 0.25, bytes: 1 << 40, fetched: 3, joined: 4, wants: 5 },
        HeldState::Done(Done::Plan {
            plan: Digest(9),
            splits: 4,
            reducers: 2,
            input_bytes: 1 << 50,
            counters: counters(),
        }),
        HeldState::Done(Done::Map {
            output: (),
            joined: 2,
            digest: 1 << 63,
            bytes: 10,
            is_staged: true,
            counters: counters(),
            volume: Volume::of_bytes(11),
        }),
        HeldState::Done(Done::Reduce { counters: Counters::new(), volume }),
        HeldState::Done(Done::Commit { records: 1, bytes: 2 }),
        HeldState::Done(Done::Sweep),
        HeldState::Failed { failure, lost: vec![lost] },
    ];
    let held = |(index, state)| Held { attempt: attempt(index), pid: index, state };
    Poll {
        worker: WorkerId(4),
        incarnation: 1 << 127,
        sequence: 99,
        held: (0..).zip(states).map(held).collect(),
        jobs: vec![JobId(7), JobId(8)],
        draining: true,
        room: Room { memory_bytes: 4, memory_free_bytes: 3, disk_bytes: 2, disk_free_bytes: 1 },
    }
}

fn orders() -> Orders {
    let works = [
        Work::Plan,
        Work::Map { plan: Digest(9), joined: vec![4, 9] },
        Work::Reduce { plan: Digest(9), maps: 4 },
        Work::Commit {
            maps: vec![1, 2, 1],
            reduces: vec![],
            counters: counters(),
            created: "2026-11-23T09:00:00Z".into(),
        },
        Work::Sweep,
    ];
    let order = |(index, work)| Order {
        attempt: attempt(index),
        nonce: Nonce(u128::MAX),
        executable: Digest(1),
        spec: Digest(2),
        work,
        is_map_only: true,
        timeout_ms: 600_000,
    };
    let attempts = (0..).zip(works).map(order).collect();
    Orders { sequence: 99, epoch: 7, attempts, keep: vec![JobId(7)], may_leave: true }
}

#[tokio::test]
async fn every_call_of_a_worker_arrives_and_is_answered() {
    let served = Served::start().await;
    let client = served.client();
    let registered = Registered { worker: WorkerId(4), lease_ms: 3000, cluster: 0xc1 };
    assert_eq!(client.register(register()).await, Ok(registered));
    assert_eq!(*served.fake.registered.lock().unwrap(), [register()]);

    *served.fake.orders.lock().unwrap() = Some(orders());
    assert_eq!(client.poll(poll()).await, Ok(orders()));
    assert_eq!(*served.fake.polled.lock().unwrap(), [poll()]);

    let at = Some((2, WorkerId(4), "127.0.0.1:7411".to_owned()));
    let changes = vec![
        LocatedMap { map: 0, within: None, at },
        LocatedMap { map: 1, within: Some(0), at: None },
    ];
    let located = Located { version: 17, changes };
    *served.fake.located.lock().unwrap() = Some(located.clone());
    assert_eq!(client.locate(Locate { job: JobId(7), since: 3 }).await, Ok(located));
    assert_eq!(client.leave(Leave { worker: WorkerId(4), incarnation: 9 }).await, Ok(()));
    assert_eq!(served.asked(), ["register", "poll", "locate j7 3", "leave w4 9"]);
}

#[tokio::test]
async fn progress_outside_0_to_1_is_corrected() {
    let served = Served::start().await;
    let client = served.client();
    for (said, heard) in [(f64::NAN, 0.0), (f64::INFINITY, 0.0), (7.0, 1.0), (-0.5, 0.0)] {
        let mut request = poll();
        request.held.truncate(1);
        request.held[0].state =
            HeldState::Running { progress: said, bytes: 0, fetched: 0, joined: 0, wants: 0 };
        client.poll(request).await.unwrap();
        let polled = served.fake.polled.lock().unwrap().pop().unwrap();
        assert_eq!(
            polled.held[0].state,
            HeldState::Running { progress: heard, bytes: 0, fetched: 0, joined: 0, wants: 0 }
        );
    }
}

#[tokio::test]
async fn texts_of_user_code_are_cut_before_the_log() {
    let served = Served::start().await;
    let mut request = poll();
    let mut failure = Failure::new(Cause::UserError, "ü".repeat(10_000));
    failure.at = Some("short".into());
    failure.details = vec!["x".repeat(5_000); 200];
    let record = RecordRef {
        location: crate::model::Location::from("/in/a"),
        offset: 7,
        excerpt: vec![0xff; 1 << 20],
    };
    failure.record = Some(record);
    request.held.truncate(1);
    request.held[0].state = HeldState::Failed { failure, lost: Vec::new() };
    served.client().poll(request).await.unwrap();
    let polled = served.fake.polled.lock().unwrap().pop().unwrap();
    let HeldState::Failed { failure, .. } = &polled.held[0].state else {
        panic!("{polled:?}");
    };
    assert!(failure.message.starts_with("üü") && failure.message.len() <= 4_096);
    assert!(
        failure.message.ends_with("ü (truncated: 20000 bytes in total)"),
        "{}",
        failure.message
    );
    assert_eq!(failure.at.as_deref(), Some("short"));
    assert_eq!(failure.details.len(), 100);
    assert!(failure.details[0].ends_with("x (truncated: 5000 bytes in total)"), "{failure:?}");
    assert_eq!(failure.details[99], "(truncated: 200 lines in total)");
    assert_eq!(failure.record.as_ref().map(|record| record.excerpt.len()), Some(4_096));
}

#[tokio::test]
async fn a_poll_may_be_held_back_for_longer_than_other_answers_take() {
    let served = Served::start().await;
    *served.fake.held.lock().unwrap() = Duration::from_millis(600);
    let options = |poll_held| Options {
        answer: Duration::from_millis(300),
        poll_held,
        patience: Duration::ZERO,
        ..Options::default()
    };
    let addresses = [served.address.clone()];
    let patient = Master::connect(&addresses, options(Duration::from_secs(5))).unwrap();
    assert_eq!(patient.poll(poll()).await.map(|orders| orders.sequence), Ok(99));
    let hasty = Master::connect(&addresses, options(Duration::ZERO)).unwrap();
    let refused = hasty.poll(poll()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Unavailable { .. }), "{refused}");
    assert!(refused.to_string().contains("no answer within 300 ms"), "{refused}");
}
