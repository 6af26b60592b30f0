//! Takes connections: so many at a time, each for so long, with requests of so many bytes.

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

/// Connections at a time; those that come later wait to be let in.
const CONNECTIONS_MAX: usize = 512;
/// The share of the process's descriptors that they may have: the masters and the workers need the others.
const DESCRIPTORS_SHARE: u64 = 8;
/// How long a request may take to come, and a connection to be of no use.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection lasts; whoever follows events takes up again where it was.
const LASTS: Duration = Duration::from_secs(600);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Pause after a connection could not be taken, such as for want of files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is ready.
pub(super) async fn serve(listener: TcpListener, web: Web, stop: impl Future<Output = ()> + Send) {
    let router = routes::router(web);
    let share = usize::try_from(descriptors() / DESCRIPTORS_SHARE).unwrap_or(CONNECTIONS_MAX);
    let room = Arc::new(Semaphore::new(share.clamp(1, CONNECTIONS_MAX)));
    let accepting = async {
        loop {
            // Nobody closes it.
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
    // Without it, answers come a little later.
    let _set_or_not = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // What goes wrong with a connection is for the other end to see.
    let _served_or_broken = timeout(LASTS, served).await;
}
