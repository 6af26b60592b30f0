//! Tests transfers of artifacts to and from a master.

use super::*;
use crate::rpc::shuffle::CHUNK_BYTES;

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn artifacts_of_any_size_are_returned_unchanged() {
    let (served, folder) = (Served::start().await, TempDir::new().unwrap());
    let client = served.client();
    for count in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES, 9 * CHUNK_BYTES + 5] {
        let (sent, back) = (folder.path().join("sent"), folder.path().join("back"));
        fs::write(&sent, bytes(count)).unwrap();
        let digest = Digest::of(&bytes(count));
        assert_eq!(client.has(digest).await, Ok(false), "{count}");
        assert_eq!(client.put(digest, &sent).await, Ok(()), "{count}");
        assert_eq!(client.has(digest).await, Ok(true));
        assert_eq!(client.get(digest, &back).await, Ok(()), "{count}");
        assert_eq!(fs::read(&back).unwrap(), bytes(count));
        fs::remove_file(&back).unwrap();
    }
    let digest = client.put_bytes(&bytes(10)).await.unwrap();
    assert_eq!(served.fake.artifacts.lock().unwrap()[&digest], bytes(10));
}

#[tokio::test]
async fn known_artifact_is_not_sent_twice() {
    let served = Served::start().await;
    let client = served.client();
    client.put_bytes(b"once").await.unwrap();
    client.put_bytes(b"once").await.unwrap();
    let puts = served.asked().iter().filter(|asked| *asked == "put").count();
    assert_eq!(puts, 1);
}

#[tokio::test]
async fn artifact_with_a_wrong_digest_is_refused_and_leaves_nothing() {
    let (served, folder) = (Served::start().await, TempDir::new().unwrap());
    let client = served.client();
    let (sent, back) = (folder.path().join("sent"), folder.path().join("back"));
    fs::write(&sent, b"other").unwrap();
    let refused = client.put(Digest(1), &sent).await.unwrap_err();
    assert!(refused.to_string().contains("arrived damaged: expected 5 bytes"), "{refused}");
    assert_eq!(served.left(), 0);

    served.fake.artifacts.lock().unwrap().insert(Digest(2), bytes(CHUNK_BYTES + 1));
    let refused = client.get(Digest(2), &back).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Unavailable { .. }), "{refused}");
    assert!(!back.exists());

    let refused = client.get(Digest(3), &back).await.unwrap_err();
    assert_eq!(refused, Refusal::NotFound { message: format!("no artifact {}", Digest(3)) });
    assert!(!back.exists());
}

#[tokio::test]
async fn artifact_is_sent_from_where_it_lies_and_damage_is_found_on_the_way() {
    let (served, folder) = (Served::start().await, TempDir::new().unwrap());
    let (client, lent) = (served.client(), folder.path().join("lent"));
    *served.fake.lent.lock().unwrap() = Some(lent.clone());
    for (number, count) in [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7].into_iter().enumerate() {
        fs::write(&lent, bytes(count)).unwrap();
        let back = folder.path().join(format!("back-{number}"));
        assert_eq!(client.get(Digest::of(&bytes(count)), &back).await, Ok(()), "{count}");
        assert_eq!(fs::read(&back).unwrap(), bytes(count));
        let back = folder.path().join(format!("damaged-{number}"));
        let refused = client.get(Digest(9), &back).await.unwrap_err();
        assert!(matches!(&refused, Refusal::Unavailable { .. }), "{refused}");
        assert!(refused.to_string().contains("is damaged on this master's disk"), "{refused}");
        assert!(!back.exists());
    }
    let asked = served.asked();
    let distrusted = asked.iter().filter(|asked| asked.starts_with("distrust")).count();
    assert!(distrusted > 0 && !asked.contains(&"get".to_string()), "{asked:?}");
    assert_eq!(served.left(), 0, "nothing was copied");
}

#[tokio::test]
async fn a_file_that_is_there_is_not_written_over() {
    let (served, folder) = (Served::start().await, TempDir::new().unwrap());
    let client = served.client();
    let digest = client.put_bytes(b"new").await.unwrap();
    let back = folder.path().join("back");
    fs::write(&back, b"old").unwrap();
    let refused = client.get(digest, &back).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Internal { .. }), "{refused}");
    assert_eq!(fs::read(&back).unwrap(), b"old");
}

#[tokio::test]
async fn an_upload_does_not_hold_up_a_poll() {
    let served = Served::start().await;
    let client = served.client();
    // A put that is never finished: its header and one chunk, then nothing.
    let (sender, pieces) = tokio::sync::mpsc::channel(4);
    let digest = Digest(5);
    let header = crate::rpc::pb::PutHeader { digest: digest.to_wire(), bytes: 1 << 30 };
    let piece = crate::rpc::pb::put_piece::Piece::Header(header);
    sender.send(crate::rpc::pb::PutPiece { piece: Some(piece) }).await.unwrap();
    let uri = format!("http://{}", served.address);
    let channel = tonic::transport::Endpoint::from_shared(uri).unwrap().connect_lazy();
    let stuck = tokio::spawn(async move {
        let pieces = tokio_stream::wrappers::ReceiverStream::new(pieces);
        crate::rpc::pb::artifacts_client::ArtifactsClient::new(channel).put(pieces).await
    });
    let listed = tokio::time::timeout(Duration::from_secs(5), client.list()).await;
    assert_eq!(listed.unwrap().unwrap().len(), JobState::ALL.len());
    // Ended early: refused, and nothing is left.
    drop(sender);
    assert!(stuck.await.unwrap().is_err());
    assert_eq!(served.left(), 0);
}
