//! Tests that a client finds the leading master, and gives up when there is none.

use super::*;

/// An address without a listener.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_client_follows_to_the_leader_and_stays_with_it() {
    let (follower, leader) = (Served::start().await, Served::start().await);
    let named = Refusal::NotLeader { leader: leader.address.clone() };
    *follower.fake.refusal.lock().unwrap() = Some(named);
    let client = follower.client();
    assert_eq!(client.kill(JobId(1)).await, Ok(()));
    assert_eq!(client.kill(JobId(2)).await, Ok(()));
    assert_eq!(follower.asked(), ["kill j1"]);
    assert_eq!(leader.asked(), ["kill j1", "kill j2"]);
    assert_eq!(client.address(), leader.address);
}

#[tokio::test]
async fn a_client_goes_from_a_dead_master_to_the_next() {
    let (dead, alive) = (nobody().await, Served::start().await);
    let client = Master::connect(&[dead, alive.address.clone()], quick()).unwrap();
    assert_eq!(client.kill(JobId(1)).await, Ok(()));
    assert_eq!(alive.asked(), ["kill j1"]);
}

#[tokio::test]
async fn client_that_knows_one_master_finds_the_others() {
    let (named, fellow) = (Served::start().await, Served::start().await);
    named.fake.fellows.lock().unwrap().push(fellow.address.clone());
    let client = named.client();
    client.status(JobId(7), 0).await.unwrap();
    let was_asked = || named.fake.asked.lock().unwrap().contains(&"masters".to_owned());
    let asked = async {
        while !was_asked() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(quick().answer, asked).await.unwrap();
    // An answer that was given is still delivered.
    tokio::time::sleep(quick().patience).await;
    assert_eq!(client.address(), named.address, "it stays with the master that answers");
    let message = "its machine is gone".to_owned();
    *named.fake.refusal.lock().unwrap() = Some(Refusal::Unavailable { message });
    assert_eq!(client.kill(JobId(1)).await, Ok(()));
    assert_eq!(fellow.asked(), ["kill j1"]);
}

#[tokio::test]
async fn an_upload_follows_too() {
    let (follower, leader) = (Served::start().await, Served::start().await);
    let named = Refusal::NotLeader { leader: leader.address.clone() };
    *follower.fake.refusal.lock().unwrap() = Some(named);
    let digest = follower.client().put_bytes(&[7; 1 << 20]).await.unwrap();
    assert_eq!(leader.fake.artifacts.lock().unwrap()[&digest].len(), 1 << 20);
}

#[tokio::test]
async fn a_connection_that_broke_is_made_again() {
    let first = Served::start().await;
    let (address, client) = (first.address.clone(), first.client());
    assert_eq!(client.kill(JobId(1)).await, Ok(()));
    drop(first);
    let again = loop {
        match TcpListener::bind(&address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let (fake, folder) = (Arc::new(Fake::default()), TempDir::new().unwrap());
    let inbox = folder.path().join("inbox");
    let served = fake.clone();
    tokio::spawn(async move { serve_master(again, served, &inbox, std::future::pending()).await });
    let client = Master::connect(&[client.address()], Options::default()).unwrap();
    assert_eq!(client.kill(JobId(2)).await, Ok(()));
    assert_eq!(*fake.asked.lock().unwrap(), ["kill j2"]);
}

#[tokio::test]
async fn without_a_leader_the_error_names_the_masters_asked() {
    let served = Served::start().await;
    *served.fake.refusal.lock().unwrap() = Some(Refusal::NotLeader { leader: String::new() });
    let refused = served.client().kill(JobId(1)).await.unwrap_err();
    let known = &served.address;
    let message = format!(
        "no master leads: masters known: {known}\nhint: start the cluster, or give the addresses of its masters"
    );
    assert_eq!(refused, Refusal::Unavailable { message });
    assert!(served.asked().len() > 2, "{:?}", served.asked());

    let dead = nobody().await;
    let client = Master::connect(std::slice::from_ref(&dead), quick()).unwrap();
    let refused = client.kill(JobId(1)).await.unwrap_err().to_string();
    assert!(refused.contains("Connection refused") && refused.contains(&dead), "{refused}");
}

#[tokio::test]
async fn client_waits_for_work_under_way_but_not_forever() {
    let served = Served::start().await;
    let message = "artifact 7 is being copied".to_owned();
    *served.fake.refusal.lock().unwrap() = Some(Refusal::NotYet { message });
    let client = served.client();
    let asked = tokio::spawn(async move { client.kill(JobId(1)).await });
    tokio::time::sleep(4 * quick().patience).await;
    assert!(!asked.is_finished(), "its patience would be over, were nobody at work on it");
    *served.fake.refusal.lock().unwrap() = None;
    assert_eq!(asked.await.unwrap(), Ok(()));

    // It fails again and again.
    let client = served.client();
    let asked = tokio::spawn(async move { client.kill(JobId(2)).await });
    let message = || "it has failed".to_owned();
    while !asked.is_finished() {
        for refusal in
            [Refusal::NotYet { message: message() }, Refusal::Unavailable { message: message() }]
        {
            *served.fake.refusal.lock().unwrap() = Some(refusal);
            tokio::time::sleep(quick().patience).await;
        }
    }
    let refused = asked.await.unwrap().unwrap_err();
    assert!(refused.to_string().starts_with("it has failed"), "{refused}");
}

#[tokio::test]
async fn a_leader_elsewhere_is_not_followed() {
    let served = Served::start().await;
    let leader = "10.1.2.3:7400".to_owned();
    *served.fake.refusal.lock().unwrap() = Some(Refusal::NotLeader { leader });
    let refused = served.client().kill(JobId(1)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Unavailable { .. }), "{refused}");
}

#[tokio::test]
async fn invalid_addresses_are_refused_at_once() {
    for addresses in [vec![], vec!["10.0.0.1:7400".to_owned()], vec!["x".to_owned()]] {
        let refused = Master::connect(&addresses, quick()).unwrap_err();
        assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    }
}
