//! Pages for people, rendered on the server. They are complete without a script; a small script keeps them up to
//! date.
//!
//! HTML templates escape their values, so a user's text never becomes markup. Only other templates and SVG pictures
//! are inserted unescaped (`safe`). Pictures contain only numbers and ids.

mod axis;
mod chart;
mod fault;
mod gauge;
mod happened;
mod histogram;
mod job;
mod overview;
mod phase;
mod plot;
mod report;
mod skew;
mod task;
mod tasks;
mod words;
mod worker;

use askama::Template;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;

use super::answer::{Answer, text};
use crate::rpc::refusal::Refusal;

#[cfg(test)]
pub(super) use chart::{Links, timeline};
pub(super) use fault::fault;
pub(super) use job::job;
pub(super) use overview::{jobs, overview};
pub(super) use report::report;
pub(super) use task::task;
pub(super) use tasks::tasks;
pub(super) use worker::worker;

const HTML: &str = "text/html; charset=utf-8";
/// How long a browser may keep style, script and icon.
const KEPT: &str = "max-age=300";

/// The frame of every page.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} · Gristmill</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script src="/live.js" defer></script>
</head>
<body{% if !events.is_empty() %} data-events="{{ events }}"{% endif %}{% if is_busy %} data-busy{% endif %}>
<a class="skip" href="#main">Skip to content</a>
<header><a class="brand" href="/"><svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7" fill="#7a5c2e"/><path d="M8 1v14M1 8h14M3 3l10 10M13 3L3 13" stroke="#f4e9d4"/><circle cx="8" cy="8" r="2" fill="#f4e9d4"/></svg>Gristmill</a><nav aria-label="Pages"><a href="/"{% if title == "Overview" %} aria-current="page"{% endif %}>Overview</a><a href="/jobs"{% if title == "Jobs" %} aria-current="page"{% endif %}>Jobs</a></nav><p id="live" role="status"></p></header>
<main id="main" tabindex="-1">
{{ body|safe }}
</main>
<footer>gristmill {{ version }}. Times are UTC. These pages are read-only; use the command <code>gristmill</code> to make changes. For programs: <a href="/api/v1/openapi.json">JSON API</a>, <a href="/metrics">metrics</a>.</footer>
</body>
</html>
"##
)]
struct Frame<'p> {
    title: &'p str,
    /// Address of the events that the script follows.
    events: &'p str,
    /// Whether something changes without events, such as progress.
    is_busy: bool,
    body: &'p str,
    version: &'static str,
}

/// A whole page.
fn page(title: &str, events: &str, is_busy: bool, body: &impl Template) -> Answer {
    let written = |error: askama::Error| Refusal::Internal { message: format!("a page: {error}") };
    let body = body.render().map_err(written)?;
    let version = env!("CARGO_PKG_VERSION");
    let frame = Frame { title, events, is_busy, body: &body, version };
    Ok(text(HTML, frame.render().map_err(written)?))
}

/// `GET /style.css`
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../assets/style.css"))
}

/// `GET /live.js`
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../assets/live.js"))
}

/// `GET /icon.svg`
pub(super) async fn icon() -> Response {
    asset("image/svg+xml", include_str!("../assets/icon.svg"))
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    let mut response = text(kind, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
    response
}
