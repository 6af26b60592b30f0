//! Tells whether this master is alive, and whether it can answer.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::Web;
use super::answer::{Answer, json, text};

#[derive(Serialize)]
struct Ready {
    ready: bool,
}

/// `GET /healthz`: the process is alive. It does not depend on other masters.
pub(super) async fn healthz() -> Response {
    text("text/plain; charset=utf-8", "ok\n")
}

/// `GET /readyz`: this master leads or reaches the leader, and a majority confirms the leader.
pub(super) async fn readyz(State(web): State<Web>) -> Answer {
    web.master.confirm().await?;
    json(&Ready { ready: true })
}
