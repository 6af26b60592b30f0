//! Checks which reports of maps a master accepts: a report must include staged output in a map-only job, and may include
//! it in a job with reduces.

use gristmill::model::{
    AttemptId, AttemptState, Cause, Counters, Failure, JobId, JobState, TaskKind, Volume,
};
use gristmill::rpc::jobs::{Jobs, TasksRequest};
use gristmill::rpc::workers::{Done, HeldState, Work};

use crate::bench::{Bench, spec};
use crate::fake::{Fake, digest, run, run_until};

/// Polls within which the job must fail: more than its attempts and their pauses take.
const POLLS_MAX: u32 = 1_000;

/// Submits a job without a reduce.
async fn map_only(bench: &Bench) -> JobId {
    let mut submission = bench.submission("a", spec("/out/a")).await;
    submission.map_only = true;
    bench.at_once(bench.master.submit(submission)).await.unwrap()
}

fn mapped(attempt: AttemptId, is_staged: bool) -> HeldState {
    let (counters, volume) = (Counters::new(), Volume::of_bytes(1));
    HeldState::Done(Done::Map {
        output: (),
        joined: 0,
        digest: digest(attempt),
        bytes: 1,
        is_staged,
        counters,
        volume,
    })
}

/// Returns the false state that a worker reports for a map instead of its end.
type Lie = fn(AttemptId) -> HeldState;

/// Returns the failure of a job whose only worker always reports this state for its maps.
async fn fails_of(lie: Lie) -> Failure {
    let bench = Bench::new();
    let job = map_only(&bench).await;
    let mut worker = Fake::new(&bench, 1, 1).await;
    worker.reduces = 0;
    run_until(&bench, &mut worker, "j1/m0").await;
    for _ in 0..POLLS_MAX {
        for attempt in worker.attempts().into_iter().filter(|it| it.task.kind == TaskKind::Map) {
            worker.held.insert(attempt, lie(attempt));
        }
        worker.poll(&bench).await.unwrap();
        if let Some((_, failure)) = bench.status(job).await.failure {
            return failure;
        }
    }
    panic!("{job} does not fail: {:?}", bench.status(job).await);
}

#[tokio::test]
async fn map_of_map_only_job_without_staged_output_is_refused() {
    let reduced: Lie =
        |_| HeldState::Done(Done::Reduce { counters: Counters::new(), volume: Volume::default() });
    let without =
        "the worker reported a map of a map-only job as done, but without its staged output";
    let lies: [(Lie, Cause, &str); 2] = [
        (|map| mapped(map, false), Cause::WorkerError, without),
        (reduced, Cause::Exit, "the worker reported a map attempt as reduced"),
    ];
    for (lie, cause, said) in lies {
        let bench = Bench::new();
        let job = map_only(&bench).await;
        let mut worker = Fake::new(&bench, 1, 1).await;
        worker.reduces = 0;
        let map = run_until(&bench, &mut worker, "j1/m0").await;
        worker.held.insert(map, lie(map));
        worker.poll_at_once(&bench).await;
        let status = bench.status(job).await;
        assert_eq!((status.state, status.maps.done), (JobState::Mapping, 0), "{said}");
        let request = TasksRequest { job, offset: 1, limit: 1 };
        let tasks = bench.master.tasks(request).await.unwrap();
        let refused = &tasks[0].attempts[0];
        assert_eq!((refused.id, refused.state), (map, AttemptState::Failed));
        assert_eq!(refused.cause, cause);

        let states = run(&bench, &mut [worker], job).await;
        assert_eq!(states.last(), Some(&JobState::Succeeded), "{said}");
        assert_eq!(bench.job_counter(job, "attempts_rerun").await, 1, "{said}");

        let failure = fails_of(lie).await;
        assert_eq!((failure.cause, failure.message.as_str()), (cause, said));
    }
}

/// A map of a job with reduces has staged output only if it has side outputs. The commit expects it then.
#[tokio::test]
async fn map_of_job_with_reduces_may_have_staged_output_or_not() {
    for is_staged in [false, true] {
        let bench = Bench::new();
        let job = bench.submit("a").await;
        let mut worker = Fake::new(&bench, 1, 1).await;
        let map = run_until(&bench, &mut worker, "j1/m0").await;
        worker.held.insert(map, mapped(map, is_staged));
        worker.poll_at_once(&bench).await;
        assert_eq!(bench.status(job).await.maps.done, 1);
        let commit = run_until(&bench, &mut worker, "j1/c0").await;
        let Work::Commit { maps, .. } = &worker.work[&commit] else { panic!("a commit") };
        assert_eq!(maps[0], u32::from(is_staged));
        worker.finish_all(&bench).await;
        worker.poll_at_once(&bench).await;
        assert_eq!(bench.state(job).await, JobState::Succeeded);
    }
}
