//! How answers are written, and faults: as JSON that says what was wrong, why, and what to do.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::rpc::refusal::Refusal;

/// What a request is answered with.
pub(super) type Answer = Result<Response, Fault>;

/// Why a request is not answered as it was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    #[serde(skip)]
    pub(super) status: StatusCode,
    /// What was wrong, in a few words that stay the same.
    pub(super) error: &'static str,
    /// With the value, and where.
    pub(super) cause: String,
    /// What to do.
    pub(super) hint: &'static str,
}

/// A fault as whoever has asked reads it.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) cause: String,
}

impl Fault {
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        cause: impl Into<String>,
        hint: &'static str,
    ) -> Self {
        Self { status, error, cause: cause.into(), hint }
    }

    /// Something in the request that can never be right.
    pub(super) fn invalid(cause: impl Into<String>) -> Self {
        let hint = "see /api/v1/openapi.json for what is accepted";
        Self::new(StatusCode::BAD_REQUEST, "the request is wrong", cause, hint)
    }

    /// There is nothing at this address.
    pub(super) fn nowhere(path: &str) -> Self {
        let hint = "see /api/v1/openapi.json for what there is";
        Self::new(StatusCode::NOT_FOUND, "no such address", path, hint)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let cause = refusal.to_string();
        match refusal {
            Refusal::Invalid { .. } => Self::invalid(cause),
            Refusal::NotFound { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "there is no such thing",
                cause,
                "lists say what there is: /api/v1/jobs, /api/v1/workers",
            ),
            Refusal::Unavailable { .. } | Refusal::NotLeader { .. } | Refusal::NotYet { .. } => {
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "nobody can answer now",
                    cause,
                    "ask again; /api/v1/masters says which masters there are",
                )
            }
            Refusal::Limit { .. } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "a limit was met",
                cause,
                "ask for less, or later",
            ),
            Refusal::Internal { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a fault of this master",
                cause,
                "see what the master says on its standard error",
            ),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = match json(&self) {
            Ok(response) => response,
            Err(_) => Response::new(Body::empty()),
        };
        *response.status_mut() = status;
        // For who asked for a page, and is given one.
        response.extensions_mut().insert(self);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

/// A value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Answer {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| Refusal::Internal { message: format!("cannot be written: {error}") })?;
    Ok(text("application/json", bytes))
}

/// Cuts a list that was asked for with one value too many; whether that one was there.
pub(super) fn cut<T>(mut values: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let has_next = values.len() > limit;
    values.truncate(limit);
    (values, has_next)
}

/// A page of a list as JSON; where the next one is stands in the header `Link`.
pub(super) fn page<T: Serialize>(values: &[T], next: Option<String>) -> Answer {
    let mut response = json(&values)?;
    // Made of numbers and of words of ours.
    let next = next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    Ok(response)
}

/// Something of a kind.
pub(super) fn text(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
