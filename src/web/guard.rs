//! Checks every request before it is handled, and adds security headers to every answer.
//!
//! Other sites must not read these pages through a user's browser. A request is rejected if its `Host` is neither
//! `localhost` nor a loopback address. Another name is rejected even if it resolves to this machine. A request is also
//! rejected if its `Origin` or `Sec-Fetch-Site` shows that a page of another site made it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::answer::Fault;
use super::{Web, pages};
use crate::model::{TEXT_CHARS_MAX, escape};

/// Most bytes of a path with its query.
const PATH_BYTES_MAX: usize = 2_048;
/// How long an answer may take to begin.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Only content from this master, no inline script, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Checks a request, and adds the headers to its answer.
pub(super) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let wants_page = wants_page(&request);
    let mut response = match check(&request) {
        Ok(()) => match timeout(ANSWER_WITHIN, next.run(request)).await {
            Ok(response) => response,
            Err(_) => late().into_response(),
        },
        Err(fault) => fault.into_response(),
    };
    if let Some(fault) = response.extensions().get::<Fault>().filter(|_| wants_page) {
        response = pages::fault(fault).unwrap_or(response);
    }
    for &(name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    let class = usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1;
    web.shared.answered[class].fetch_add(1, Ordering::Relaxed);
    response
}

/// Whether a browser asks for a page. If so, faults are pages too.
fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|kinds| kinds.contains("text/html"))
        && !request.uri().path().starts_with("/api/")
}

fn late() -> Fault {
    let cause = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
    let hint = "try again; /readyz tells whether this master can answer";
    Fault::new(StatusCode::GATEWAY_TIMEOUT, "no answer in time", cause, hint)
}

/// Checks a request.
fn check(request: &Request) -> Result<(), Fault> {
    let (headers, uri) = (request.headers(), request.uri());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let cause = escape(request.method().as_str().as_bytes(), TEXT_CHARS_MAX);
        let hint = "to make changes, use the command `gristmill`";
        let error = "only GET and HEAD are allowed";
        return Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, error, cause, hint));
    }
    let host = host(headers)?;
    let asked = uri.authority().map_or(host, |authority| authority.as_str());
    if !is_here(host) || !is_here(asked) {
        let cause = format!("Host is `{}`", escape(host.as_bytes(), TEXT_CHARS_MAX));
        let hint = "use localhost, 127.0.0.1 or [::1] as the host in the address";
        return Err(Fault::new(StatusCode::MISDIRECTED_REQUEST, "wrong host", cause, hint));
    }
    check_origin(headers, host)?;
    if headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
    {
        let hint = "send the request without a body";
        let error = "requests must not have a body";
        return Err(Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            error,
            "the request has a body",
            hint,
        ));
    }
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    if path.len() > PATH_BYTES_MAX {
        let cause = format!("it has {} bytes; at most {PATH_BYTES_MAX} are accepted", path.len());
        let hint = "see /api/v1/openapi.json for the accepted addresses and parameters";
        return Err(Fault::new(StatusCode::URI_TOO_LONG, "the address is too long", cause, hint));
    }
    // Ids and our own words need no percent-encoding, so none is decoded.
    if uri.path().contains('%') {
        return Err(Fault::nowhere(&escape(uri.path().as_bytes(), TEXT_CHARS_MAX)));
    }
    Ok(())
}

fn host(headers: &HeaderMap) -> Result<&str, Fault> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(Fault::invalid("a request must have exactly one Host header, in ASCII")),
    }
}

/// Whether a host with its port is this machine. The port may differ, for example through a tunnel.
fn is_here(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let name = if port.parse::<u16>().is_ok() { name } else { host };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Rejects requests that another site's page makes: they carry its origin or `Sec-Fetch-Site`. Following a link from
/// there is allowed, because the user sees the page and the other site does not.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Fault> {
    let refuse = |cause: String| {
        let hint = "open the page directly, or use a client that is not a browser";
        Err(Fault::new(
            StatusCode::FORBIDDEN,
            "requests from other sites are rejected",
            cause,
            hint,
        ))
    };
    for origin in headers.get_all(ORIGIN) {
        if origin.as_bytes() != format!("http://{host}").as_bytes() {
            let shown = escape(origin.as_bytes(), TEXT_CHARS_MAX);
            return refuse(format!("Origin is `{shown}`"));
        }
    }
    let is = |name: &str, value: &[u8]| headers.get(name).is_some_and(|it| it.as_bytes() == value);
    let is_foreign = is("sec-fetch-site", b"cross-site") || is("sec-fetch-site", b"same-site");
    if is_foreign && !is("sec-fetch-mode", b"navigate") {
        return refuse("Sec-Fetch-Site is not `same-origin`".into());
    }
    Ok(())
}
