//! Whether this master lives, and whether it can answer.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Web;
use super::answer::{Answer, json, text};

#[derive(Serialize)]
struct Ready {
    ready: bool,
}

/// `GET /healthz`: the process serves. It says nothing of the others.
pub(super) async fn healthz() -> Response {
    text("text/plain; charset=utf-8", "ok\n")
}

/// `GET /readyz`: a master leads, this one reaches it, and a majority says that what it answers is all that was agreed on.
pub(super) async fn readyz(State(web): State<Web>) -> Answer {
    web.master.confirm().await?;
    json(&Ready { ready: true })
}
