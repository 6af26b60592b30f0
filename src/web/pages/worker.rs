//! The page of a worker: its slots, memory and disk, its running attempts, and how many map outputs it keeps.

use askama::Template;
use axum::extract::{Path, State};

use super::gauge::Gauge;
use super::page;
use super::words::{clock, plural, sentence, span};
use crate::master::Held;
use crate::model::UNLIMITED;
use crate::model::WorkerId;
use crate::rpc::jobs::{Jobs, WorkerLine};
use crate::rpc::refusal::Refusal;
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::id;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/">Overview</a> / Workers</p>
<h1>{{ worker.id }} <span class="state {{ worker.state }}">{{ worker.state }}</span></h1>
{% if let Some(exclusion) = worker.exclusion %}<section class="wait"><h2>Excluded</h2><p>{{ self::sentence(&exclusion.reason) }}. It gets no attempts until {{ self::clock(&exclusion.until) }} at the latest.</p></section>
{% endif %}{% if gauges.is_empty() %}<p class="lead">Last seen {{ seen }} ago. It runs nothing.</p>
{% else %}<div class="tiles"><div><b>{{ seen }}</b>since last seen</div><div><b>{{ held.attempts.len() }}</b>{{ running }}</div><div><b>{{ held.outputs }}</b>{{ outputs }} kept for reduces</div></div>
<section><h2>Resources</h2><dl class="gauges">{% for gauge in gauges %}<dt>{{ gauge.name }}</dt><dd><progress class="{{ gauge.class }}" max="100" value="{{ gauge.percent }}" aria-label="{{ gauge.name }} in use">{{ gauge.percent }} %</progress><span>{{ gauge.text }}</span></dd>{% endfor %}</dl><p class="soft">Memory is that of the worker's machine, disk that of the file system of its <code>--data</code> folder.</p></section>
{% endif %}<section><h2>Process</h2><dl><dt>Address</dt><dd>{{ worker.facts.address }}</dd><dt>Process ID</dt><dd>{{ worker.facts.pid }}</dd><dt>Memory limit of attempts</dt><dd>{% if worker.facts.limiter == self::UNLIMITED %}none: the worker was started without <code>--memory</code>{% else %}by {{ worker.facts.limiter }}{% endif %}</dd></dl></section>
{% if !gauges.is_empty() %}<section><h2>Running attempts</h2>
{% if held.attempts.is_empty() %}<p class="soft">No attempt is running.</p>{% else %}<ul>{% for attempt in held.attempts %}<li><a href="/jobs/{{ attempt.task.job }}/tasks/{{ attempt.task.kind.letter() }}{{ attempt.task.index }}">{{ attempt }}</a></li>{% endfor %}</ul>{% endif %}</section>{% endif %}"#
)]
struct One<'p> {
    worker: &'p WorkerLine,
    held: &'p Held,
    /// Time since its last poll.
    seen: String,
    /// The words for its numbers of attempts and outputs.
    running: &'static str,
    outputs: &'static str,
    gauges: Vec<Gauge>,
}

/// `GET /workers/w4`
pub(in crate::web) async fn worker(State(web): State<Web>, Path(worker): Path<String>) -> Answer {
    let worker: WorkerId = id(&worker)?;
    let all = web.master.workers().await?;
    let found = all.iter().find(|line| line.id == worker);
    let none = || Refusal::NotFound { message: format!("no worker {worker}") };
    let found = found.ok_or_else(none)?;
    let held = web.master.held(worker)?;
    let (seen, gauges) = (span(found.last_seen_ms), Gauge::of_worker(found));
    let running = plural(held.attempts.len() as u64, "running attempt", "running attempts");
    let outputs = plural(held.outputs as u64, "map output", "map outputs");
    let body = One { worker: found, held: &held, seen, running, outputs, gauges };
    page(&worker.to_string(), "/api/v1/events", true, &body)
}
