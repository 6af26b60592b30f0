//! One job: how far it is, what it waits for, who ran what when, what took long, whether the work is shared out evenly,
//! what it counted, what happened to it, what it was given.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};

use super::happened::Line;
use super::phase::Phase;
use super::skew::skew;
use super::words::{bytes, clock, count, percent, span};
use super::{chart, page};
use crate::offload::offload;
use crate::record::value;
use crate::rpc::jobs::{JobStatus, Jobs};
use crate::rpc::refusal::Refusal;
use crate::spec::{Digest, JobId, JobSpec};
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::id;
use crate::web::summary::Summary;

/// Counters that are shown, inputs, and what has happened.
const COUNTERS_MAX: usize = 500;
const INPUTS_MAX: usize = 20;
const EVENTS_MAX: usize = 30;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/jobs">Jobs</a></p>
<h1>{{ job.id }} {{ job.name }} <span class="state {{ job.state }}">{{ job.state }}</span></h1>
{% if !job.reason.is_empty() %}<p>{{ job.reason }}</p>{% endif %}
<div class="tiles"><div><b>{{ progress }} %</b>done</div><div><b>{{ took }}</b>{% if job.finished.is_some() %}from submission to end{% else %}since submission{% endif %}</div>{% if !read.is_empty() %}<div><b>{{ read }}</b>of input</div>{% endif %}<div><b>{{ attempts }}</b>attempts</div></div>
{% if let Some(error) = job.error %}<section class="bad"><h2>Why it failed</h2><pre>{{ error }}</pre>{% if let Some((attempt, _)) = job.failure %}<p><a href="/jobs/{{ job.id }}/tasks/{{ attempt.task.kind.letter() }}{{ attempt.task.index }}">{{ attempt.task }}, with its attempts and its log</a></p>{% endif %}</section>{% endif %}
<section><h2>Progress</h2>
{% for phase in phases %}<div class="phase"><h3>{{ phase.name }}</h3><progress class="{{ phase.class }}" max="100" value="{{ phase.percent }}" aria-label="{{ phase.name }}">{{ phase.percent }} %</progress><p><b>{{ phase.percent }} %</b><span>{{ phase.tasks }}</span>{% if !phase.bytes.is_empty() %}<span>{{ phase.bytes }}</span>{% endif %}{% if !phase.left.is_empty() %}<span>{{ phase.left }}</span>{% endif %}</p></div>
{% endfor %}
<p class="pages"><a href="/jobs/{{ job.id }}/tasks">All tasks</a></p></section>
<section><h2>Who ran what when</h2>
{% if summary.attempts == 0 %}<p class="soft">Nothing was started yet.</p>{% else %}<div class="scroll" tabindex="0" role="group" aria-label="Timeline">{{ timeline|safe }}</div>
<ul class="key"><li class="map">map</li><li class="reduce">reduce</li><li class="other">plan, commit</li><li class="lost">failed, stopped or lost</li></ul>{% endif %}</section>
{% if has_done %}<section><h2>How long tasks took</h2><div class="pair">
{% for phase in phases %}{% if !phase.slowest.is_empty() %}<div><h3>{{ phase.name }}</h3>{{ phase.histogram|safe }}<p class="soft">{{ phase.told }}</p></div>{% endif %}{% endfor %}</div></section>
<section><h2>What took longest</h2><div class="pair">
{% for phase in phases %}{% if !phase.slowest.is_empty() %}<div class="scroll" tabindex="0" role="group" aria-label="The longest: {{ phase.name }}"><table><thead><tr><th scope="col">{{ phase.name }}</th><th scope="col" class="num">Took</th><th scope="col" class="num">Of the median</th><th scope="col">On</th></tr></thead><tbody>
{% for slow in phase.slowest %}<tr><td><a href="/jobs/{{ job.id }}/tasks/{{ slow.task.kind.letter() }}{{ slow.task.index }}">{{ slow.task }}</a></td><td class="num">{{ slow.took }}</td><td class="num">{{ slow.times }}</td><td><a href="/workers/{{ slow.worker }}">{{ slow.worker }}</a></td></tr>
{% endfor %}</tbody></table></div>{% endif %}{% endfor %}</div></section>{% endif %}
{{ skew|safe }}
<section><h2>Counters</h2>
{% if counters.is_empty() %}<p class="soft">Nothing is counted yet.</p>{% else %}<div class="groups">{% for (group, names) in counters %}<div class="scroll" tabindex="0" role="group" aria-label="{{ group }}"><table><thead><tr><th scope="col">{{ group }}</th><th scope="col" class="num">Count</th></tr></thead><tbody>
{% for (name, n) in names %}<tr><td class="wide">{{ name }}</td><td class="num">{{ n }}</td></tr>
{% endfor %}</tbody></table></div>
{% endfor %}</div>{% endif %}</section>
<section><h2>What happened</h2>
{% if events.is_empty() %}<p class="soft">This master has no memory of it; it began later.</p>{% else %}<ol class="events">
{% for event in events %}<li><time>{{ event.at }}</time> {{ event.what }}</li>
{% endfor %}</ol><p class="soft">The newest first; attempts that were started or have won are left out.</p>{% endif %}</section>
<section><h2>What it was given</h2><dl>
{% for (name, value) in settings %}<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></section>"#
)]
struct One<'p> {
    job: &'p JobStatus,
    summary: &'p Summary,
    progress: u64,
    took: String,
    /// Bytes of the input, if that is known.
    read: String,
    attempts: String,
    phases: Vec<Phase>,
    /// Whether any task is done.
    has_done: bool,
    timeline: String,
    skew: String,
    counters: Vec<(String, Vec<(String, String)>)>,
    events: Vec<Line>,
    settings: Vec<(&'static str, String)>,
}

/// `GET /jobs/j7`
pub(in crate::web) async fn job(State(web): State<Web>, Path(job): Path<String>) -> Answer {
    let job: JobId = id(&job)?;
    let status = web.master.status(job, 0).await?;
    let summary = web.summaries.of(&web.master, job).await?;
    let counters = web.master.counters(job).await?;
    let spec = match summary.facts.spec {
        Some(spec) => read_spec(&web, spec).await,
        None => None,
    };
    let body = One {
        skew: skew(job, &summary.facts.sizes, status.reduces.total).map_err(written)?,
        events: web.master.recent(job, EVENTS_MAX)?.iter().map(Line::of).collect(),
        ..one(&status, &summary, counters, spec.as_ref())
    };
    let is_busy = !status.state.is_terminal();
    let title = format!("{job} {}", status.name);
    page(&title, &format!("/api/v1/jobs/{job}/events"), is_busy, &body)
}

/// What is on the page, but for what only the master can say.
fn one<'p>(
    status: &'p JobStatus,
    summary: &'p Summary,
    counters: BTreeMap<String, BTreeMap<String, u64>>,
    spec: Option<&JobSpec>,
) -> One<'p> {
    let mut phases = vec![Phase::maps(status, summary)];
    if status.reduces.total > 0 {
        phases.push(Phase::reduces(status, summary));
    }
    let input_bytes = status.maps.bytes_total;
    One {
        job: status,
        summary,
        progress: percent(status.progress),
        took: span(summary.end_ms - summary.begin_ms),
        read: if input_bytes > 0 { bytes(input_bytes) } else { String::new() },
        attempts: count(summary.attempts),
        has_done: phases.iter().any(|phase| !phase.slowest.is_empty()),
        phases,
        timeline: chart::timeline(summary),
        skew: String::new(),
        counters: grouped(counters),
        events: Vec::new(),
        settings: settings(status, summary, spec),
    }
}

fn written(error: askama::Error) -> Refusal {
    Refusal::Internal { message: format!("a page: {error}") }
}

/// What a job was given; one that cannot be read is the business of who runs it.
pub(super) async fn read_spec(web: &Web, spec: Digest) -> Option<JobSpec> {
    let path = web.master.artifact(spec).await?;
    let read = move || std::fs::read(path).ok().and_then(|bytes| value::decode(&bytes).ok());
    offload(read).await.ok().flatten()
}

pub(super) fn settings(
    job: &JobStatus,
    summary: &Summary,
    spec: Option<&JobSpec>,
) -> Vec<(&'static str, String)> {
    let (facts, options) = (&summary.facts, &summary.facts.options);
    let by_size = || "from the input's size".to_string();
    let mut settings = vec![("Output", job.output.clone())];
    if let Some(spec) = spec {
        let inputs = spec.inputs.iter().take(INPUTS_MAX);
        settings.extend(inputs.map(|input| ("Input", input.location.to_string())));
        let more = spec.inputs.len().saturating_sub(INPUTS_MAX);
        settings.extend((more > 0).then(|| ("Input", format!("and {more} more"))));
        settings.push(("Memory of an attempt", bytes(spec.memory_bytes)));
        settings.push(("Size of a split", spec.split_bytes.map_or_else(by_size, bytes)));
        settings.push(("Reduces", spec.reducers.map_or_else(by_size, |n| n.to_string())));
        let bad = match spec.max_bad_records {
            0 => "fail the job".to_string(),
            most => format!("up to {most} are set aside"),
        };
        settings.push(("Bad records", bad));
    }
    let timeout = options.task_timeout_ms;
    let timeout = timeout.map_or("never".to_string(), |ms| format!("after {}", span(ms)));
    let backups = if options.backups { "of slow tasks" } else { "none" };
    settings.push(("Attempts of a task", format!("up to {}", options.max_attempts)));
    settings.push(("Priority", options.priority.to_string()));
    settings.push(("Stopped without progress", timeout));
    settings.push(("Backups", backups.to_string()));
    settings.extend(facts.executable.map(|digest| ("Executable", digest.to_string())));
    settings.push(("Submitted", clock(&job.submitted)));
    let took = span(summary.end_ms - summary.begin_ms);
    settings.extend(
        job.finished.as_ref().map(|at| ("Finished", format!("{}, after {took}", clock(at)))),
    );
    settings
}

/// Up to so many counters in all, by group.
fn grouped(
    groups: BTreeMap<String, BTreeMap<String, u64>>,
) -> Vec<(String, Vec<(String, String)>)> {
    let mut room = COUNTERS_MAX;
    let group = |(group, names): (String, BTreeMap<String, u64>)| {
        let names: Vec<_> =
            names.into_iter().take(room).map(|(name, n)| (name, count(n))).collect();
        room -= names.len();
        (group, names)
    };
    groups.into_iter().map(group).filter(|(_, names)| !names.is_empty()).collect()
}
