//! Writes answers and errors as JSON. An error says what is wrong, why, and what to do.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::model::split_hint;
use crate::rpc::refusal::Refusal;

/// The answer to a request.
pub(super) type Answer = Result<Response, Fault>;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    #[serde(skip)]
    pub(super) status: StatusCode,
    /// What is wrong, in a few words that are always the same for this error.
    pub(super) error: &'static str,
    /// The details, with the value and the place.
    pub(super) cause: String,
    /// What to do.
    pub(super) hint: Cow<'static, str>,
}

/// A fault as it is sent to a client.
#[derive(Debug, Deserialize)]
pub(super) struct FaultBody {
    pub(super) cause: String,
}

impl Fault {
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        cause: impl Into<String>,
        hint: &'static str,
    ) -> Self {
        Self { status, error, cause: cause.into(), hint: hint.into() }
    }

    /// A request that can never succeed in this form.
    pub(super) fn invalid(cause: impl Into<String>) -> Self {
        let hint = "see /api/v1/openapi.json for the accepted addresses and parameters";
        Self::new(StatusCode::BAD_REQUEST, "invalid request", cause, hint)
    }

    /// An address that does not exist.
    pub(super) fn nowhere(path: &str) -> Self {
        let hint = "see /api/v1/openapi.json for all addresses";
        Self::new(StatusCode::NOT_FOUND, "no such address", path, hint)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let said = refusal.to_string();
        let (cause, hint) = split_hint(&said);
        let fault = match refusal {
            Refusal::Invalid { .. } => Self::invalid(cause),
            Refusal::NotFound { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "not found",
                cause,
                "see /api/v1/jobs for all jobs, and /api/v1/workers for all workers",
            ),
            Refusal::Unavailable { .. } | Refusal::NotLeader { .. } | Refusal::NotYet { .. } => {
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the cluster cannot answer now",
                    cause,
                    "try again later; see /api/v1/masters for the state of each master",
                )
            }
            Refusal::Limit { .. } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "limit reached",
                cause,
                "request less, or try again later",
            ),
            Refusal::Internal { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal error",
                cause,
                "read what the master printed to its standard error",
            ),
        };
        match hint {
            Some(hint) => Self { hint: hint.into(), ..fault },
            None => fault,
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
        // For a browser, this is turned into a page.
        response.extensions_mut().insert(self);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

/// A value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Answer {
    let bytes = serde_json::to_vec(value).map_err(|error| Refusal::Internal {
        message: format!("cannot encode the answer as JSON: {error}"),
    })?;
    Ok(text("application/json", bytes))
}

/// Cuts a list that was read with one value too many. Returns whether that value was there.
pub(super) fn cut<T>(mut values: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let has_next = values.len() > limit;
    values.truncate(limit);
    (values, has_next)
}

/// A page of a list as JSON. The header `Link` has the address of the next page.
pub(super) fn page<T: Serialize>(values: &[T], next: Option<String>) -> Answer {
    let mut response = json(&values)?;
    // It consists of numbers and our own words.
    let next = next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    Ok(response)
}

/// A body of this content type.
pub(super) fn text(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
