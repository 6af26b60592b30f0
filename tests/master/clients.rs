//! Requests of clients: submitting once, refusals with reasons, watching changes.

use gristmill::model::{JobId, JobSpec, JobState, Location, SideFileSpec};
use gristmill::rpc::artifacts::{Artifacts, Digest};
use gristmill::rpc::jobs::{Jobs, Submit};
use gristmill::rpc::refusal::Refusal;
use gristmill::scheduler::HISTORY_JOBS_MAX;
use std::time::Duration;

use crate::bench::{Bench, class, spec};
use crate::fake::{Fake, run_until};

fn side_file(digest: Digest) -> SideFileSpec {
    let name = Location::from("/stop.txt");
    SideFileSpec { location: name.clone(), name, digest: Some(digest) }
}

#[tokio::test]
async fn a_repeated_submission_is_the_same_job() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    assert_eq!(bench.submit("a").await, job);
    let other = bench.submission("a", spec("/elsewhere")).await;
    let refusal = bench.master.submit(other).await.unwrap_err();
    let said = "--id a belongs to another job: j1, with output `/out/a`\nhint: give another --id";
    assert_eq!(refusal, Refusal::Invalid { message: said.into() });
    assert_eq!(bench.submit("b").await, JobId(2));
    assert_eq!(bench.master.list().await.unwrap().len(), 2);
}

/// A `HashSet` among the flags is serialized in a different order each time.
#[tokio::test]
async fn repeated_submission_is_the_same_job_whatever_the_order_of_its_flags_bytes() {
    let bench = Bench::new();
    let with = |job: &[u8], typed| {
        let mut spec = spec("/out/a");
        (spec.job, spec.invocation.typed) = (job.to_vec(), typed);
        spec
    };
    let first = bench.submission("a", with(b"one two", 1)).await;
    let job = bench.master.submit(first).await.unwrap();
    let again = bench.submission("a", with(b"two one", 1)).await;
    assert_eq!(bench.master.submit(again).await.unwrap(), job);
    for (bytes, typed) in [(b"two one", 2), (b"one owt", 3), (b"one too", 1)] {
        let other = bench.submission("a", with(bytes, typed)).await;
        let refusal = bench.master.submit(other).await.unwrap_err();
        assert!(refusal.to_string().contains("belongs to another job: j1"), "{refusal}");
    }
}

#[tokio::test]
async fn invalid_submissions_are_refused_with_a_reason() {
    let bench = Bench::new();
    bench.submit("first").await;
    let text = bench.put(b"#!/bin/sh\nexit 0\n and so on").await;
    type Twist = Box<dyn Fn(&mut Submit)>;
    let table: [(Twist, &str); 5] = [
        (
            Box::new(|request| request.spec.output = Some(Location::from("/out/first"))),
            "output `/out/first` overlaps the output of job j1",
        ),
        (Box::new(|request| request.spec_digest = Digest(1)), "the spec 0000"),
        (
            Box::new(|request| request.executable = Digest(1)),
            "has not been uploaded\nhint: send it first",
        ),
        (
            Box::new(|request| request.spec.side_files = vec![side_file(Digest(1))]),
            "the side file 00000000000000000000000000000001 has not been uploaded\nhint: send it first",
        ),
        (Box::new(move |request| request.executable = text), "a complete ELF header"),
    ];
    for (twist, expected) in table {
        let mut request = bench.submission("x", spec("/out/x")).await;
        twist(&mut request);
        let refusal = bench.master.submit(request).await.unwrap_err();
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }
    assert_eq!(bench.master.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn status_request_waits_for_a_change() {
    let bench = Bench::new();
    let job = bench.submit("a").await;
    let first = bench.status(job).await;
    assert_eq!(first.version, bench.status(job).await.version, "nothing has changed");
    let watch = |after| {
        let master = bench.master.clone();
        tokio::spawn(async move { master.status(job, after).await.unwrap() })
    };
    let mut waiting = watch(first.version);
    assert!(bench.is_held(&mut waiting).await);
    let mut worker = Fake::new(&bench, 1, 1).await;
    let second = bench.at_once(waiting).await.unwrap();
    assert!(second.version > first.version);
    assert_eq!((second.state, second.reason.as_str()), (JobState::Planning, "listing the input"));

    run_until(&bench, &mut worker, "j1/m0").await;
    let last = bench.status(job).await.version;
    let mut waiting = watch(last);
    assert!(bench.is_held(&mut waiting).await);
    bench.pass(900).await;
    assert!(bench.is_held(&mut waiting).await);
    bench.pass(100).await;
    assert_eq!(bench.at_once(waiting).await.unwrap().version, last);
    assert_eq!(class(bench.master.status(JobId(9), 0).await), "not found");
}

#[tokio::test]
async fn history_is_bounded_and_takes_its_artifacts_along() {
    let bench = Bench::new();
    let side_files = [bench.put(b"words").await, bench.put(b"other words").await];
    let with = |file, out| JobSpec { side_files: vec![side_file(file)], ..spec(out) };
    let first = bench.submission("0", with(side_files[0], "/out/0")).await;
    let digests = [first.spec_digest, side_files[0]];
    assert_eq!(bench.master.submit(first).await.unwrap(), JobId(1));
    bench.master.kill(JobId(1)).await.unwrap();
    let surplus = 3;
    let request = bench.submission("", with(side_files[1], "/out/x")).await;
    for number in 1..HISTORY_JOBS_MAX as u64 + surplus {
        let request = Submit { id: number.to_string(), ..request.clone() };
        let job = bench.master.submit(request).await.unwrap();
        bench.master.kill(job).await.unwrap();
    }
    bench.pass(500).await;
    let lines = bench.master.list().await.unwrap();
    assert_eq!((lines.len(), lines[0].id), (HISTORY_JOBS_MAX, JobId(1 + surplus)));
    assert_eq!(class(bench.master.status(JobId(1), 0).await), "not found");

    // An unreferenced artifact is kept for an hour, because a submission may be about to name it.
    let folder = bench.folder.path().join("data/artifacts");
    let exists = |digest: Digest| folder.join(digest.to_string()).exists();
    let kept = [request.spec_digest, request.executable, side_files[1]];
    assert!(digests.into_iter().chain(kept).all(exists));
    bench.manual.advance(Duration::from_secs(3_700));
    bench.master.tick().await;
    assert!(!digests.into_iter().any(exists) && kept.into_iter().all(exists));
    assert!(!bench.master.has(digests[0]).await.unwrap());
}
