//! The staging folder of an unsuccessful job is swept as soon as no attempt can write to it.

use gristmill::model::{Cause, Failure, JobState};
use gristmill::rpc::jobs::Jobs;
use gristmill::rpc::workers::{HeldState, Work};

use crate::bench::{Bench, LEASE_MS, class};
use crate::fake::{Fake, run, run_until};

#[tokio::test]
async fn a_killed_job_is_stopped_and_then_swept() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 2).await;
    run_until(&bench, &mut worker, "j1/m1").await;
    bench.master.kill(job).await.unwrap();
    assert_eq!(bench.state(job).await, JobState::Cancelled);
    assert_eq!(bench.status(job).await.reason, "cancelled by a user");
    let orders = worker.poll_at_once(&bench).await;
    assert!(orders.attempts.is_empty(), "attempts end before the sweep begins: {orders:?}");
    let orders = worker.poll(&bench).await.unwrap();
    assert_eq!(
        (worker.names(), orders.attempts[0].work.clone()),
        (vec!["j1/c1#1".into()], Work::Sweep)
    );
    worker.finish_all(&bench).await;
    let orders = worker.poll_at_once(&bench).await;
    assert!(orders.attempts.is_empty() && orders.keep.is_empty(), "{orders:?}");
    bench.pass(500).await;
    assert!(worker.poll(&bench).await.unwrap().attempts.is_empty(), "once is enough");
}

#[tokio::test]
async fn kill_reports_the_jobs_state() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    assert_eq!(class(bench.master.kill(job).await), "ok");
    assert_eq!(class(bench.master.kill(job).await), "ok");
    let mut workers = [Fake::new(&bench, 1, 2).await];
    assert!(workers[0].poll(&bench).await.unwrap().attempts.is_empty(), "it had left nothing");
    let done = bench.submit("b").await;
    run_until(&bench, &mut workers[0], "j2/c0").await;
    // The commit of this job runs, so the job is cancelled only if the commit publishes nothing.
    assert_eq!(class(bench.master.kill(done).await), "ok");
    run(&bench, &mut workers, done).await;
    assert_eq!(class(bench.master.kill(done).await), "limit");
    assert_eq!(class(bench.master.kill(gristmill::model::JobId(9)).await), "not found");
}

#[tokio::test]
async fn a_sweep_is_tried_until_it_is_done() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    run_until(&bench, &mut worker, "j1/m1").await;
    bench.master.kill(job).await.unwrap();
    let first = run_until(&bench, &mut worker, "j1/c1").await;
    let failure = Failure::new(Cause::UserError, "the folder is busy");
    worker.held.insert(first, HeldState::Failed { failure, lost: Vec::new() });
    let orders = worker.poll_at_once(&bench).await;
    assert!(orders.attempts.is_empty(), "it waits: {orders:?}");
    let second = run_until(&bench, &mut worker, "j1/c1").await;
    assert_eq!(second.number, 2);

    // The worker of the second attempt is lost, and the attempt with it.
    bench.pass(LEASE_MS).await;
    let mut other = Fake::new(&bench, 2, 1).await;
    let third = run_until(&bench, &mut other, "j1/c1").await;
    assert_eq!(third.number, 3);
    other.finish_all(&bench).await;
    assert!(other.poll_at_once(&bench).await.attempts.is_empty());
}
