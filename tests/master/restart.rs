//! A restarted master still has everything that it acknowledged, and running attempts continue.

use gristmill::rpc::jobs::Jobs;
use gristmill::rpc::workers::Workers;

use crate::bench::{Bench, LEASE_MS, class, spec};
use crate::fake::{Fake, run, run_until};
use gristmill::model::JobState;

#[tokio::test]
async fn running_attempts_continue_after_a_restart() {
    let mut bench = Bench::durable().await;
    let job = bench.submit("a").await;
    let mut workers = [Fake::new(&bench, 1, 1).await];
    // The master restarts in each phase, while an attempt is running.
    for task in ["j1/p0", "j1/m1", "j1/r0", "j1/c0"] {
        let attempt = run_until(&bench, &mut workers[0], task).await;
        let before = bench.status(job).await;
        bench.restart().await;
        let after = bench.status(job).await;
        assert_eq!(
            (after.state, after.maps, after.reduces),
            (before.state, before.maps, before.reduces)
        );
        workers[0].poll(&bench).await.unwrap();
        assert!(workers[0].attempts().contains(&attempt), "{task} is still wanted");
    }
    // The attempt ended while there was no master, and the worker reports it to the next one.
    workers[0].finish_all(&bench).await;
    bench.restart().await;
    run(&bench, &mut workers, job).await;
    assert_eq!(bench.state(job).await, JobState::Succeeded);
    bench.restart().await;
    assert_eq!(bench.state(job).await, JobState::Succeeded);
    assert_eq!(bench.job_counter(job, "attempts_rerun").await, 0);
    assert_eq!(bench.job_counter(job, "attempts_started").await, 7);
    let again = bench.submission("a", spec("/out/a")).await;
    assert_eq!(bench.master.submit(again).await.unwrap(), job, "the same id is the same job");
    assert_eq!(bench.master.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn after_a_restart_workers_have_a_fresh_lease() {
    let mut bench = Bench::durable().await;
    bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    let plan = run_until(&bench, &mut worker, "j1/p0").await;
    bench.pass(LEASE_MS - 100).await;
    bench.restart().await;
    bench.pass(LEASE_MS - 100).await;
    worker.poll(&bench).await.unwrap();
    assert_eq!(worker.attempts(), [plan]);

    bench.restart().await;
    bench.pass(LEASE_MS).await;
    assert_eq!(class(worker.poll(&bench).await), "not found", "who stays silent is lost");
}

#[tokio::test]
async fn cancelled_job_is_swept_once_after_a_restart() {
    let mut bench = Bench::durable().await;
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    run_until(&bench, &mut worker, "j1/p0").await;
    bench.master.kill(job).await.unwrap();
    bench.restart().await;
    bench.pass(300).await;
    let message = worker.message();
    let orders = bench.in_time(bench.master.poll(message)).await.unwrap();
    assert!(orders.attempts.is_empty(), "it may still be making what is to be swept: {orders:?}");
    worker.take(&orders);
    while worker.names() != ["j1/c1#1"] {
        worker.poll(&bench).await.unwrap();
    }
    worker.finish_all(&bench).await;
    worker.poll(&bench).await.unwrap();
    assert_eq!(worker.names(), [""; 0]);

    bench.restart().await;
    worker.poll(&bench).await.unwrap();
    worker.poll(&bench).await.unwrap();
    assert_eq!(worker.names(), [""; 0], "it is done");
}

#[tokio::test]
async fn closed_master_accepts_nothing() {
    let bench = Bench::durable().await;
    let submission = bench.submission("a", spec("/out/a")).await;
    bench.master.close().await;
    assert_eq!(class(bench.master.submit(submission).await), "unavailable");
    bench.master.close().await;
}
