//! Tests fetches between workers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::model::{AttemptId, Nonce, SegmentInfo};
use crate::rpc::client::Peer;
use crate::rpc::server::serve_worker;
use crate::rpc::shuffle::{CHUNK_BYTES, FetchPiece, FetchRequest, SegmentHeader, Shuffle};

/// Sends these pieces to any reader.
#[derive(Default)]
pub(super) struct Store {
    pieces: Vec<FetchPiece>,
    then: Option<Refusal>,
    sent: AtomicUsize,
    pub(super) asked: Mutex<Vec<FetchRequest>>,
}

impl Shuffle for Store {
    async fn fetch<S, F>(&self, request: FetchRequest, mut send: S) -> Result<(), Refusal>
    where
        S: FnMut(FetchPiece) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        self.asked.lock().unwrap().push(request);
        for piece in &self.pieces {
            if !send(piece.clone()).await {
                return Ok(());
            }
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
        self.then.clone().map_or(Ok(()), Err)
    }

    async fn log(&self, attempt: AttemptId) -> Result<Vec<u8>, Refusal> {
        match attempt.number {
            1 => Ok(vec![0xff; 1 << 20]),
            _ => Err(Refusal::NotFound { message: format!("no log of {attempt}") }),
        }
    }
}

async fn serve(store: Arc<Store>) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve_worker(listener, store, std::future::pending()));
    Peer::connect(&address, &quick())
}

fn segment(map: u32, stored_bytes: u64) -> FetchPiece {
    let info =
        SegmentInfo { offset: 40, stored_bytes, records: 3, raw_bytes: 1 << 40, digest: u64::MAX };
    FetchPiece::Segment(SegmentHeader { map, attempt: 2, crc32c: u32::MAX, info })
}

pub(super) fn request(maps: &[u32]) -> FetchRequest {
    let maps = maps.iter().map(|&map| (map, 2)).collect();
    let machine = "this one".into();
    FetchRequest { job: JobId(7), nonce: Nonce(1 << 100), partition: 9_999, maps, machine }
}

async fn fetch(peer: &Peer, request: FetchRequest) -> (Vec<FetchPiece>, Result<(), Refusal>) {
    let (sender, mut pieces) = tokio::sync::mpsc::unbounded_channel();
    let send = move |piece| std::future::ready(sender.send(piece).is_ok());
    let ended = peer.fetch(request, send).await;
    let mut received = Vec::new();
    while let Some(piece) = pieces.recv().await {
        received.push(piece);
    }
    (received, ended)
}

#[tokio::test]
async fn segments_come_as_they_were_sent_in_chunks_of_bounded_size() {
    let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 7).map(|at| (at % 251) as u8).collect();
    let missing = FetchPiece::Missing { map: 5, is_corrupt: true, message: "größer".into() };
    let place =
        FetchPiece::Place { map: 8, path: Path::new(OsStr::from_bytes(b"/data/\xff")).into() };
    let pieces = vec![
        segment(3, bytes.len() as u64),
        FetchPiece::Bytes(bytes.clone()),
        missing.clone(),
        segment(0, 0),
        place.clone(),
    ];
    let store = Arc::new(Store { pieces, ..Store::default() });
    let peer = serve(store.clone()).await;
    let (received, ended) = fetch(&peer, request(&[3, 5, 0, 8])).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(*store.asked.lock().unwrap(), [request(&[3, 5, 0, 8])]);
    assert_eq!(received[0], segment(3, bytes.len() as u64));
    let chunks: Vec<&Vec<u8>> = received
        .iter()
        .filter_map(|piece| if let FetchPiece::Bytes(chunk) = piece { Some(chunk) } else { None })
        .collect();
    assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES));
    assert_eq!(chunks.into_iter().flatten().copied().collect::<Vec<u8>>(), bytes);
    assert_eq!(received[received.len() - 3..], [missing, segment(0, 0), place]);
}

#[tokio::test]
async fn a_receiver_that_is_behind_holds_the_sender_back() {
    const CHUNKS: usize = 256;
    let mut pieces = vec![segment(0, (CHUNKS * CHUNK_BYTES) as u64)];
    pieces.extend(std::iter::repeat_n(FetchPiece::Bytes(vec![7; CHUNK_BYTES]), CHUNKS));
    let store = Arc::new(Store { pieces, ..Store::default() });
    let peer = serve(store.clone()).await;
    let (go, gone) = tokio::sync::watch::channel(false);
    let received = Arc::new(AtomicUsize::new(0));
    let counted = received.clone();
    let fetching = tokio::spawn(async move {
        let send = |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut gone = gone.clone();
            async move { gone.wait_for(|&go| go).await.is_ok() }
        };
        peer.fetch(request(&[0]), send).await
    });
    // What the sender can send while the receiver has not read its first piece: windows and queues, but not
    // everything.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(received.load(Ordering::SeqCst), 1);
    let ahead = store.sent.load(Ordering::SeqCst);
    assert!(ahead < CHUNKS / 2, "{ahead} of {CHUNKS} chunks were sent ahead");
    go.send(true).unwrap();
    assert_eq!(fetching.await.unwrap(), Ok(()));
    assert_eq!(received.load(Ordering::SeqCst), CHUNKS + 1);
}

#[tokio::test]
async fn a_receiver_that_has_enough_ends_the_fetch() {
    let pieces = vec![segment(0, 8), FetchPiece::Bytes(vec![1; 4]), FetchPiece::Bytes(vec![2; 4])];
    let peer = serve(Arc::new(Store { pieces, ..Store::default() })).await;
    assert_eq!(peer.fetch(request(&[0]), |_| std::future::ready(false)).await, Ok(()));
}

#[tokio::test]
async fn an_answer_that_ends_early_or_out_of_order_is_refused() {
    let other = Refusal::NotFound { message: "another job".into() };
    let table = [
        (vec![segment(0, 8), FetchPiece::Bytes(vec![1; 4])], None, "m0 lacks 4 bytes"),
        (vec![segment(1, 0)], None, "m1#2 arrived, but"),
        (vec![], None, "m0 did not arrive"),
        (vec![segment(0, 8)], Some(other), "another job"),
    ];
    for (pieces, then, said) in table {
        let peer = serve(Arc::new(Store { pieces, then, ..Store::default() })).await;
        let (_, ended) = fetch(&peer, request(&[0])).await;
        let refused = ended.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

#[tokio::test]
async fn a_peer_is_on_this_machine() {
    let elsewhere = Peer::connect("10.0.0.1:7400", &quick());
    let (_, ended) = fetch(&elsewhere, request(&[0])).await;
    assert!(matches!(ended, Err(Refusal::Invalid { .. })), "{ended:?}");
}

#[tokio::test]
async fn a_log_comes_whole_or_is_refused() {
    let peer = serve(Arc::new(Store::default())).await;
    let task = JobId(7).task(TaskKind::Map, 0);
    assert_eq!(peer.log(task.attempt(1)).await, Ok(vec![0xff; 1 << 20]));
    let message = "no log of j7/m0#2".into();
    assert_eq!(peer.log(task.attempt(2)).await, Err(Refusal::NotFound { message }));
}
