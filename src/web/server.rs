//! Accepts connections, and limits their number, their duration and the size of requests.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::{Web, routes};
use crate::rpc::server::descriptors;

/// Most connections at a time; later ones wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// The share of the process's descriptors that they may have: the masters and the workers need the others.
const DESCRIPTORS_SHARE: u64 = 8;
/// How long a request's head may take to arrive, and how long a connection may be idle.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// The longest a connection lasts. A client that follows events reconnects and resumes.
const LASTS: Duration = Duration::from_secs(600);
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Pause after a connection could not be accepted, for example for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is ready.
pub(super) async fn serve(listener: TcpListener, web: Web, stop: impl Future<Output = ()> + Send) {
    let router = routes::router(web);
    let share = usize::try_from(descriptors() / DESCRIPTORS_SHARE).unwrap_or(CONNECTIONS_MAX);
    let room = Arc::new(Semaphore::new(share.clamp(1, CONNECTIONS_MAX)));
    let accepting = async {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(connection(stream, router.clone(), permit))),
                Err(_) => sleep(PAUSE).await,
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = accepting => {}
    }
}

async fn connection(stream: TcpStream, router: Router, _room: OwnedSemaphorePermit) {
    // This only makes answers faster.
    let _set_or_not = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // The client notices what goes wrong with its connection.
    let _served_or_broken = timeout(LASTS, served).await;
}
