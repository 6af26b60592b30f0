//! Tests many connections and large messages at once: the server keeps serving, within its limits.

use axum::body::{Body, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::Service;
use tonic::codegen::http::Request;
use tonic::transport::{Channel, Endpoint};

use super::*;
use crate::rpc::server::Limits;

/// Far longer than anything that a test waits for takes.
const PATIENCE: Duration = Duration::from_secs(30);
const BOUNDS: Bounds = Bounds {
    connections: Limits { waiting: 8, seats: 16, per_peer: 12, reserved: 2 },
    unfinished_bytes: 4 << 20,
};
/// The beginning of every HTTP/2 connection, and a frame of settings with none in it.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn connections(served: &Served, count: usize, greeting: &[u8]) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(&served.address).await.unwrap();
        stream.write_all(greeting).await.unwrap();
        all.push(stream);
    }
    all
}

/// Whether the other end closes a connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.is_ok()
}

#[tokio::test]
async fn silent_connections_keep_no_client_out() {
    let served = Served::within(Some(BOUNDS)).await;
    for greeting in [&b""[..], b"PRI", b"GET / HTTP/1.1\r\n\r\n", &GREETING[..23]] {
        let mut silent = connections(&served, 60, greeting).await;
        assert_eq!(served.client().standing().await.map(|line| line.id), Ok(MasterId(2)));
        assert!(is_closed(&mut silent[0]).await, "the oldest makes room");
        // The newest are closed because their first byte is missing.
        assert!(is_closed(silent.last_mut().unwrap()).await);
    }
}

#[tokio::test]
async fn connections_without_a_request_keep_no_client_out() {
    let served = Served::within(Some(BOUNDS)).await;
    let known = served.client();
    known.standing().await.unwrap();
    let mut idle = connections(&served, 60, GREETING).await;
    assert_eq!(served.client().standing().await.map(|line| line.id), Ok(MasterId(2)));
    assert!(is_closed(&mut idle[0]).await);
    known.standing().await.unwrap();
}

/// Sends a request whose message of this length never ends. The bytes go to the server as they are.
async fn unfinished(channel: &mut Channel, length: u32) -> mpsc::Sender<Result<Bytes, String>> {
    let (sender, bytes) = mpsc::channel(4);
    let body = tonic::body::Body::new(Body::from_stream(ReceiverStream::new(bytes)));
    let request = Request::post("http://127.0.0.1/gristmill.Workers/Poll");
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    std::future::poll_fn(|context| Service::poll_ready(channel, context)).await.unwrap();
    tokio::spawn(channel.call(request.body(body).unwrap()));
    let prefix = [&[0][..], &length.to_be_bytes()].concat();
    sender.send(Ok(Bytes::from(prefix))).await.unwrap();
    sender
}

#[tokio::test]
async fn unfinished_messages_give_way_to_others() {
    let served = Served::within(Some(BOUNDS)).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let mut channel = endpoint.connect().await.unwrap();
    let mut all = Vec::new();
    for _ in 0..8 {
        let sender = unfinished(&mut channel, 50 << 20).await;
        for _ in 0..4 {
            // The server reads no more of a message that it has dropped.
            let _taken_or_given_up = sender.send(Ok(Bytes::from(vec![0; 256 << 10]))).await;
        }
        all.push(sender);
    }
    // Eight messages have 8 MiB together, and 4 MiB are allowed, so the oldest are dropped.
    assert!(timeout(PATIENCE, all[0].closed()).await.is_ok());
    assert!(timeout(PATIENCE, all[2].closed()).await.is_ok());
    assert!(!all[7].is_closed());
    let poll = Poll { sequence: 4_711, ..workers::poll() };
    assert_eq!(served.client().poll(poll).await.map(|orders| orders.sequence), Ok(4_711));
}
