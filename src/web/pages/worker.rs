//! One worker: what it lends, what it runs, what it keeps for others.

use askama::Template;
use axum::extract::{Path, State};

use super::page;
use super::words::{bytes, span, used};
use crate::master::Held;
use crate::rpc::jobs::{Jobs, WorkerLine};
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::UNLIMITED;
use crate::spec::WorkerId;
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::id;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/">Overview</a> / workers</p>
<h1>{{ worker.id }} <span class="state {{ worker.state }}">{{ worker.state }}</span></h1>
{% if let Some(exclusion) = worker.exclusion %}<p class="bad">Excluded until {{ exclusion.until }}: {{ exclusion.reason }}.</p>
{% endif %}<div class="tiles"><div><b>{{ worker.running }} / {{ worker.slots }}</b>slots in use</div><div><b>{{ seen }}</b>since its last poll</div><div><b>{{ held.outputs }}</b>map outputs kept for others</div>{% if worker.room.memory_bytes > 0 %}<div><b>{{ self::bytes(*worker.room.memory_free_bytes) }}</b>memory free</div>{% endif %}{% if worker.room.disk_bytes > 0 %}<div><b>{{ self::bytes(*worker.room.disk_free_bytes) }}</b>disk free</div>{% endif %}</div>
<section><h2>What it is</h2><dl><dt>Address</dt><dd>{{ worker.address }}</dd><dt>Process</dt><dd>{{ worker.pid }}</dd><dt>Memory in use</dt><dd>{{ self::used(*worker.room.memory_free_bytes, *worker.room.memory_bytes) }} of its machine</dd><dt>Disk in use</dt><dd>{{ self::used(*worker.room.disk_free_bytes, *worker.room.disk_bytes) }} of the file system of its folder</dd><dt>Memory of attempts is limited</dt><dd>{% if worker.limiter == self::UNLIMITED %}by nothing: it was given no --memory{% else %}by {{ worker.limiter }}{% endif %}</dd></dl></section>
<section><h2>Runs now</h2>
{% if held.attempts.is_empty() %}<p class="soft">Nothing.</p>{% else %}<ul>{% for attempt in held.attempts %}<li><a href="/jobs/{{ attempt.task.job }}/tasks/{{ attempt.task.kind.letter() }}{{ attempt.task.index }}">{{ attempt }}</a></li>{% endfor %}</ul>{% endif %}</section>"#
)]
struct One<'p> {
    worker: &'p WorkerLine,
    held: &'p Held,
    /// Since its last poll.
    seen: String,
}

/// `GET /workers/w4`
pub(in crate::web) async fn worker(State(web): State<Web>, Path(worker): Path<String>) -> Answer {
    let worker: WorkerId = id(&worker)?;
    let all = web.master.workers().await?;
    let found = all.iter().find(|line| line.id == worker);
    let none = || Refusal::NotFound { message: format!("no worker {worker}") };
    let found = found.ok_or_else(none)?;
    let held = web.master.held(worker)?;
    let body = One { worker: found, held: &held, seen: span(found.last_seen_ms) };
    page(&worker.to_string(), "/api/v1/events", true, &body)
}
