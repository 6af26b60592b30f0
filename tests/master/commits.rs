//! Commits that fail: if a retry would fail too, the job fails at once. Otherwise the commit is retried after a pause.

use gristmill::model::{About, AttemptId, Cause, Failure, JobState};
use gristmill::rpc::jobs::JobStatus;
use gristmill::rpc::workers::HeldState;
use gristmill::scheduler::{COMMIT_DEATHS_MAX, COMMIT_MISSES_MAX};

use crate::bench::Bench;
use crate::fake::{Fake, run_until};

/// Number of attempts that a test lets fail to show that there is no limit: higher than any limit.
const MANY: u32 = 40;

/// Runs a job whose commits fail like this, at most `most` times; the next one succeeds. Returns how many failed, and
/// the job's status at the end.
async fn commits_that_fail(failure: Failure, most: u32) -> (u32, JobStatus) {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    let commit = run_until(&bench, &mut worker, "j1/c0").await.task;
    for number in 1..=most {
        let attempt = reaches(&bench, &mut worker, commit.attempt(number)).await;
        let state = HeldState::Failed { failure: failure.clone(), lost: Vec::new() };
        worker.held.insert(attempt, state);
        worker.poll_at_once(&bench).await;
        let status = bench.status(job).await;
        if status.state != JobState::Committing {
            return (number, status);
        }
    }
    reaches(&bench, &mut worker, commit.attempt(most + 1)).await;
    worker.finish_all(&bench).await;
    worker.poll_at_once(&bench).await;
    (most, bench.status(job).await)
}

/// Polls until the worker receives the attempt.
async fn reaches(bench: &Bench, worker: &mut Fake, attempt: AttemptId) -> AttemptId {
    for _ in 0..100 {
        if worker.held.contains_key(&attempt) {
            return attempt;
        }
        worker.poll(bench).await.unwrap();
    }
    panic!("{attempt} never came");
}

#[tokio::test]
async fn damaged_staged_output_fails_the_job_with_its_cause() {
    for (cause, about) in [
        (Cause::Disk, About::StagedDamaged),
        (Cause::UserError, About::StagedDamaged),
        (Cause::UserError, About::OutputTaken),
        (Cause::UserError, About::BadInput),
    ] {
        let failure = Failure::new(cause, "it is what it is\nhint: submit it again").about(about);
        let (failed, status) = commits_that_fail(failure.clone(), MANY).await;
        assert_eq!((failed, status.state), (1, JobState::Failed), "{about:?}");
        let (attempt, told) = status.failure.unwrap();
        assert_eq!((attempt.to_string().as_str(), told), ("j1/c0#1", failure));
    }
}

#[tokio::test]
async fn what_a_user_can_change_is_tried_until_it_works() {
    for (cause, about) in [
        (Cause::Disk, About::FullDisk),
        (Cause::UserError, About::Nothing),
        (Cause::UserError, About::Output),
        (Cause::UserError, About::Version),
        (Cause::MasterError, About::Nothing),
        (Cause::WorkerError, About::Nothing),
        (Cause::Timeout, About::Nothing),
    ] {
        let failure = Failure::new(cause, "no luck").about(about);
        let (failed, status) = commits_that_fail(failure, MANY).await;
        assert_eq!((failed, status.state), (MANY, JobState::Succeeded), "{cause} {about:?}");
    }
}

#[tokio::test]
async fn staged_output_that_stays_missing_fails_the_job() {
    let failure = Failure::new(Cause::UserError, "not there").about(About::StagedMissing);
    let (failed, status) = commits_that_fail(failure.clone(), MANY).await;
    assert_eq!((failed, status.state), (COMMIT_MISSES_MAX, JobState::Failed));
    let told = status.failure.unwrap().1.details.join("; ");
    assert_eq!(told, "publishing has failed in this way 16 times, so no further attempt is made");

    let (failed, status) = commits_that_fail(failure, COMMIT_MISSES_MAX - 1).await;
    assert_eq!((failed, status.state), (COMMIT_MISSES_MAX - 1, JobState::Succeeded));
}

#[tokio::test]
async fn executors_that_keep_dying_fail_the_job_and_leave_its_output_open() {
    for cause in [Cause::Exit, Cause::Signal, Cause::Panic, Cause::Memory] {
        let (failed, status) = commits_that_fail(Failure::new(cause, "gone"), MANY).await;
        assert_eq!((failed, status.state), (COMMIT_DEATHS_MAX, JobState::Failed), "{cause}");
        let told = status.failure.unwrap().1.details.join("; ");
        assert!(told.contains("run `gristmill verify`"), "{told}");
    }
}
