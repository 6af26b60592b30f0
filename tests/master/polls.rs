//! Polls: their effects, and that lost, repeated or late polls change nothing.

use std::time::Duration;

use gristmill::model::{About, AttemptId, AttemptState, Cause, Failure, JobState, TaskState};
use gristmill::rpc::jobs::{Jobs, TasksRequest};
use gristmill::rpc::workers::{Done, HeldState, Work, Workers};

use crate::bench::{Bench, LEASE_MS, class};
use crate::fake::{Fake, MAPS, REDUCES, run, run_until};

#[tokio::test]
async fn a_job_runs_through_all_phases() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    assert_eq!(bench.status(job).await.reason, "no workers");
    let mut workers = [Fake::new(&bench, 1, 1).await, Fake::new(&bench, 2, 1).await];
    let states = run(&bench, &mut workers, job).await;
    for state in [JobState::Planning, JobState::Mapping, JobState::Reducing, JobState::Committing] {
        assert!(states.contains(&state), "{state:?} missing in {states:?}");
    }
    assert_eq!(states.last(), Some(&JobState::Succeeded));

    let status = bench.status(job).await;
    assert_eq!((status.progress, status.output.as_str()), (1.0, "/out/a"));
    assert_eq!((status.maps.done, status.reduces.done), (MAPS, REDUCES));
    assert_eq!((status.error, status.submitted.as_str()), (None, "2026-11-23T09:00:00Z"));
    assert!(status.finished.is_some());
    let counters = bench.master.counters(job).await.unwrap();
    assert_eq!(counters["Words"]["seen"], u64::from(10 * (1 + MAPS + REDUCES)));
    let tasks = u64::from(2 + MAPS + REDUCES);
    assert_eq!(counters["Job Counters"]["attempts_started"], tasks);
    assert_eq!(counters["Job Counters"]["attempts_rerun"], 0);

    let page = TasksRequest { job, offset: 1, limit: 2 };
    let page = bench.master.tasks(page).await.unwrap();
    let ids: Vec<String> = page.iter().map(|task| task.id.to_string()).collect();
    assert_eq!(ids, ["j1/m0", "j1/m1"]);
    assert_eq!((page[0].state, page[0].attempts[0].pid), (TaskState::Completed, 77));
    assert_eq!(page[0].attempts[0].state, AttemptState::Succeeded);
    let kept = workers[0].poll(&bench).await.unwrap().keep;
    assert!(kept.is_empty(), "files of a job that has ended are not kept: {kept:?}");
}

#[tokio::test]
async fn order_names_everything_its_attempt_needs() {
    let bench = Bench::new();
    bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    let orders = worker.poll_at_once(&bench).await;
    assert_eq!(orders.attempts.len(), 1);
    let order = &orders.attempts[0];
    assert_eq!((order.work.clone(), order.nonce.0, order.timeout_ms), (Work::Plan, 1, 600_000));
    let map = run_until(&bench, &mut worker, "j1/m0").await;
    let Work::Map { plan, .. } = worker.work[&map] else {
        panic!("{:?}", worker.work[&map]);
    };
    let reduce = run_until(&bench, &mut worker, "j1/r1").await;
    assert_eq!(worker.work[&reduce], Work::Reduce { plan, maps: MAPS });
    let commit = run_until(&bench, &mut worker, "j1/c0").await;
    let Work::Commit { maps, reduces, counters, .. } = &worker.work[&commit] else {
        panic!("{:?}", worker.work[&commit]);
    };
    // The map in the middle has staged no output.
    assert_eq!((maps.as_slice(), reduces.as_slice()), ([1, 0, 1].as_slice(), [1, 1].as_slice()));
    assert_eq!(counters.get("Words", "seen"), u64::from(10 * (1 + MAPS + REDUCES)));
}

#[tokio::test]
async fn answer_includes_the_effects_of_the_report() {
    let bench = Bench::new();
    bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    for expected in ["j1/p0#1", "j1/m0#1", "j1/m1#1", "j1/m2#1", "j1/r0#1", "j1/r1#1", "j1/c0#1"] {
        worker.poll_at_once(&bench).await;
        assert_eq!(worker.names(), [expected]);
        worker.finish_all(&bench).await;
    }
}

#[tokio::test]
async fn lost_answers_and_repeated_polls_change_nothing() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 2).await;
    for _ in 0..30 {
        // The answer to this poll never arrives, and the poll arrives twice.
        let lost = worker.message();
        bench.in_time(bench.master.poll(lost.clone())).await.unwrap();
        bench.in_time(bench.master.poll(lost)).await.unwrap();
        worker.poll(&bench).await.unwrap();
        worker.finish_all(&bench).await;
    }
    assert_eq!(bench.state(job).await, JobState::Succeeded);
    let tasks = u64::from(2 + MAPS + REDUCES);
    assert_eq!(bench.job_counter(job, "attempts_started").await, tasks);
    let counters = bench.master.counters(job).await.unwrap();
    assert_eq!(counters["Words"]["seen"], u64::from(10 * (1 + MAPS + REDUCES)));
}

#[tokio::test]
async fn late_poll_is_ignored() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    let plan = run_until(&bench, &mut worker, "j1/p0").await;
    worker.finish(&bench, plan).await;
    let late = worker.message();
    worker.held.insert(
        plan,
        HeldState::Running { progress: 0.5, bytes: 0, fetched: 0, joined: 0, wants: 0 },
    );
    let newest = worker.message();
    let mut held = tokio::spawn({
        let master = bench.master.clone();
        async move { master.poll(newest).await }
    });
    assert!(bench.is_held(&mut held).await);
    let answer = bench.at_once(bench.master.poll(late.clone())).await.unwrap();
    assert_eq!(answer.sequence, late.sequence);
    assert_eq!(bench.state(job).await, JobState::Planning);
    assert!(bench.is_held(&mut held).await, "a late poll ends no newer one");
    bench.in_time(held).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_poll_without_news_is_held_for_a_third_of_the_lease() {
    let bench = Bench::new();
    let mut worker = Fake::new(&bench, 1, 1).await;
    let message = worker.message();
    let mut held = tokio::spawn({
        let master = bench.master.clone();
        async move { master.poll(message).await }
    });
    assert!(bench.is_held(&mut held).await);
    bench.pass(LEASE_MS / 3 - 100).await;
    assert!(bench.is_held(&mut held).await);
    bench.pass(100).await;
    assert!(!bench.is_held(&mut held).await);
    assert!(held.await.unwrap().unwrap().attempts.is_empty());
}

#[tokio::test]
async fn news_and_newer_polls_end_a_held_one_at_once() {
    let bench = Bench::new();
    let mut worker = Fake::new(&bench, 1, 1).await;
    let (older, newer) = (worker.message(), worker.message());
    let poll = |message| {
        let master = bench.master.clone();
        tokio::spawn(async move { master.poll(message).await })
    };
    let (mut first, second) = (poll(older), poll(newer));
    assert!(!bench.is_held(&mut first).await);
    bench.submit("a").await;
    let orders = bench.at_once(second).await.unwrap().unwrap();
    assert_eq!((orders.sequence, orders.attempts.len()), (2, 1));
}

#[tokio::test]
async fn the_same_answer_to_the_same_poll_is_not_given_in_a_busy_loop() {
    let bench = Bench::new();
    bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    let (first, second) = (worker.message(), worker.message());
    bench.at_once(bench.master.poll(first)).await.unwrap();
    let mut again = tokio::spawn({
        let master = bench.master.clone();
        async move { master.poll(second).await }
    });
    assert!(bench.is_held(&mut again).await);
    bench.pass(100).await;
    assert_eq!(bench.at_once(again).await.unwrap().unwrap().attempts.len(), 1);
}

#[tokio::test]
async fn two_jobs_share_the_workers() {
    let bench = Bench::new();
    let (a, b) = (bench.submit("a").await, bench.submit("b").await);
    let mut workers = [Fake::new(&bench, 1, 2).await, Fake::new(&bench, 2, 2).await];
    run(&bench, &mut workers, a).await;
    run(&bench, &mut workers, b).await;
    assert_eq!(bench.state(a).await, JobState::Succeeded);
    let lines = bench.master.list().await.unwrap();
    let ids: Vec<String> = lines.iter().map(|line| line.id.to_string()).collect();
    assert_eq!(ids, ["j1", "j2"]);
    assert!(lines.iter().all(|line| line.state == JobState::Succeeded));
}

/// Lets time pass until a worker receives an attempt at a task that pauses.
async fn rest(bench: &Bench, worker: &mut Fake, attempt: AttemptId) {
    for _ in 0..20 {
        if worker.attempts().contains(&attempt) {
            return;
        }
        worker.poll(bench).await.unwrap();
    }
    panic!("{attempt} never came");
}

#[tokio::test]
async fn a_failing_task_is_tried_again_and_then_fails_the_job() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    // The worker has enough slots that no other task can occupy the last one while this task pauses.
    let mut worker = Fake::new(&bench, 1, 8).await;
    let mut attempt = run_until(&bench, &mut worker, "j1/m0").await;
    for number in 1..=4 {
        assert_eq!(attempt.number, number);
        let mut failure = Failure::new(Cause::UserError, "no\tluck");
        failure.at = Some("src/main.rs:7".into());
        worker.held.insert(attempt, HeldState::Failed { failure, lost: Vec::new() });
        worker.poll_at_once(&bench).await;
        attempt = attempt.task.attempt(number + 1);
        if number < 4 {
            // The task pauses after its second and each later failure.
            rest(&bench, &mut worker, attempt).await;
        }
    }
    let status = bench.status(job).await;
    assert_eq!(status.state, JobState::Failed);
    assert_eq!(status.reason, r"j1/m0#4: user_error at src/main.rs:7: no\tluck");
    assert_eq!(status.failure.unwrap().0.number, 4);
}

#[tokio::test]
async fn an_error_of_the_input_fails_the_job_at_once() {
    for task in ["j1/p0", "j1/m0"] {
        let bench = Bench::new();
        let job = bench.submit("a").await;
        let mut worker = Fake::new(&bench, 1, 1).await;
        let attempt = run_until(&bench, &mut worker, task).await;
        let message = "record is longer than the limit of 67108864 bytes: in.txt at byte 0";
        let failure = Failure::new(Cause::UserError, message).about(About::BadInput);
        worker.held.insert(attempt, HeldState::Failed { failure, lost: Vec::new() });
        worker.poll_at_once(&bench).await;
        let status = bench.status(job).await;
        assert_eq!(status.state, JobState::Failed, "{task}");
        assert_eq!(status.reason, format!("{task}#1: user_error: {message}"));
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_true_fails_its_attempt() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    let plan = run_until(&bench, &mut worker, "j1/p0").await;
    worker.held.insert(plan, HeldState::Done(Done::Sweep));
    worker.poll_at_once(&bench).await;
    assert_eq!(worker.names(), ["j1/p0#2"]);

    // Zero reduces are invalid for a job that has a reduce.
    let stored = bench.put(b"the plan").await;
    let counters = Default::default();
    let planned = HeldState::Done(Done::Plan {
        plan: stored,
        splits: 1,
        reducers: 0,
        input_bytes: 0,
        counters,
    });
    worker.held.insert(plan.task.attempt(2), planned);
    worker.poll_at_once(&bench).await;
    let status = bench.status(job).await;
    assert_eq!(status.state, JobState::Failed);
    assert!(status.reason.contains("reducers must be 1 to 10000, got 0"), "{}", status.reason);
}

#[tokio::test]
async fn publishing_that_fails_is_tried_again_after_a_pause() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    let commit = run_until(&bench, &mut worker, "j1/c0").await;
    let failure = Failure::new(Cause::UserError, "the folder is read-only");
    worker.held.insert(commit, HeldState::Failed { failure, lost: Vec::new() });
    let orders = worker.poll_at_once(&bench).await;
    assert!(orders.attempts.is_empty(), "it waits: {orders:?}");
    // Setting back the machine's time does not prolong the pause.
    bench.manual.set_back(Duration::from_secs(3_600));
    let status = bench.status(job).await;
    assert_eq!(status.state, JobState::Committing);
    assert!(status.error.unwrap().contains("read-only"));
    let orders = worker.poll(&bench).await.unwrap();
    assert_eq!(orders.attempts[0].attempt, commit.task.attempt(2));
    worker.finish_all(&bench).await;
    worker.poll_at_once(&bench).await;
    assert_eq!(bench.state(job).await, JobState::Succeeded);
}

#[tokio::test]
async fn unknown_worker_must_register() {
    let bench = Bench::new();
    let mut worker = Fake::new(&bench, 1, 1).await;
    worker.incarnation = 9;
    assert_eq!(class(worker.poll(&bench).await), "not found");
}
