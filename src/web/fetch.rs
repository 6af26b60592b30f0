//! Fetches one path from a master's web server, for the `gristmill` command.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::FaultBody;

/// How long an answer may take as a whole.
const WITHIN: Duration = Duration::from_secs(60);
/// The longest answer that is accepted.
const BYTES_MAX: usize = 16 << 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The address does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The master cannot answer now.
    #[error("{0}")]
    Unavailable(String),
    /// The master refused the request, or its answer cannot be read.
    #[error("{0}")]
    Refused(String),
}

/// Returns what the web server at an address answers for a path.
///
/// # Errors
/// If there is no answer in time, or it is not a success.
pub async fn fetch(at: &str, path: &str) -> Result<Vec<u8>, Unanswered> {
    match timeout(WITHIN, ask(at, path)).await {
        Ok(answered) => answered,
        Err(_) => {
            Err(Unanswered::Unavailable(format!("no answer within {} s: {at}", WITHIN.as_secs())))
        }
    }
}

async fn ask(at: &str, path: &str) -> Result<Vec<u8>, Unanswered> {
    let unheard = |error: &dyn std::fmt::Display| Unanswered::Unavailable(format!("{error}: {at}"));
    let stream = TcpStream::connect(at).await.map_err(|error| unheard(&error))?;
    let connected = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|error| unheard(&error))?;
    // Ends with the answer.
    tokio::spawn(connection);
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| unheard(&error))?;
    let host = HeaderValue::try_from(at).map_err(|error| unheard(&error))?;
    request.headers_mut().insert(HOST, host);
    let response = sender.send_request(request).await.map_err(|error| unheard(&error))?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), BYTES_MAX).await;
    let body = body.map_err(|error| unheard(&error))?.to_vec();
    if status == StatusCode::OK {
        return Ok(body);
    }
    let fault_body: Option<FaultBody> = serde_json::from_slice(&body).ok();
    let said =
        fault_body.map_or_else(|| format!("it answered {status}"), |fault_body| fault_body.cause);
    let said = format!("{said}: {at}");
    Err(match status {
        StatusCode::NOT_FOUND => Unanswered::NotFound(said),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Unanswered::Unavailable(said)
        }
        _ => Unanswered::Refused(said),
    })
}
