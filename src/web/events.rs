//! Streams events of one job or of all jobs (server-sent events), starting now or after a given event.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::Web;
use super::answer::{Answer, Fault, text};
use super::query::{Query, id};
use crate::clock::rfc3339;
use crate::master::{Event, EventId, What};
use crate::rpc::refusal::Refusal;

use crate::model::{
    AttemptId, AttemptState, Cause, JobId, JobState, TEXT_CHARS_MAX, WorkerId, escape,
};

/// Most streams at a time.
pub(super) const STREAMS_MAX: usize = 128;
/// Pause between two checks for new events.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Checks without events after which a stream sends a comment and its position.
const QUIET_LOOKS_MAX: u32 = 25;
/// Most events that are sent at once.
const PIECE_EVENTS_MAX: usize = 256;
/// How long a client may stop reading before its stream ends.
const STILL_MAX: Duration = Duration::from_secs(30);
/// Tells the client to reconnect after a second.
const HEAD: &str = "retry: 1000\n\n";

/// `GET /api/v1/events?after=4711.2`, or with the header `Last-Event-ID`
pub(super) async fn all(
    State(web): State<Web>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    stream(web, None, query.as_deref(), &headers)
}

/// `GET /api/v1/jobs/j7/events`
pub(super) async fn of_job(
    State(web): State<Web>,
    Path(job): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let job: JobId = id(&job)?;
    web.master.confirm().await?;
    if !web.master.knows(job) {
        let message = format!("no job {job}");
        return Err(Refusal::NotFound { message }.into());
    }
    stream(web, Some(job), query.as_deref(), &headers)
}

fn stream(web: Web, job: Option<JobId>, query: Option<&str>, headers: &HeaderMap) -> Answer {
    let query = Query::read(query, &["after"])?;
    let asked: Option<EventId> = query.get("after")?;
    let heard = headers.get("last-event-id").map(|sent| {
        let id = sent.to_str().ok().and_then(|id| id.parse().ok());
        let shown = || escape(sent.as_bytes(), TEXT_CHARS_MAX);
        let invalid = || format!("Last-Event-ID is `{}`, not an id such as 4711.2", shown());
        id.ok_or_else(|| Fault::invalid(invalid()))
    });
    // A client that reconnects repeats its first query; the header is newer.
    let after = heard.transpose()?.or(asked).unwrap_or_else(|| web.master.last_event());
    let room = web.shared.streams.clone().try_acquire_owned().map_err(|_| {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many streams",
            format!("{STREAMS_MAX} event streams are open"),
            "close some of them, or poll /api/v1/jobs instead",
        )
    })?;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(tell(web, job, after, sender, room));
    Ok(text("text/event-stream", Body::from_stream(ReceiverStream::new(pieces))))
}

/// Sends events until the client is gone or this master no longer leads.
pub(super) async fn tell(
    web: Web,
    job: Option<JobId>,
    mut after: EventId,
    sender: mpsc::Sender<Result<String, Infallible>>,
    _room: OwnedSemaphorePermit,
) {
    let mut piece = HEAD.to_string();
    let mut quiet = 0;
    loop {
        let Ok(heard) = web.master.events(after, job, PIECE_EVENTS_MAX) else { return };
        if heard.is_gap {
            piece += &gap(after);
        }
        heard.events.iter().for_each(|event| piece += &written(event));
        let is_behind = heard.events.len() == PIECE_EVENTS_MAX;
        after = heard.until;
        quiet = if piece.is_empty() { quiet + 1 } else { 0 };
        if quiet == QUIET_LOOKS_MAX {
            quiet = 0;
            // Without data a client only notes the id.
            piece = format!(": still here\nid: {after}\n\n");
        }
        if !piece.is_empty() {
            let sent = timeout(STILL_MAX, sender.send(Ok(std::mem::take(&mut piece)))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
        if !is_behind {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = sender.closed() => return,
            }
        }
    }
}

/// An event as JSON.
#[derive(Debug, Default, Serialize)]
struct EventLine {
    id: String,
    at: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<AttemptId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<WorkerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<u32>,
}

impl EventLine {
    fn of(event: &Event) -> Self {
        let job = event.what.job();
        let line =
            Self { id: event.id.to_string(), at: rfc3339(event.at_ms), job, ..Self::default() };
        let ended = |state: AttemptState| Some(state.to_string());
        let moved = |state: JobState| Some(state.to_string());
        match event.what.clone() {
            What::Submitted { name, .. } => {
                Self { r#type: "job_submitted", name: Some(name), ..line }
            }
            What::Moved { state, .. } => Self { r#type: "job_moved", state: moved(state), ..line },
            What::Forgotten { .. } => Self { r#type: "job_forgotten", ..line },
            What::Started { attempt, worker } => {
                let (attempt, worker) = (Some(attempt), Some(worker));
                Self { r#type: "attempt_started", attempt, worker, ..line }
            }
            What::Ended { attempt, state, cause } => {
                let (attempt, cause) = (Some(attempt), Some(cause));
                Self { r#type: "attempt_ended", attempt, state: ended(state), cause, ..line }
            }
            What::Registered { worker, slots } => {
                let (worker, slots) = (Some(worker), Some(slots));
                Self { r#type: "worker_registered", worker, slots, ..line }
            }
            What::Draining { worker } => {
                Self { r#type: "worker_draining", worker: Some(worker), ..line }
            }
            What::Left { worker } => Self { r#type: "worker_left", worker: Some(worker), ..line },
            What::Lost { worker } => Self { r#type: "worker_lost", worker: Some(worker), ..line },
            What::OutputLost { attempt } => {
                Self { r#type: "output_lost", attempt: Some(attempt), ..line }
            }
        }
    }
}

fn written(event: &Event) -> String {
    let line = EventLine::of(event);
    // Keys and values are text and numbers; JSON has no line ends of its own.
    let data = serde_json::to_string(&line).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", line.id, line.r#type)
}

/// Tells a client that events after the last one that it saw were dropped.
fn gap(after: EventId) -> String {
    format!("event: gap\ndata: {{\"type\":\"gap\",\"after\":\"{after}\"}}\n\n")
}
