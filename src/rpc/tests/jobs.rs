//! Tests requests of clients to a master.

use super::*;
use crate::model::{InputSpec, JobOptions, JobSpec, Location};

pub(super) fn submit() -> Submit {
    let spec = JobSpec {
        inputs: vec![InputSpec { source: 0, location: Location::from("/in") }],
        output: Some(Location::from("/out")),
        overwrite: true,
        reducers: Some(3),
        max_bad_records: 2,
        sync: true,
        job: vec![0, 255],
        ..JobSpec::example()
    };
    Submit {
        id: "nightly-2026-11-23".into(),
        spec_digest: digest_of(&spec),
        spec,
        executable: Digest(u128::MAX - 1),
        map_only: true,
        options: JobOptions {
            priority: 9,
            max_attempts: 3,
            task_timeout_ms: Some(1_000),
            backups: false,
            ..JobOptions::default()
        },
    }
}

pub(super) fn digest_of(spec: &JobSpec) -> Digest {
    let mut bytes = Vec::new();
    crate::record::value::encode_into(spec, &mut bytes).unwrap();
    Digest::of(&bytes)
}

#[tokio::test]
async fn every_call_of_a_client_arrives_and_is_answered() {
    let served = Served::start().await;
    let client = served.client();
    assert_eq!(client.submit(submit()).await, Ok(JobId(7)));
    assert_eq!(*served.fake.submitted.lock().unwrap(), [submit()]);
    assert_eq!(client.list().await, served.fake.list().await);
    assert_eq!(client.status(JobId(7), 41).await, Ok(status(JobId(7), 42)));
    let page = TasksRequest { job: JobId(7), offset: 1 << 40, limit: 100 };
    assert_eq!(client.tasks(page).await, Ok(vec![task(JobId(7))]));
    assert_eq!(client.counters(JobId(7)).await, served.fake.counters(JobId(7)).await);
    assert_eq!(client.why(JobId(7)).await, Ok(why(JobId(7))));
    let (task, number) = (JobId(7).task(TaskKind::Map, 3), Some(2));
    let made_of = client.recipe(RecipeRequest { task, number }).await;
    assert_eq!(made_of, Ok(recipe(task.attempt(2))));
    assert_eq!(client.kill(JobId(7)).await, Ok(()));
    assert_eq!(client.workers().await, Ok(vec![worker()]));
    assert_eq!(client.drain(WorkerId(4)).await, Ok(()));
    let asked = served.asked();
    for call in [
        "status j7 41",
        "tasks j7 1099511627776 100",
        "why j7",
        "recipe j7/m3 Some(2)",
        "kill j7",
        "drain w4",
    ] {
        assert!(asked.iter().any(|asked| asked == call), "{call}: {asked:?}");
    }
}

#[tokio::test]
async fn every_refusal_arrives_unchanged() {
    let served = Served::start().await;
    let client = served.client();
    let long = "é\n".repeat(2_000);
    for refusal in [
        Refusal::Invalid { message: "x; y; z".into() },
        Refusal::NotFound { message: "no job j9".into() },
        Refusal::Limit { message: long },
        Refusal::Internal { message: String::new() },
    ] {
        *served.fake.refusal.lock().unwrap() = Some(refusal.clone());
        assert_eq!(client.kill(JobId(9)).await, Err(refusal));
    }
}
