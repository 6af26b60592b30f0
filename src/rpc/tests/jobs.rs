//! Clients and a master.

use super::*;
use crate::spec::{InputSpec, JobSpec, Location};

fn submit() -> Submit {
    let spec = JobSpec {
        name: "wordcount".into(),
        inputs: vec![InputSpec { source: 0, location: Location::from("/in") }],
        output: Some(Location::from("/out")),
        overwrite: true,
        reducers: Some(3),
        split_bytes: None,
        memory_bytes: 1 << 30,
        max_bad_records: 2,
        sync: true,
        job: vec![0, 255],
    };
    Submit {
        id: "nightly-2026-11-23".into(),
        spec_digest: digest_of(&spec),
        spec,
        executable: Digest(u128::MAX - 1),
        map_only: true,
        priority: 9,
        max_attempts: 3,
        task_timeout_ms: 1_000,
        backups: true,
    }
}

fn digest_of(spec: &JobSpec) -> Digest {
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
    assert_eq!(client.kill(JobId(7)).await, Ok(()));
    assert_eq!(client.workers().await, Ok(vec![worker()]));
    assert_eq!(client.drain(WorkerId(4)).await, Ok(()));
    let asked = served.asked();
    for call in ["status j7 41", "tasks j7 1099511627776 100", "kill j7", "drain w4"] {
        assert!(asked.iter().any(|asked| asked == call), "{call}: {asked:?}");
    }
}

#[tokio::test]
async fn every_refusal_arrives_as_it_was_said() {
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

#[tokio::test]
async fn requests_over_a_limit_are_refused_by_both_ends_before_anybody_acts() {
    let served = Served::start().await;
    let client = served.client();
    type Change = fn(&mut Submit);
    let table: [(Change, &str); 8] = [
        (|submit| submit.id = "a b".into(), "submission id `a b` must be 1 to 128"),
        (|submit| submit.id = String::new(), "submission id `` must be"),
        (|submit| submit.max_attempts = 101, "max_attempts must be 0 to 100, got 101"),
        (|submit| submit.priority = -1, "priority must be 0 to 9, got -1"),
        (|submit| submit.task_timeout_ms = u64::MAX, "task_timeout_ms must be"),
        (|submit| submit.spec.output = None, "no standard output"),
        (|submit| submit.spec.name = "../x".into(), "job name `../x`"),
        (|submit| submit.spec.inputs[0].location = Location::from("in"), "`in` is not an absolute"),
    ];
    for (change, said) in table {
        let mut request = submit();
        change(&mut request);
        request.spec_digest = digest_of(&request.spec);
        let mut wire = crate::rpc::pb::jobs_client::JobsClient::new(raw(&served));
        let by_server = wire.submit(crate::rpc::pb::SubmitRequest::from(request.clone())).await;
        let by_server = crate::rpc::status::refusal(&by_server.unwrap_err(), "");
        let by_client = client.submit(request).await.unwrap_err();
        assert!(by_client.to_string().contains(said), "{by_client}");
        assert_eq!(by_client, by_server);
    }
    let page = TasksRequest { job: JobId(7), offset: 0, limit: 0 };
    let refused = client.tasks(page).await.unwrap_err().to_string();
    assert_eq!(refused, "limit must be 1 to 10000, got 0");
    assert_eq!(served.asked(), [""; 0]);
}

#[tokio::test]
async fn a_request_that_does_not_parse_is_refused_by_name() {
    let served = Served::start().await;
    let mut wire = crate::rpc::pb::jobs_client::JobsClient::new(raw(&served));
    let job = "../j7".to_owned();
    let refused = wire.kill(crate::rpc::pb::JobRef { job }).await.unwrap_err();
    let refused = crate::rpc::status::refusal(&refused, "");
    let message = "not a job id: `../j7`, expected a form like `j7`".into();
    assert_eq!(refused, Refusal::Invalid { message });
    let mut request = submit();
    request.spec_digest = Digest(1);
    let refused = wire.submit(crate::rpc::pb::SubmitRequest::from(request)).await.unwrap_err();
    assert!(refused.message().contains("is not that of the spec"), "{refused}");
}

fn raw(served: &Served) -> tonic::transport::Channel {
    let uri = format!("http://{}", served.address);
    tonic::transport::Endpoint::from_shared(uri).unwrap().connect_lazy()
}
