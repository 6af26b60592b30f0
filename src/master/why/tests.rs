//! Tests of the explanations of jobs that wait, run, were cancelled, succeeded, or failed for various reasons.

use super::*;
use crate::master::recipes::recipe;
use crate::master::state::{Change, JobRecord, WorkerRecord};
use crate::model::{
    AttemptId, Cause, Counters, Digest, Failure, JobOptions, JobState, Location, Nonce, RecordRef,
    TaskId, Volume, WorkerFacts, WorkerId,
};
use crate::rpc::recipe::RecipeRequest;
use crate::rpc::why::Kind;
use crate::scheduler::{
    Cancel, Command, Complete, Drain, Fail, Join, LOST_WORKERS_MAX, LoseWorker, PlanDone,
    RegisterWorker, Retry, Submit, Wait,
};

const CLUSTER: &str = "127.0.0.1:7400,127.0.0.1:7401";
const JOB: JobId = JobId(1);

/// A state to which events happen, one second apart.
struct Story {
    state: State,
    now_ms: u64,
}

impl Story {
    /// A planned job of two maps and two reduces, on a worker with this number of slots.
    fn planned(slots: u32) -> Self {
        let mut story = Self::submitted();
        story.join(1, slots);
        let counters = Counters::new();
        let attempt = JOB.task(TaskKind::Plan, 0).attempt(1);
        story.decide(PlanDone { attempt, splits: 2, reducers: 2, input_bytes: 0, counters });
        story
    }

    fn submitted() -> Self {
        let mut story = Self { state: State::default(), now_ms: 1_795_424_400_000 };
        story.submit(JOB);
        story
    }

    fn submit(&mut self, job: JobId) {
        self.submit_with(job, JobOptions::default());
    }

    fn submit_with(&mut self, job: JobId, options: JobOptions) {
        let record = JobRecord {
            spec: Digest(1),
            same: Digest(1),
            executable: Digest(2),
            side_files: Vec::new(),
            output: Some(Location::from("/out")),
            plan: None,
            is_swept: false,
        };
        let submit = Box::new(Submit {
            job,
            request: job.to_string(),
            name: "odd".into(),
            nonce: Nonce(1),
            reducers: Some(2),
            map_only: false,
            options,
        });
        self.happen(Change::Accept { submit, record });
    }

    fn join(&mut self, number: u64, slots: u32) {
        self.join_with(number, slots, 0);
    }

    fn join_with(&mut self, number: u64, slots: u32, attempt_memory_bytes: u64) {
        let (worker, incarnation) = (WorkerId(number), 1);
        let outputs = Vec::new();
        let register = RegisterWorker { worker, incarnation, slots, attempt_memory_bytes, outputs };
        let address = format!("127.0.0.1:{}", 9_000 + number);
        let facts = WorkerFacts { pid: 4_711, address, slots, ..WorkerFacts::default() };
        let record = WorkerRecord { incarnation: 1, former: None, number: 1, facts, gone: None };
        self.happen(Change::Introduce { register, record });
    }

    fn lose(&mut self, number: u64) {
        self.decide(LoseWorker { worker: WorkerId(number), incarnation: 1 });
    }

    fn decide(&mut self, command: impl Into<Command>) {
        self.happen(Change::Decide(command.into()));
    }

    fn complete(&mut self, attempt: AttemptId, digest: u64) {
        let (digest, counters, volume) = (Some(digest), Counters::new(), Volume::default());
        self.decide(Complete { attempt, digest, is_staged: true, joined: 0, counters, volume });
    }

    fn fail(&mut self, attempt: AttemptId, failure: Failure) {
        self.decide(Fail { attempt, failure, deterministic: false });
    }

    fn happen(&mut self, change: Change) {
        self.now_ms += 1_000;
        self.state.apply(self.now_ms, change).unwrap();
    }

    fn why(&self) -> Why {
        why(&self.state, JOB, CLUSTER).unwrap()
    }
}

fn map(index: u32, number: u32) -> AttemptId {
    JOB.task(TaskKind::Map, index).attempt(number)
}

fn reduce(index: u32, number: u32) -> AttemptId {
    JOB.task(TaskKind::Reduce, index).attempt(number)
}

#[track_caller]
fn check(why: &Why, kind: Kind, parts: &[&str]) {
    assert_eq!(why.kind, kind, "{why:?}");
    for part in parts {
        assert!(why.summary.contains(part), "{part}: {}", why.summary);
    }
}

#[test]
fn job_that_waits_for_memory_says_how_much_and_what_to_do() {
    let mut story = Story { state: State::default(), now_ms: 1_795_424_400_000 };
    story.submit_with(JOB, JobOptions { memory_bytes: 4 << 30, ..JobOptions::default() });
    story.join_with(1, 2, 512 << 20);
    let said = "j1 odd is waiting for a worker with 4GiB of memory per attempt (set by the \
                job's --memory); the largest worker offers 512MiB.";
    check(&story.why(), Kind::Waiting, &[said]);
    assert!(story.why().suggestion.contains("--memory 512MiB or less"), "{:?}", story.why());
    let line = crate::master::status_lines::lines(&story.state).remove(0);
    assert!(
        line.reason.starts_with("waiting for a worker with 4GiB of memory per attempt"),
        "{line:?}"
    );
    story.join_with(2, 1, 4 << 30);
    check(&story.why(), Kind::None, &["listing the input"]);
}

#[test]
fn waiting_job_explains_its_reason() {
    let mut story = Story::submitted();
    check(&story.why(), Kind::Waiting, &["j1 odd waits: there are no workers."]);
    assert_eq!(
        story.why().suggestion,
        "start a worker: gristmill worker --cluster 127.0.0.1:7400,127.0.0.1:7401"
    );

    story.submit(JobId(2));
    story.join(1, 1);
    check(&story.why(), Kind::None, &["j1 odd is running: listing the input."]);
    let other = why(&story.state, JobId(2), CLUSTER).unwrap();
    let said = "j2 odd is waiting for slots. Of 1 slot on 1 worker, j1 has 1.";
    check(&other, Kind::Waiting, &[said]);

    story.decide(Drain { worker: WorkerId(1) });
    let other = why(&story.state, JobId(2), CLUSTER).unwrap();
    check(&other, Kind::Waiting, &["all workers are draining"]);
    assert_eq!(why(&story.state, JobId(9), CLUSTER), None);
}

#[test]
fn a_job_whose_worker_was_lost_names_it() {
    let mut story = Story::planned(1);
    story.lose(1);
    let said = "w1 (pid 4711, 127.0.0.1:9001) was lost at 2026-11-23T09:00:04.000Z, together with j1/m0#1.";
    check(&story.why(), Kind::WorkerLost, &["waits: there are no workers. ", said]);
    assert!(story.why().suggestion.contains("--data"));
}

#[test]
fn a_task_that_ends_its_workers_is_named() {
    let mut story = Story::planned(1);
    for number in 1..=u64::from(LOST_WORKERS_MAX) {
        story.lose(number);
        story.join(number + 1, 1);
    }
    let why = story.why();
    let parts = [
        "32 workers were lost while they ran the same task",
        "w32 was lost",
        "j1/m0 had 32 attempts. Of the last 16, all ended with this failure, namely #25 on w25",
    ];
    check(&why, Kind::WorkerLost, &parts);
    assert_eq!((why.state, why.attempts.len()), (JobState::Failed, 16));
    assert!(why.suggestion.contains("the task seems to kill each worker that runs it"));
}

#[test]
fn recovered_failure_is_not_the_cause() {
    let mut story = Story::planned(1);
    story.fail(map(0, 1), Failure::new(Cause::Panic, "once"));
    let said =
        "The latest failure of an unfinished task was in j1/m0#1 on w1: user code panicked: once.";
    check(&story.why(), Kind::Panic, &["is running: ", said]);
    story.complete(map(0, 2), 7);
    let why = story.why();
    check(&why, Kind::None, &["1 of 2 maps running, 1 done."]);
    assert!(!why.summary.contains("once") && why.attempts.is_empty(), "{}", why.summary);
    assert_eq!((why.suggestion.as_str(), why.replay), ("", None));
}

#[test]
fn succeeded_job_is_explained() {
    let mut story = Story::planned(2);
    story.complete(map(0, 1), 7);
    story.complete(map(1, 1), 7);
    story.complete(reduce(0, 1), 0);
    story.complete(reduce(1, 1), 0);
    story.complete(JOB.task(TaskKind::Commit, 0).attempt(1), 0);
    let said = "odd succeeded at 2026-11-23T09:00:08Z, 7.000 s after it was submitted; no attempt was repeated. \
                Its output is /out.";
    check(&story.why(), Kind::None, &[said]);

    let mut story = Story::planned(2);
    story.decide(Cancel { job: JOB });
    check(&story.why(), Kind::Cancelled, &["was cancelled by a user at 2026-11-23T09:00:04Z"]);
}

#[test]
fn failed_job_names_line_record_attempts_and_next_step_with_escaped_text() {
    let mut story = Story::planned(1);
    let mut failure = Failure::new(Cause::Panic, "no\x1b[2J luck");
    failure.at = Some("src/main.rs:7".into());
    failure.record = Some(RecordRef {
        location: Location::from("/in\n.txt"),
        offset: 42,
        excerpt: b"a\tb\x07".to_vec(),
    });
    failure.log = vec!["last\x1bline".into()];
    story.fail(map(0, 1), failure.clone());
    story.fail(map(0, 2), failure);
    let why = story.why();
    let parts = [
        "j1 odd failed at 2026-11-23T09:00:05Z: user code panicked at src/main.rs:7: no\\x1b[2J luck.",
        "The record begins at byte 42 of /in\\n.txt: `a\\tb\\x07`.",
        "2 of 2 attempts at j1/m0 ended with this failure, namely #1 on w1, #2 on w1.",
        "The first such failure was at 2026-11-23T09:00:04.000Z, in j1/m0#1.",
    ];
    check(&why, Kind::Panic, &parts);
    assert_eq!(why.at.as_deref(), Some("src/main.rs:7"));
    assert_eq!(why.details, ["the same record has failed twice, so the task is not retried"]);
    assert_eq!(why.log, ["last\\x1bline"]);
    assert!(why.suggestion.starts_with("fix the code at src/main.rs:7"), "{}", why.suggestion);
    assert_eq!(why.replay.as_deref(), Some("gristmill replay j1/m0#2"));
    assert_eq!(why.attempts[0].message.as_deref(), Some("no\\x1b[2J luck"));
}

#[test]
fn attempts_with_other_ends_are_listed_separately() {
    let mut story = Story::planned(1);
    story.lose(1);
    story.join(2, 4);
    for number in 2..=5 {
        story.fail(map(0, number), Failure::new(Cause::Exit, "it exited"));
        let failures = number - 1;
        if (2..4).contains(&failures) {
            let wait = Wait { failures, rests: true };
            story.decide(Retry { task: map(0, 1).task, wait });
        }
    }
    let said = "4 of 5 attempts at j1/m0 ended with this failure, namely #2 on w2, #3 on w2, #4 on w2, #5 on w2; other attempts: #1 lost \
                (worker_lost) (--max-attempts 4).";
    check(&story.why(), Kind::Exit, &["failed at ", ": it exited.", said]);
}

#[test]
fn replay_includes_the_maps_that_shared_the_attempt() {
    let mut story = Story::planned(1);
    story.decide(Join { attempt: map(0, 1), known: 0, wanted: 5 });
    story.fail(map(0, 1), Failure::new(Cause::Exit, "it exited"));
    let ask = |task: TaskId, number| recipe(&story.state, RecipeRequest { task, number });
    let recipe = ask(map(0, 1).task, None).unwrap();
    assert_eq!((recipe.attempt, recipe.joined, recipe.maps), (map(0, 1), vec![1], 2));
    assert_eq!(ask(map(0, 1).task, Some(2)).unwrap().joined, [0; 0]);
    // It failed together with the other one, not by itself.
    assert_eq!(ask(map(1, 1).task, None).unwrap().attempt, map(1, 1));
    for (task, number, said) in [
        (map(0, 1).task, Some(3), "no attempt j1/m0#3: the last attempt at j1/m0 is #2"),
        (map(7, 1).task, None, "no task j1/m7"),
        (reduce(0, 1).task, None, "j1/r0 has not started yet"),
        (JOB.task(TaskKind::Commit, 0), None, "publishes the output and cannot be replayed"),
    ] {
        let refusal = ask(task, number).unwrap_err().to_string();
        assert!(refusal.contains(said), "{refusal}");
    }
}

#[test]
fn a_map_that_gives_other_output_is_named() {
    let mut story = Story::planned(2);
    story.complete(map(0, 1), 7);
    story.complete(map(1, 1), 7);
    story.complete(reduce(0, 1), 0);
    story.lose(1);
    story.join(2, 2);
    story.complete(map(0, 2), 8);
    let why = story.why();
    let parts = [
        "map is not deterministic: j1/m0#2 replaced a lost output",
        "Attempts at j1/m0: #1 on w1, #2 on w2.",
    ];
    check(&why, Kind::NondeterministicMap, &parts);
    assert!(why.suggestion.contains("no random numbers"));
}
