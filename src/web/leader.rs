//! A master that does not lead forwards requests to the leader and returns its answers.
//!
//! It does not redirect clients: an open page and its event stream keep their address after a change of leader.
//! Besides, browsers do not follow an event stream to another origin.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, HOST, ORIGIN, TRANSFER_ENCODING};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::Web;
use super::answer::{Answer, Fault};
use crate::master::Leader;

/// How long the leader may take until its answer begins.
const WITHIN: Duration = Duration::from_secs(8);
/// How long it may then be silent. Even a stream without events sends a comment more often.
const SILENT_MAX: Duration = Duration::from_secs(12);
/// Marks a request that another master has forwarded, so that it is not forwarded again.
const PASSED_ON: HeaderName = HeaderName::from_static("gristmill-passed-on");

/// Addresses that every master answers itself.
const OWN: &[&str] = &[
    "/healthz",
    "/metrics",
    "/api/v1/masters",
    "/api/v1/openapi.json",
    "/style.css",
    "/live.js",
    "/icon.svg",
];

/// Answers here if this master leads, and forwards the request otherwise.
pub(super) async fn lead(State(web): State<Web>, request: Request, next: Next) -> Answer {
    if OWN.contains(&request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let leader = match web.master.leader() {
        Leader::Here => return Ok(next.run(request).await),
        Leader::At(_) if request.headers().contains_key(PASSED_ON) => {
            return Err(unavailable("the leader has just changed"));
        }
        Leader::At(leader) => leader,
        Leader::Nobody => return Err(unavailable("no master leads at the moment")),
    };
    let failed =
        |why: String| unavailable(format!("the leader at {leader} does not answer: {why}"));
    match timeout(WITHIN, pass_on(&web, &leader, request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(why)) => Err(failed(why)),
        Err(_) => Err(failed(format!("no answer within {} s", WITHIN.as_secs()))),
    }
}

async fn pass_on(web: &Web, leader: &str, request: Request) -> Result<Response, String> {
    let at = web.master.web_of(leader).await.map_err(|refusal| refusal.to_string())?;
    let at = at.ok_or("it was started without --web")?;
    let stream = TcpStream::connect(&at).await.map_err(|error| format!("{at}: {error}"))?;
    let connected = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|error| error.to_string())?;
    // Ends with the answer, or when the client is gone.
    tokio::spawn(connection);
    let response = sender.send_request(asked_there(&at, request)?).await;
    let response = response.map_err(|error| format!("{at}: {error}"))?;
    let mut response = response.map(|body| Body::new(Lively::new(Body::new(body))));
    // These headers belong to a single connection.
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    Ok(response)
}

/// The request as it is sent to the leader.
fn asked_there(at: &str, request: Request) -> Result<Request, String> {
    let (mut parts, _) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse::<Uri>().map_err(|error| error.to_string())?;
    let host = HeaderValue::try_from(at).map_err(|error| error.to_string())?;
    parts.headers.insert(HOST, host);
    parts.headers.remove(CONNECTION);
    // The host was checked here.
    parts.headers.remove(ORIGIN);
    parts.headers.insert(PASSED_ON, HeaderValue::from_static("1"));
    Ok(Request::from_parts(parts, Body::empty()))
}

/// A body that fails when it is silent for too long. The client then asks again and reaches the new leader.
struct Lively {
    inner: Body,
    silence: Pin<Box<Sleep>>,
}

impl Lively {
    fn new(inner: Body) -> Self {
        Self { inner, silence: Box::pin(sleep(SILENT_MAX)) }
    }
}

impl HttpBody for Lively {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.silence = Box::pin(sleep(SILENT_MAX));
            return Poll::Ready(frame);
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn unavailable(cause: impl Into<String>) -> Fault {
    let hint = "try again later; see /api/v1/masters for the state of each master";
    Fault::new(StatusCode::SERVICE_UNAVAILABLE, "the cluster cannot answer now", cause, hint)
}
