//! Tests requests about masters, and requests between masters.

use super::*;
use crate::rpc::client::Fellow;

#[tokio::test]
async fn status_of_masters_survives_the_wire() {
    let served = Served::start().await;
    let client = served.client();
    assert_eq!(client.masters().await, served.fake.masters().await);
    assert_eq!(client.standing().await, served.fake.standing().await);
    assert_eq!(client.removed().await, served.fake.removed().await);
    for (master, was_member) in [(MasterId(2), true), (MasterId(3), false)] {
        assert_eq!(client.remove(master).await, Ok(was_member));
        assert_eq!(served.asked().last(), Some(&format!("remove {master}")));
    }
    let join = Join { cluster: 0xc1, id: MasterId(3), address: "127.0.0.1:7402".into() };
    assert_eq!(client.join(join.clone()).await, Ok(()));
    assert_eq!(served.asked().last(), Some(&format!("join {join:?}")));
    assert_eq!(client.transfer(MasterId(2)).await, Ok(()));
    assert_eq!(served.asked().last().map(String::as_str), Some("transfer m2"));
}

#[tokio::test]
async fn invalid_join_is_refused_before_the_call() {
    let served = Served::start().await;
    for (id, address, said) in [
        (0, "127.0.0.1:7402", "id must be 1 to 1000, got 0"),
        (1_001, "127.0.0.1:7402", "id must be 1 to 1000, got 1001"),
        (3, "10.0.0.1:7402", "is not on this machine"),
    ] {
        let join = Join { cluster: 0xc1, id: MasterId(id), address: address.into() };
        let refused = served.client().join(join).await.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(served.asked(), [""; 0]);
}

#[tokio::test]
async fn calls_between_masters_arrive_as_they_were_made() {
    let served = Served::start().await;
    let fellow = Fellow::connect(&served.address, &quick());
    let call = Call { cluster: u128::MAX - 1, to: 3, body: vec![7; 100_000] };
    assert_eq!(fellow.append_entries(call.clone()).await, Ok(call.body.clone()));
    assert_eq!(fellow.vote(call.clone()).await, Ok(call.body.clone()));
    assert_eq!(fellow.stand(call.clone()).await, Ok(call.body.clone()));
    assert_eq!(fellow.install_snapshot(call.clone()).await, Ok(call.body.clone()));
    let asked = ["append", "vote", "stand", "snapshot"].map(|what| format!("{what} {call:?}"));
    assert_eq!(served.asked(), asked);

    let refusal = Refusal::NotLeader { leader: String::new() };
    *served.fake.refusal.lock().unwrap() = Some(refusal.clone());
    assert_eq!(fellow.vote(call).await, Err(refusal));
}
