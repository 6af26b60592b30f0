//! Map outputs: their locations, how they are lost, and how they become available again when their worker returns.
use gristmill::model::{Cause, Failure, JobId, JobState, Nonce, TaskKind};
use gristmill::rpc::workers::{
    HeldOutput, HeldState, Locate, Located, LocatedMap, LostOutput, Workers,
};

use crate::bench::{Bench, LEASE_MS, class};
use crate::fake::{Fake, MAPS, digest, run, run_until};

async fn locate(bench: &Bench, job: JobId, since: u64) -> Located {
    bench.at_once(bench.master.locate(Locate { job, since })).await.unwrap()
}

/// Returns each map that is listed, and the attempt whose output is available, if any.
fn places(located: &Located) -> Vec<(u32, Option<u32>)> {
    let place = |change: &LocatedMap| (change.map, change.at.as_ref().map(|at| at.0));
    located.changes.iter().map(place).collect()
}

/// Returns a worker that has made all map outputs, and another one that holds a reduce.
async fn mapped(bench: &Bench) -> (JobId, Fake, Fake) {
    let job = bench.submit("a").await;
    let mut maker = Fake::new(bench, 1, 1).await;
    run_until(bench, &mut maker, &format!("j1/m{}", MAPS - 1)).await;
    let mut reducer = Fake::new(bench, 2, 1).await;
    reducer.poll(bench).await.unwrap();
    maker.finish_all(bench).await;
    maker.poll_at_once(bench).await;
    (job, maker, reducer)
}

#[tokio::test]
async fn locations_are_sent_as_changes() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    assert_eq!(locate(&bench, job, 0).await, Located { version: 0, changes: Vec::new() });
    let mut worker = Fake::new(&bench, 1, 1).await;
    run_until(&bench, &mut worker, "j1/m2").await;
    let first = locate(&bench, job, 0).await;
    assert_eq!(places(&first), [(0, Some(1)), (1, Some(1))]);
    assert_eq!(first.changes[0].at, Some((1, worker.id, "127.0.0.1:9001".into())));
    assert!(locate(&bench, job, first.version).await.changes.is_empty());

    worker.finish_all(&bench).await;
    worker.poll_at_once(&bench).await;
    let second = locate(&bench, job, first.version).await;
    assert_eq!(places(&second), [(2, Some(1))]);

    bench.pass(LEASE_MS).await;
    let third = locate(&bench, job, second.version).await;
    assert_eq!(places(&third), [(0, None), (1, None), (2, None)]);
    let unknown = Locate { job: JobId(9), since: 0 };
    assert_eq!(class(bench.master.locate(unknown).await), "not found");
}

#[tokio::test]
async fn a_worker_that_comes_back_brings_its_outputs_back() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    run_until(&bench, &mut worker, "j1/r0").await;
    let known = locate(&bench, job, 0).await.version;
    bench.pass(LEASE_MS).await;
    assert_eq!(bench.state(job).await, JobState::Mapping);

    let output = |map, digest, nonce| HeldOutput {
        attempt: job.task(TaskKind::Map, map).attempt(1),
        nonce: Nonce(nonce),
        digest,
    };
    let right = |map| digest(job.task(TaskKind::Map, map).attempt(1));
    // The digest of the second output is wrong. The third output belongs to another job that had the same id.
    let outputs = vec![output(0, right(0), 1), output(1, 0, 1), output(2, right(2), 99)];
    worker.again(&bench, outputs).await;
    let located = locate(&bench, job, known).await;
    assert_eq!(places(&located).last(), Some(&(0, Some(1))));
    worker.held.clear();
    let states = run(&bench, &mut [worker], job).await;
    assert_eq!(states.last(), Some(&JobState::Succeeded));
    // Two maps and the reduce ran again. The first map was never started again.
    assert_eq!(bench.job_counter(job, "attempts_rerun").await, 3);
}

fn fetch_failed(map: u32, from: &Fake, job: JobId, is_corrupt: bool) -> HeldState {
    let attempt = job.task(TaskKind::Map, map).attempt(1);
    let lost = vec![LostOutput { attempt, worker: from.id, is_corrupt }];
    HeldState::Failed { failure: Failure::new(Cause::FetchFailed, "no such segment"), lost }
}

#[tokio::test]
async fn a_corrupt_output_is_made_again_at_once() {
    let bench = Bench::new();
    let (job, maker, mut reducer) = mapped(&bench).await;
    let reduce = reducer.attempts()[0];
    assert_eq!(reduce.task.kind, TaskKind::Reduce);
    let known = locate(&bench, job, 0).await.version;
    reducer.held.insert(reduce, fetch_failed(1, &maker, job, true));
    reducer.poll_at_once(&bench).await;
    assert_eq!(places(&locate(&bench, job, known).await), [(1, None)]);
    assert_eq!(bench.state(job).await, JobState::Mapping);
    run(&bench, &mut [maker, reducer], job).await;
    assert_eq!(bench.state(job).await, JobState::Succeeded);
}

#[tokio::test]
async fn an_output_that_two_attempts_miss_is_made_again() {
    let bench = Bench::new();
    let (job, mut maker, mut reducer) = mapped(&bench).await;
    let reduce = reducer.attempts()[0];
    reducer.held.insert(reduce, fetch_failed(1, &maker, job, false));
    reducer.poll_at_once(&bench).await;
    assert_eq!(bench.state(job).await, JobState::Reducing, "once may be the wire");
    // The second attempt waits for a worker on which no attempt at its task has failed.
    maker.finish_all(&bench).await;
    let again = reduce.task.attempt(2);
    let complaint = fetch_failed(1, &maker, job, false);
    for worker in [&mut maker, &mut reducer] {
        worker.poll(&bench).await.unwrap();
        if let Some(state) = worker.held.get_mut(&again) {
            *state = complaint.clone();
            worker.poll_at_once(&bench).await;
        }
    }
    assert_eq!(bench.state(job).await, JobState::Mapping);
    run(&bench, &mut [maker, reducer], job).await;
    assert_eq!(bench.state(job).await, JobState::Succeeded);
}
