//! Leases: a silent worker is lost, a returning worker is recognised, and a busy master loses no healthy worker.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use gristmill::model::{JobState, WorkerId, WorkerState};
use gristmill::rpc::jobs::Jobs;
use gristmill::rpc::workers::Workers;

use crate::bench::{Bench, LEASE_MS, class};
use crate::fake::{Fake, register, run, run_until};

async fn state_of(bench: &Bench, worker: WorkerId) -> Option<WorkerState> {
    let lines = bench.master.workers().await.unwrap();
    lines.into_iter().find(|line| line.id == worker).map(|line| line.state)
}

#[tokio::test]
async fn a_silent_worker_is_lost_after_its_lease_and_its_attempts_run_elsewhere() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut zombie = Fake::new(&bench, 1, 1).await;
    let plan = run_until(&bench, &mut zombie, "j1/p0").await;
    bench.pass(LEASE_MS - 100).await;
    assert_eq!(state_of(&bench, zombie.id).await, Some(WorkerState::Alive));
    bench.pass(100).await;
    assert_eq!(state_of(&bench, zombie.id).await, Some(WorkerState::Lost));
    assert!(bench.log.lock().unwrap().iter().any(|line| line.contains("w1 is lost")));

    let mut other = Fake::new(&bench, 2, 1).await;
    other.poll_at_once(&bench).await;
    assert_eq!(other.names(), ["j1/p0#2"]);

    // The zombie wakes up and reports: its report is refused, it registers again under its own id, and drops its
    // attempt.
    zombie.finish(&bench, plan).await;
    assert_eq!(class(zombie.poll(&bench).await), "not found");
    zombie.again(&bench, Vec::new()).await;
    let orders = zombie.poll_at_once(&bench).await;
    assert!(orders.attempts.is_empty(), "{orders:?}");
    assert_eq!(bench.state(job).await, JobState::Planning);

    run(&bench, &mut [other, zombie], job).await;
    assert_eq!(bench.state(job).await, JobState::Succeeded);
    assert_eq!(bench.job_counter(job, "attempts_rerun").await, 1);
}

#[tokio::test]
async fn a_closed_connection_shortens_the_lease_and_a_reconnect_loses_nothing() {
    let bench = Bench::new();
    bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    worker.poll_at_once(&bench).await;
    let drop_a_poll = async |worker: &mut Fake| {
        let message = worker.message();
        let mut held = tokio::spawn({
            let master = bench.master.clone();
            async move { master.poll(message).await }
        });
        assert!(bench.is_held(&mut held).await);
        held.abort();
        assert!(held.await.is_err());
    };
    drop_a_poll(&mut worker).await;
    bench.pass(400).await;
    worker.again(&bench, Vec::new()).await;
    bench.pass(LEASE_MS - 100).await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Alive));
    assert_eq!(worker.poll(&bench).await.unwrap().attempts.len(), 1);

    drop_a_poll(&mut worker).await;
    bench.pass(500).await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Lost));

    worker.again(&bench, Vec::new()).await;
    bench.master.connection_closed(worker.id);
    bench.pass(500).await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Lost));
}

#[tokio::test]
async fn a_worker_whose_connection_is_closed_while_it_registers_is_watched_too() {
    let bench = Bench::new();
    {
        let mut registration = pin!(bench.master.register(register(1, 1)));
        let begun =
            std::future::poll_fn(|context| Poll::Ready(registration.as_mut().poll(context)));
        assert!(begun.await.is_pending(), "it is being agreed on");
    }
    let worker = WorkerId(1);
    bench.pass(LEASE_MS - 100).await;
    assert_eq!(state_of(&bench, worker).await, Some(WorkerState::Alive));
    bench.pass(LEASE_MS).await;
    assert_eq!(state_of(&bench, worker).await, Some(WorkerState::Lost));
}

#[tokio::test]
async fn a_master_that_was_late_extends_all_leases() {
    let bench = Bench::new();
    let worker = Fake::new(&bench, 1, 1).await;
    bench.pass(100).await;
    bench.manual.advance(Duration::from_secs(60));
    bench.master.tick().await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Alive));
    bench.pass(LEASE_MS).await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Lost));
}

#[tokio::test]
async fn all_workers_get_a_new_lease_after_a_stall() {
    let bench = Bench::new();
    let worker = Fake::new(&bench, 1, 1).await;
    bench.pass(LEASE_MS - 500).await;
    bench.manual.advance(Duration::from_millis(LEASE_MS / 3));
    bench.master.tick().await;
    bench.pass(LEASE_MS - 100).await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Alive));
    bench.pass(100).await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Lost));
}

#[tokio::test]
async fn registering_twice_is_registering_once() {
    let bench = Bench::new();
    bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    worker.poll_at_once(&bench).await;
    worker.again(&bench, Vec::new()).await;
    let mut first_words = register(1, 1);
    first_words.worker = None;
    assert_eq!(bench.master.register(first_words).await.unwrap().worker, worker.id);
    assert_eq!(bench.master.workers().await.unwrap().len(), 1);
    assert_eq!(worker.poll(&bench).await.unwrap().attempts.len(), 1, "its attempt goes on");
}

#[tokio::test]
async fn a_new_process_takes_over_and_the_old_one_becomes_another_worker() {
    let bench = Bench::new();
    bench.submit("a").await;
    let mut old = Fake::new(&bench, 1, 1).await;
    old.poll_at_once(&bench).await;
    let mut request = register(2, 1);
    request.worker = Some(old.id);
    let new = bench.master.register(request).await.unwrap().worker;
    assert_eq!(new, old.id);
    assert_eq!(class(old.poll(&bench).await), "not found");
    let mut request = register(1, 1);
    request.worker = Some(old.id);
    let other = bench.master.register(request).await.unwrap().worker;
    assert_eq!(other, WorkerId(2));
}

#[tokio::test]
async fn a_drained_worker_may_leave_and_is_not_missed() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    run_until(&bench, &mut worker, "j1/p0").await;
    bench.master.drain(worker.id).await.unwrap();
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Draining));
    assert!(!worker.poll(&bench).await.unwrap().may_leave, "it still runs the plan");
    worker.finish_all(&bench).await;
    let orders = worker.poll_at_once(&bench).await;
    assert!(orders.may_leave && orders.attempts.is_empty(), "{orders:?}");
    assert_eq!(bench.status(job).await.reason, "all workers are draining");
    bench.pass(LEASE_MS).await;
    assert_eq!(state_of(&bench, worker.id).await, Some(WorkerState::Left));
    assert_eq!(class(bench.master.drain(worker.id).await), "not found");

    let mut leaving = Fake::new(&bench, 2, 1).await;
    leaving.is_draining = true;
    leaving.poll(&bench).await.unwrap();
    assert_eq!(state_of(&bench, leaving.id).await, Some(WorkerState::Draining));
}
