//! How a worker reacts to its master: late answers, silence, a lost registration, leaving.

use std::time::Duration;

use gristmill::model::{Nonce, TaskKind, WorkerId};
use gristmill::rpc::workers::{Done, HeldState, Leave, Work};
use gristmill::worker::{Error, Stop};
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{Cluster, JOB, is_alive};

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_older_polls_change_nothing() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let map = cluster.give(1, cluster.map(0));
    let master = &cluster.network.master;
    master.end_of(map).await;
    let attempt = cluster.give(1, cluster.order("hang", TaskKind::Reduce, 0, Work::Sweep));
    let pid = |known: &mut crate::master::Known| {
        let held = known.polls.last()?.held.iter().find(|held| held.attempt == attempt)?;
        (held.pid > 0).then_some(held.pid)
    };
    let before = master.until("it runs", pid).await;
    // Late answers list no attempts and no jobs to keep, and let the worker leave.
    master.with(|known| known.zombies = 3);
    let count = master.with(|known| known.polls.len());
    master.until("it polls on", |known| (known.polls.len() > count + 4).then_some(())).await;
    assert_eq!(master.until("it still runs", pid).await, before);
    assert!(master.with(|known| known.polls.last().unwrap().jobs.contains(&JOB)));
    let sequences: Vec<u64> =
        master.with(|known| known.polls.iter().map(|poll| poll.sequence).collect());
    assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "{sequences:?}");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_poll_stays_open_until_a_newer_one_is_answered() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let master = &cluster.network.master;
    // Each end is news, and is reported while a poll is held.
    for map in 0..3 {
        let map = cluster.give(1, cluster.map(map));
        master.end_of(map).await;
    }
    let closed = master.with(|known| known.closed.clone());
    assert!(closed.is_empty(), "to the master it would be gone: {closed:?}");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oldest_poll_to_a_silent_master_fails_over_first() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let attempt = cluster.give(1, cluster.order("hang", TaskKind::Reduce, 0, Work::Sweep));
    let master = &cluster.network.master;
    let runs = |known: &mut crate::master::Known| {
        let held = known.polls.last()?.held.iter().find(|held| held.attempt == attempt)?;
        let pid = Pid::from_raw(i32::try_from(held.pid).ok()?)?;
        known.is_silent = true;
        Some((pid, known.polls.len()))
    };
    let (pid, count) = master.until("it runs", runs).await;
    let first =
        master.until("a poll is sent", |known| Some(known.polls.get(count)?.sequence)).await;
    // The newer poll is sent when the attempt ends, so it turns to another master this much later.
    tokio::time::sleep(Duration::from_millis(100)).await;
    kill_process(pid, Signal::KILL).unwrap();
    let newer = |known: &mut crate::master::Known| (known.polls.len() > count + 1).then_some(());
    master.until("a newer one is sent", newer).await;
    let turned = |known: &mut crate::master::Known| known.turned.first().copied();
    assert_eq!(master.until("one has found another master", turned).await, first);
    master.end_of(attempt).await;
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_forgotten_registers_again_and_loses_nothing() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let master = &cluster.network.master;
    let map = cluster.give(1, cluster.map(0));
    master.end_of(map).await;
    master.with(|known| {
        known.forgets = true;
        known.ended.clear();
    });
    let second = master.until("again", |known| known.registered.get(1).cloned()).await;
    let first = master.with(|known| known.registered[0].clone());
    assert_eq!(
        (second.incarnation, &second.facts.address),
        (first.incarnation, &first.facts.address)
    );
    assert_eq!(second.outputs.len(), 1);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_go_on_without_a_master_and_are_reported_when_there_is_one_again() {
    let mut cluster = Cluster::new();
    let worker =
        cluster.worker(|options, _| options.masterless_max = Duration::from_secs(60)).await;
    let master = &cluster.network.master;
    let order = cluster.map(0);
    let attempt = cluster.give(1, order);
    // The master is away from the first poll that holds the attempt.
    master
        .until("it is held", |known| {
            let mut held = known.polls.iter().flat_map(|poll| &poll.held);
            held.any(|held| held.attempt == attempt).then(|| known.is_away = true)
        })
        .await;
    let path = cluster.data(1).join("jobs");
    let is_done = || {
        let jobs = std::fs::read_dir(&path).unwrap().flatten();
        let outputs = jobs.filter_map(|job| std::fs::read_dir(job.path().join("outputs")).ok());
        outputs.flatten().flatten().next().is_some()
    };
    master.until("its output is there", |_| is_done().then_some(())).await;
    master.with(|known| known.is_away = false);
    assert!(matches!(master.end_of(attempt).await, HeldState::Done(Done::Map { .. })));
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_when_no_master_answers_for_too_long() {
    let mut cluster = Cluster::new();
    let worker =
        cluster.worker(|options, _| options.masterless_max = Duration::from_millis(300)).await;
    cluster.network.master.with(|known| known.is_away = true);
    let ended = tokio::time::timeout(Duration::from_secs(20), worker.ended).await;
    let error = ended.expect("in time").unwrap().unwrap_err();
    assert!(matches!(&error, Error::Masterless { .. }), "{error}");
    assert!(error.to_string().starts_with("no master answered for 0 s: away\nhint: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_finishes_takes_nothing_new_and_leaves_when_it_may() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let map = cluster.give(1, cluster.map(0));
    let master = &cluster.network.master;
    // Any earlier poll counts, because the map may have ended before this test looks again.
    let holds = |known: &mut crate::master::Known| {
        let mut held = known.polls.iter().flat_map(|poll| &poll.held);
        held.any(|held| held.attempt == map).then_some(())
    };
    master.until("it is held", holds).await;
    worker.stop.send_replace(Stop::Drain);
    master.until("it says so", |known| known.polls.last()?.draining.then_some(())).await;
    let refused = cluster.give(1, cluster.map(1));
    assert!(matches!(master.end_of(map).await, HeldState::Done(Done::Map { .. })));
    let count = master.with(|known| known.polls.len());
    master.until("it polls on", |known| (known.polls.len() > count + 5).then_some(())).await;
    assert!(master.with(|known| !known.ended.contains_key(&refused)));
    assert!(!worker.ended.is_finished());
    master.with(|known| {
        known.orders.clear();
        known.may_leave = true;
    });
    let ended = tokio::time::timeout(Duration::from_secs(20), worker.ended).await;
    ended.expect("it leaves in time").unwrap().unwrap();
    assert_eq!(master.with(|known| known.left.len()), 1, "it reports that it leaves");
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_that_ends_reports_it_and_leaves_no_process() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let attempt = cluster.give(1, cluster.order("hang", TaskKind::Reduce, 0, Work::Sweep));
    let master = &cluster.network.master;
    let runs = |known: &mut crate::master::Known| {
        let held = known.polls.last()?.held.iter().find(|held| held.attempt == attempt)?;
        (held.pid > 0).then_some(held.pid)
    };
    let pid = master.until("it runs", runs).await;
    let incarnation = master.with(|known| known.registered[0].incarnation);
    worker.end().await;
    assert_eq!(
        master.with(|known| known.left.clone()),
        [Leave { worker: WorkerId(1), incarnation }]
    );
    assert!(!is_alive(pid));

    // A worker also ends if its master is away.
    let deaf = cluster.worker(|_, _| {}).await;
    cluster.network.master.with(|known| known.is_away = true);
    deaf.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_refused_for_good_says_so_at_once() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    cluster.network.master.with(|known| (known.refuses, known.forgets) = (true, true));
    let ended = tokio::time::timeout(Duration::from_secs(20), worker.ended).await;
    let error = ended.expect("it does not try for ten minutes").unwrap().unwrap_err();
    let expected = "the master refuses this worker: too many slots\nhint: correct the worker's \
                    flags and restart it";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_refuses_orders_of_another_cluster() {
    let mut cluster = Cluster::new();
    let worker = cluster.worker(|_, _| {}).await;
    let master = &cluster.network.master;
    // Another cluster has the address now, and does not know this worker.
    master.with(|known| (known.cluster, known.forgets) = (7, true));
    let ended = tokio::time::timeout(Duration::from_secs(20), worker.ended).await;
    let error = ended.expect("it does not go on").unwrap().unwrap_err().to_string();
    let said =
        format!("belongs to cluster {}, but the masters belong to cluster {}", Nonce(0), Nonce(7));
    assert!(error.contains(&said), "{error}");
    let said =
        master.with(|known| known.registered.iter().map(|it| it.cluster).collect::<Vec<_>>());
    assert_eq!(said, [None, Some(0)], "and it says whose it is");
}
