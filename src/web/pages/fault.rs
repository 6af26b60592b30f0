//! The error page.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::page;
use crate::web::answer::Fault;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1 class="fault">{{ fault.error }}</h1>
<section class="bad"><p>{{ fault.cause }}</p><p class="soft">Next step: {{ fault.hint }}.</p></section>"#
)]
struct FaultPage<'f> {
    fault: &'f Fault,
}

/// A fault, for a client that asked for a page.
pub(in crate::web) fn fault(fault: &Fault) -> Option<Response> {
    // The page reloads by itself once the cluster answers again.
    let is_passing = fault.status == StatusCode::SERVICE_UNAVAILABLE;
    let events = if is_passing { "/api/v1/events" } else { "" };
    let mut response = page(fault.error, events, is_passing, &FaultPage { fault }).ok()?;
    *response.status_mut() = fault.status;
    Some(response)
}
