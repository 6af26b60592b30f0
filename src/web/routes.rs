//! All served addresses, in one table. `openapi.json` describes the same addresses, and a test compares the two.

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get};

use super::answer::Fault;
use super::{Web, api, events, guard, health, leader, metrics, pages};
use crate::model::{TEXT_CHARS_MAX, escape};

/// All addresses.
pub(super) fn table() -> Vec<(&'static str, MethodRouter<Web>)> {
    vec![
        ("/", get(pages::overview)),
        ("/jobs", get(pages::jobs)),
        ("/jobs/{job}", get(pages::job)),
        ("/jobs/{job}/report", get(pages::report)),
        ("/jobs/{job}/tasks", get(pages::tasks)),
        ("/jobs/{job}/tasks/{task}", get(pages::task)),
        ("/workers/{worker}", get(pages::worker)),
        ("/style.css", get(pages::style)),
        ("/live.js", get(pages::script)),
        ("/icon.svg", get(pages::icon)),
        ("/api/v1/jobs", get(api::jobs)),
        ("/api/v1/jobs/{job}", get(api::job)),
        ("/api/v1/jobs/{job}/why", get(api::why)),
        ("/api/v1/jobs/{job}/tasks", get(api::tasks)),
        ("/api/v1/jobs/{job}/tasks/{task}", get(api::task)),
        ("/api/v1/jobs/{job}/counters", get(api::counters)),
        ("/api/v1/jobs/{job}/events", get(events::of_job)),
        ("/api/v1/events", get(events::all)),
        ("/api/v1/workers", get(api::workers)),
        ("/api/v1/workers/{worker}", get(api::worker)),
        ("/api/v1/masters", get(api::masters)),
        ("/api/v1/openapi.json", get(api::openapi)),
        ("/metrics", get(metrics::metrics)),
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
    ]
}

/// The service that answers requests.
pub(super) fn router(web: Web) -> Router {
    let table = table().into_iter();
    let routes = table.fold(Router::new(), |all, (path, serve)| all.route(path, serve));
    routes
        .fallback(nowhere)
        .layer(from_fn_with_state(web.clone(), leader::lead))
        .layer(from_fn_with_state(web.clone(), guard::guard))
        .with_state(web)
}

async fn nowhere(request: Request) -> Fault {
    Fault::nowhere(&escape(request.uri().path().as_bytes(), TEXT_CHARS_MAX))
}
