//! The server side: reads requests, checks their limits, and passes them to the implementation of the service.

mod accept;
mod artifacts;
mod inbox;
mod jobs;
mod masters;
mod raft;
mod seats;
mod shuffle;
mod unfinished;
mod workers;

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::transport::Server;
#[cfg(test)]
use tonic::transport::server::TcpIncoming;
use tonic::transport::server::{Connected, Router};

use super::artifacts::{ARTIFACT_BYTES_MAX, Artifacts, BYTES_PER_SECOND_MIN};
use super::jobs::Jobs;
use super::masters::Masters;
use super::pb::artifacts_server::ArtifactsServer;
use super::pb::jobs_server::JobsServer;
use super::pb::masters_server::MastersServer;
use super::pb::raft_server::RaftServer;
use super::pb::shuffle_server::ShuffleServer;
use super::pb::workers_server::WorkersServer;
use super::raft::Raft;
use super::shuffle::Shuffle;
use super::workers::Workers;
use super::{
    CONNECTION_WINDOW_BYTES, CONTROL_BYTES_MAX, DATA_BYTES_MAX, HEADERS_BYTES_MAX, KEEPALIVE_EVERY,
    KEEPALIVE_WAIT, RAFT_BYTES_MAX, STREAM_WINDOW_BYTES,
};
use accept::accept;
use inbox::Inbox;
pub(crate) use seats::Limits;
use seats::Seat;
pub use seats::descriptors;
use unfinished::{UNFINISHED_BYTES_MAX, Unfinished};

/// Concurrent requests of one connection; further ones wait.
const STREAMS_MAX: u32 = 1024;
/// Share of the process's descriptors that connections may have, in sixteenths: for a master, which has few files
/// open, and for a worker, whose attempts need most of them.
const MASTER_SIXTEENTHS: u64 = 10;
const WORKER_SIXTEENTHS: u64 = 6;
/// Connections that are reserved for masters.
const RESERVED: usize = 32;
/// Prefix of the paths of requests from one master to another.
const RAFT_PATH: &str = "/gristmill.Raft/";
/// How long a request may take until its answer begins: enough for the largest artifact at the slowest allowed rate,
/// and for a poll that is held back.
const ANSWER_WITHIN: Duration = Duration::from_secs(60 + ARTIFACT_BYTES_MAX / BYTES_PER_SECOND_MIN);
/// How long the sender or receiver of an artifact may make no progress.
const STILL_MAX: Duration = Duration::from_secs(30);
/// How long active requests may continue after the server is asked to stop.
const GRACE: Duration = Duration::from_secs(1);

/// All services of a master.
pub trait Master: Jobs + Workers + Artifacts + Masters + Raft {}

impl<M: Jobs + Workers + Artifacts + Masters + Raft> Master for M {}

/// Serves a master until `stop` resolves.
///
/// Artifacts are in the folder `inbox` while they are being received. The folder is emptied first. It should be on the
/// file system where they are kept, so that they can be renamed into place.
///
/// # Errors
/// If the inbox cannot be created.
pub async fn serve_master<M: Master>(
    listener: TcpListener,
    served: Arc<M>,
    inbox: &Path,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_master_within(listener, served, inbox, Bounds::of_master(), stop).await
}

/// Limits on what a server handles at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) connections: Limits,
    /// Bytes of all incomplete messages together.
    pub(crate) unfinished_bytes: usize,
}

impl Bounds {
    fn of_master() -> Self {
        let connections = Limits::of_descriptors(MASTER_SIXTEENTHS, RESERVED);
        Self { connections, unfinished_bytes: UNFINISHED_BYTES_MAX }
    }

    fn of_worker() -> Self {
        let connections = Limits::of_descriptors(WORKER_SIXTEENTHS, 0);
        Self { connections, unfinished_bytes: UNFINISHED_BYTES_MAX }
    }
}

/// Like [`serve_master`], with limits from the caller.
pub(crate) async fn serve_master_within<M: Master>(
    listener: TcpListener,
    served: Arc<M>,
    inbox: &Path,
    bounds: Bounds,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = master(served, inbox, bounds)?;
    serve(router, accept(listener, bounds.connections), stop).await
}

/// Serves the Raft service alone.
#[cfg(test)]
pub(crate) async fn serve_raft<R: Raft>(
    listener: TcpListener,
    served: Arc<R>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = settings().add_service(RaftServer::new(raft::Service(served)));
    serve(router, TcpIncoming::from(listener), stop).await
}

/// Serves a worker's map outputs until `stop` resolves.
///
/// # Errors
/// If the server fails.
pub async fn serve_worker<S: Shuffle>(
    listener: TcpListener,
    shuffle: Arc<S>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let bounds = Bounds::of_worker();
    serve(worker(shuffle), accept(listener, bounds.connections), stop).await
}

fn master<M: Master>(served: Arc<M>, inbox: &Path, bounds: Bounds) -> io::Result<Router> {
    let jobs = JobsServer::new(jobs::Service(Arc::clone(&served)))
        .max_decoding_message_size(CONTROL_BYTES_MAX)
        .max_encoding_message_size(CONTROL_BYTES_MAX);
    let workers = WorkersServer::new(workers::Service(Arc::clone(&served)))
        .max_decoding_message_size(CONTROL_BYTES_MAX)
        .max_encoding_message_size(CONTROL_BYTES_MAX);
    let raft = RaftServer::new(raft::Service(Arc::clone(&served)))
        .max_decoding_message_size(RAFT_BYTES_MAX)
        .max_encoding_message_size(RAFT_BYTES_MAX);
    let masters = MastersServer::new(masters::Service(Arc::clone(&served)))
        .max_decoding_message_size(CONTROL_BYTES_MAX)
        .max_encoding_message_size(CONTROL_BYTES_MAX);
    let inbox = Arc::new(Inbox::empty(inbox)?);
    let artifacts = ArtifactsServer::new(artifacts::Service { artifacts: served, inbox })
        .max_decoding_message_size(DATA_BYTES_MAX)
        .max_encoding_message_size(DATA_BYTES_MAX);
    let clients = Routes::new(jobs).add_service(workers).add_service(artifacts);
    Ok(watched(clients.add_service(masters).add_service(raft), bounds))
}

fn worker<S: Shuffle>(shuffle: Arc<S>) -> Router {
    let shuffle = ShuffleServer::new(shuffle::Service(shuffle))
        .max_decoding_message_size(DATA_BYTES_MAX)
        .max_encoding_message_size(2 * DATA_BYTES_MAX);
    watched(Routes::new(shuffle), Bounds::of_worker())
}

/// Passes each request through [`watch`].
fn watched(routes: Routes, bounds: Bounds) -> Router {
    let unfinished = Unfinished::new(bounds.unfinished_bytes);
    let router = routes.into_axum_router().layer(from_fn_with_state(unfinished, watch));
    settings().add_routes(Routes::from(router))
}

/// Records that a connection is in use, and that it belongs to a member if a call of another master was accepted.
/// Watches the messages that arrive.
async fn watch(State(unfinished): State<Unfinished>, request: Request, next: Next) -> Response {
    let seat = request.extensions().get::<Seat>().cloned();
    let _in_use = seat.as_ref().map(Seat::begin);
    let is_raft = request.uri().path().starts_with(RAFT_PATH);
    let response = next.run(request.map(|body| unfinished.watch(body))).await;
    // A refusal is sent in the headers, an answer after them.
    if is_raft
        && !response.headers().contains_key("grpc-status")
        && let Some(seat) = seat
    {
        seat.is_members();
    }
    response
}

fn settings() -> Server {
    Server::builder()
        .timeout(ANSWER_WITHIN)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_WAIT))
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
}

async fn serve<C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static>(
    router: Router,
    incoming: impl Stream<Item = io::Result<C>> + Send,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let stop = async move {
        stop.await;
        drop(tell);
    };
    let out_of_grace = async {
        // The sender is dropped when the server must stop.
        let _dropped = told.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, stop) => served.map_err(io::Error::other),
        () = out_of_grace => Ok(()),
    }
}
