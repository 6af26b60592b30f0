//! One attempt after another: how they run, and how they die.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gristmill::model::{Cause, Counters, Failure, TaskKind, WorkerId};
use gristmill::rpc::shuffle::Shuffle;
use gristmill::rpc::workers::{Done, HeldState, Work};
use gristmill::worker::{Limiter, Transport};

use crate::cluster::{Cluster, is_alive};

/// Returns the failure of an attempt whose executor behaves like this.
async fn failure_of(behaviour: &str, limiter: Limiter, timeout_ms: u64) -> Failure {
    let mut cluster = Cluster::new();
    let change = |options: &mut gristmill::worker::Options, chosen: &mut Limiter| {
        options.attempt_memory_bytes = if limiter == Limiter::Not { 0 } else { 96 << 20 };
        *chosen = limiter;
    };
    let worker = cluster.worker(change).await;
    let mut order = cluster.order(behaviour, TaskKind::Plan, 0, Work::Plan);
    order.timeout_ms = timeout_ms;
    let attempt = cluster.give(1, order);
    let ended = cluster.network.master.end_of(attempt).await;
    worker.end().await;
    match ended {
        HeldState::Failed { failure, lost } if lost.is_empty() => failure,
        other => panic!("{behaviour}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_run_one_after_the_other_in_one_executor_of_a_checked_executable() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|options, _| options.slots = 1).await;
    let plan = cluster.give(1, cluster.order("", TaskKind::Plan, 0, Work::Plan));
    let master = &cluster.network.master;
    let planned = master.end_of(plan).await;
    assert!(
        matches!(planned, HeldState::Done(Done::Plan { splits: 2, reducers: 2, .. })),
        "{planned:?}"
    );
    let maps = [cluster.give(1, cluster.map(0)), cluster.give(1, cluster.map(1))];
    for map in maps {
        let mapped = master.end_of(map).await;
        assert!(
            matches!(mapped, HeldState::Done(Done::Map { digest: 1.., bytes: 1.., .. })),
            "{mapped:?}"
        );
    }
    let pids: std::collections::BTreeSet<u32> = master.with(|known| {
        let held = known.polls.iter().flat_map(|poll| &poll.held);
        held.map(|held| held.pid).filter(|&pid| pid > 0).collect()
    });
    assert_eq!(pids.len(), 1, "{pids:?}");
    // The executable, the spec and the plan were each fetched once.
    assert_eq!(master.artifacts_got.load(Ordering::SeqCst), 3);
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    // Once the job is over, none of its files and processes stays.
    master.with(|known| known.keep.clear());
    let jobs = cluster.data(1).join("jobs");
    let is_gone = || std::fs::read_dir(&jobs).unwrap().next().is_none();
    master.until("the job's files are gone", |_| is_gone().then_some(())).await;
    master
        .until("so is its executor", |_| pids.iter().all(|&pid| !is_alive(pid)).then_some(()))
        .await;
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_a_dying_executor_did_not_begin_begins_on_a_new_one() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|options, _| options.slots = 1).await;
    let master = &cluster.network.master;
    for index in 0..3 {
        let order = cluster.order("die later", TaskKind::Plan, index, Work::Plan);
        let attempt = cluster.give(1, order);
        let planned = master.end_of(attempt).await;
        assert!(matches!(planned, HeldState::Done(Done::Plan { .. })), "{index}: {planned:?}");
        let log = cluster.network.peer("worker-1").log(attempt).await.unwrap();
        let log = String::from_utf8(log).unwrap();
        assert!(log.contains("about to work") && !log.contains("about to die"), "{index}: {log}");
    }
    worker.end().await;
    // If the executor is new, its death is a failure of the attempt.
    let died = failure_of("die first", Limiter::Not, 0).await;
    assert_eq!(died.cause, Cause::Exit, "{died:?}");
    assert!(died.log.iter().any(|line| line == "about to die"), "{:?}", died.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_file_is_fetched_once_for_tasks_that_may_read_it() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|options, _| options.slots = 1).await;
    let master = &cluster.network.master;
    let end = async |kind, index, work| {
        let order = cluster.order("", kind, index, work);
        let order = cluster.with_side_file(order, b"stop words");
        let ended = master.end_of(cluster.give(1, order)).await;
        (ended, master.artifacts_got.load(Ordering::SeqCst))
    };
    let (counters, created) = (Counters::new(), "now".into());
    let commit = Work::Commit { maps: Vec::new(), reduces: Vec::new(), counters, created };
    let (committed, got) = end(TaskKind::Commit, 0, commit).await;
    assert!(matches!(committed, HeldState::Done(Done::Commit { .. })), "{committed:?}");
    assert_eq!(got, 2, "executable and spec");
    for index in 0..2 {
        let (planned, got) = end(TaskKind::Plan, index, Work::Plan).await;
        let HeldState::Done(Done::Plan { counters, .. }) = planned else { panic!("{planned:?}") };
        assert_eq!((counters.get("Test", "stop words"), got), (1, 3), "read here, fetched once");
    }
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_was_taken_away_is_fetched_again() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|options, _| options.slots = 1).await;
    let master = &cluster.network.master;
    let mapped = async |index| {
        let ended = master.end_of(cluster.give(1, cluster.map(index))).await;
        assert!(matches!(ended, HeldState::Done(Done::Map { .. })), "{ended:?}");
        master.artifacts_got.load(Ordering::SeqCst)
    };
    assert_eq!(mapped(0).await, 3, "executable, spec and plan");
    let artifacts = cluster.data(1).join("artifacts");
    for artifact in std::fs::read_dir(artifacts).unwrap() {
        std::fs::remove_file(artifact.unwrap().path()).unwrap();
    }
    assert_eq!(mapped(1).await, 6, "and all of them again");
    assert_eq!(mapped(2).await, 6);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_no_longer_ordered_is_killed_with_all_its_processes() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let attempt = cluster.give(1, cluster.order("hang", TaskKind::Plan, 0, Work::Plan));
    let peer = cluster.network.peer("worker-1");
    let mut child = None;
    for _ in 0..1000 {
        let log = String::from_utf8(peer.log(attempt).await.unwrap_or_default()).unwrap();
        let line = log.lines().find_map(|line| line.split_once("child ")?.1.parse::<u32>().ok());
        child = line.filter(|_| log.ends_with('\n'));
        if child.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let child = child.expect("it has started a child");
    let master = &cluster.network.master;
    let pid = master
        .until("it runs", |known| {
            let held = known.polls.last()?.held.first()?.clone();
            matches!(held.state, HeldState::Running { progress, .. } if progress == 0.25)
                .then_some(held.pid)
        })
        .await;
    assert!(is_alive(pid) && is_alive(child));
    master.with(|known| known.orders.remove(&WorkerId(1)));
    master.until("both are dead", |_| (!is_alive(pid) && !is_alive(child)).then_some(())).await;
    master
        .until("nothing is held", |known| known.polls.last()?.held.is_empty().then_some(()))
        .await;
    assert!(master.with(|known| known.ended.is_empty()), "nobody wanted to know");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_death_has_its_exact_cause() {
    let exited = failure_of("exit 3", Limiter::Not, 0).await;
    assert_eq!(exited.cause, Cause::Exit);
    assert_eq!(exited.message, "the executor exited with code 3 before the attempt ended");
    let early = failure_of("exit 0", Limiter::Not, 0).await;
    assert_eq!(early.message, "the executor exited with code 0 before the attempt ended");

    let aborted = failure_of("abort", Limiter::Not, 0).await;
    assert_eq!(aborted.cause, Cause::Signal);
    assert_eq!(aborted.message, "the executor died of SIGABRT (signal 6)");
    assert!(aborted.log.iter().any(|line| line == "about to abort"), "{:?}", aborted.log);

    let hung = failure_of("hang", Limiter::Not, 700).await;
    assert_eq!(hung.cause, Cause::Timeout);
    assert_eq!(hung.message, "no progress for 700 ms; the attempt was killed");

    let said = failure_of("fail", Limiter::Not, 0).await;
    assert_eq!((said.cause, said.message.as_str()), (Cause::Panic, "no luck"));
    assert!(said.log.iter().any(|line| line == "about to fail"), "{:?}", said.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_is_a_cause_of_its_own_however_it_is_limited() {
    let mut limiters = vec![Limiter::Sampled];
    let best = Limiter::detect();
    if best != Limiter::Sampled {
        limiters.push(best);
    }
    for limiter in limiters {
        let name = limiter.name();
        let failure = failure_of("eat", limiter, 0).await;
        assert_eq!(failure.cause, Cause::Memory, "{name}: {failure:?}");
        let message = &failure.message;
        assert!(message.contains("an attempt may use at most 96MiB"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_keeps_its_beginning_and_its_end() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let attempt = cluster.give(1, cluster.order("shout", TaskKind::Plan, 0, Work::Plan));
    cluster.network.master.end_of(attempt).await;
    let log = cluster.network.peer("worker-1").log(attempt).await.unwrap();
    let text = String::from_utf8(log).unwrap();
    assert!(text.contains("begin\n0123456789abcde\n") && text.ends_with("abcde\nend\n"));
    assert!(text.contains(" bytes left out here]\n") && text.len() < 132_000, "{}", text.len());
    worker.end().await;
}
