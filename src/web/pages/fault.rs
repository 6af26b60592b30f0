//! The page that says why there is none.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::page;
use crate::web::answer::Fault;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1 class="fault">{{ fault.error }}</h1>
<section class="bad"><p>{{ fault.cause }}</p><p class="soft">What to do: {{ fault.hint }}.</p></section>"#
)]
struct Told<'f> {
    fault: &'f Fault,
}

/// A fault for who asked for a page.
pub(in crate::web) fn fault(fault: &Fault) -> Option<Response> {
    // When the cluster comes back, the page does.
    let is_passing = fault.status == StatusCode::SERVICE_UNAVAILABLE;
    let events = if is_passing { "/api/v1/events" } else { "" };
    let mut response = page(fault.error, events, is_passing, &Told { fault }).ok()?;
    *response.status_mut() = fault.status;
    Some(response)
}
