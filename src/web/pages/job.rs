//! The page of a job: status and next steps, progress, timeline, slowest tasks, data skew, counters, events, settings.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};

use super::chart::Links;
use super::happened::Line;
use super::phase::Phase;
use super::skew::skew;
use super::words::{bytes, clock, count, exact, percent, plural, sentence, span, step};
use super::{chart, page};
use crate::model::{Digest, JobId, JobSpec, JobState};
use crate::offload::offload;
use crate::record::value;
use crate::rpc::jobs::{JobStatus, Jobs};
use crate::rpc::refusal::Refusal;
use crate::rpc::why::Why;
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::id;
use crate::web::summary::Summary;

/// Most counters, inputs and events that are shown.
const COUNTERS_MAX: usize = 500;
const INPUTS_MAX: usize = 20;
const EVENTS_MAX: usize = 30;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/jobs">Jobs</a></p>
<h1>{{ job.id }} {{ job.name }} <span class="state {{ job.state }}">{{ job.state }}</span></h1>
{% if job.state == JobState::Waiting %}<section class="wait"><h2 class="large">{{ self::headline(&job.reason) }}</h2>{% if !why.summary.is_empty() %}<p class="lead">{{ why.summary }}</p>{% endif %}{% if let Some((step, command)) = steps %}<h3>Next steps</h3><p>{{ step }}{% if !command.is_empty() %} <code>{{ command }}</code>{% endif %}</p>{% endif %}</section>
{% else if job.error.is_some() %}<section class="bad"><h2 class="large">{% if job.state == JobState::Failed %}Failed{% else %}Cannot commit{% endif %}</h2><p class="lead">{{ why.summary }}</p>
{% if !why.details.is_empty() %}<pre>{{ why.details.join("\n") }}</pre>{% endif %}
{% if !why.log.is_empty() %}<h3>Last output</h3><pre class="log" tabindex="0" role="group" aria-label="Last output">{{ why.log.join("\n") }}</pre>{% endif %}
<h3>Next steps</h3><ul class="steps">{% if let Some((step, command)) = steps %}<li>{{ step }}{% if !command.is_empty() %} <code>{{ command }}</code>{% endif %}</li>{% endif %}{% if let Some(replay) = why.replay %}<li>Run the task again in a terminal: <code>{{ replay }} --cluster {{ cluster }}</code></li>{% endif %}{% if let Some((attempt, _)) = job.failure %}<li><a href="/jobs/{{ job.id }}/tasks/{{ attempt.task.kind.letter() }}{{ attempt.task.index }}">{{ attempt.task }}</a> has all attempts and their logs.</li>{% endif %}</ul></section>
{% else if !job.reason.is_empty() %}<p class="lead">{{ job.reason }}</p>{% endif %}
<div class="tiles"><div><b>{{ progress }} %</b>done</div><div><b>{{ took }}</b>{% if job.finished.is_some() %}duration{% else %}since submission{% endif %}</div>{% if !read.is_empty() %}<div><b>{{ read }}</b>of input</div>{% endif %}<div><b>{{ attempts }}</b>{{ self::plural(*summary.attempts, "attempt", "attempts") }}</div></div>
<section><h2>Progress</h2>
{% for phase in phases %}<div class="phase"><h3>{{ phase.name }}</h3><progress class="{{ phase.class }}" max="100" value="{{ phase.percent }}" aria-label="{{ phase.name }}">{{ phase.percent }} %</progress><p><b>{{ phase.percent }} %</b><span>{{ phase.tasks }}</span>{% if !phase.bytes.is_empty() %}<span>{{ phase.bytes }}</span>{% endif %}{% if !phase.left.is_empty() %}<span>{{ phase.left }}</span>{% endif %}</p></div>
{% endfor %}
<p class="pages"><a href="/jobs/{{ job.id }}/tasks">All tasks</a><a href="/jobs/{{ job.id }}/tasks?sort=took">Slowest tasks first</a></p></section>
<section><h2>Timeline</h2>
{% if summary.attempts == 0 %}<p class="soft">No attempt has started yet.</p>{% else %}<div class="scroll" tabindex="0" role="group" aria-label="Timeline">{{ timeline|safe }}</div>
<ul class="key"><li class="map">map</li><li class="reduce">reduce</li><li class="other">plan, commit</li><li class="lost">failed or lost</li><li class="killed">killed</li></ul>{% endif %}</section>
{% if has_done %}<section><h2>Task durations</h2><div class="pair">
{% for phase in phases %}{% if !phase.slowest.is_empty() %}<div><h3>{{ phase.name }}</h3>{{ phase.histogram|safe }}<p class="soft">{{ phase.told }}</p></div>{% endif %}{% endfor %}</div></section>
<section><h2>Slowest tasks</h2><div class="pair">
{% for phase in phases %}{% if !phase.slowest.is_empty() %}<div class="scroll" tabindex="0" role="group" aria-label="Slowest: {{ phase.name }}"><table><thead><tr><th scope="col">{{ phase.name }}</th><th scope="col" class="num">Took</th><th scope="col" class="num">vs median</th><th scope="col">Worker</th></tr></thead><tbody>
{% for slow in phase.slowest %}<tr><td><a href="/jobs/{{ job.id }}/tasks/{{ slow.task.kind.letter() }}{{ slow.task.index }}">{{ slow.task }}</a></td><td class="num">{{ slow.took }}</td><td class="num">{{ slow.times }}</td><td><a href="/workers/{{ slow.worker }}">{{ slow.worker }}</a></td></tr>
{% endfor %}</tbody></table></div>{% endif %}{% endfor %}</div></section>{% endif %}
{{ skew|safe }}
<section><h2>Counters</h2>
{% if counters.is_empty() %}<p class="soft">No counters yet.</p>{% else %}<div class="groups">{% for (group, names) in counters %}<div class="scroll" tabindex="0" role="group" aria-label="{{ group }}"><table><thead><tr><th scope="col">{{ group }}</th><th scope="col" class="num">Count</th></tr></thead><tbody>
{% for (name, n) in names %}<tr><td class="wide">{{ name }}</td><td class="num">{{ n }}</td></tr>
{% endfor %}</tbody></table></div>
{% endfor %}</div>{% endif %}</section>
<section><h2>Events</h2>
{% if events.is_empty() %}<p class="soft">This master has no events of the job: they are from before it started.</p>{% else %}<ol class="events">
{% for event in events %}<li><time>{{ event.at }}</time> {{ event.what }}</li>
{% endfor %}</ol><p class="soft">Newest first, without starts and successes of attempts.</p>{% endif %}</section>
<section><h2>Settings</h2><dl>
{% for (name, value) in settings %}<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></section>"#
)]
struct One<'p> {
    job: &'p JobStatus,
    why: &'p Why,
    /// What to do next: a sentence, and the command at its end, if it has one.
    steps: Option<(String, String)>,
    /// The value of `--cluster`.
    cluster: String,
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
    settings: Vec<(String, String)>,
}

/// `GET /jobs/j7`
pub(in crate::web) async fn job(State(web): State<Web>, Path(job): Path<String>) -> Answer {
    let job: JobId = id(&job)?;
    let status = web.master.status(job, 0).await?;
    let summary = web.summaries.of(&web.master, job).await?;
    let counters = web.master.counters(job).await?;
    let why = web.master.why(job).await?;
    let spec = match summary.facts.spec {
        Some(spec) => read_spec(&web, spec).await,
        None => None,
    };
    // The summary may be a second old; this is current.
    let facts = web.master.facts(job)?;
    let body = One {
        skew: skew(job, &facts.sizes, status.reduces.total, Links::Yes).map_err(written)?,
        cluster: web.master.addresses(),
        events: web.master.recent(job, EVENTS_MAX)?.iter().map(Line::of).collect(),
        ..one((&status, &why), &summary, counters, spec.as_ref(), facts.until_ms())
    };
    let is_busy = !status.state.is_terminal();
    let title = format!("{job} {}", status.name);
    page(&title, &format!("/api/v1/jobs/{job}/events"), is_busy, &body)
}

/// The page without its skew, events and addresses.
fn one<'p>(
    (status, why): (&'p JobStatus, &'p Why),
    summary: &'p Summary,
    counters: BTreeMap<String, BTreeMap<String, u64>>,
    spec: Option<&JobSpec>,
    until_ms: u64,
) -> One<'p> {
    let mut phases = vec![Phase::maps(status, summary, until_ms)];
    if status.reduces.total > 0 {
        phases.push(Phase::reduces(status, summary, until_ms));
    }
    let input_bytes = status.maps.bytes_total;
    One {
        job: status,
        why,
        steps: (!why.suggestion.is_empty()).then(|| step(&why.suggestion)),
        cluster: String::new(),
        summary,
        progress: percent(status.progress),
        took: span(summary.end_ms - summary.begin_ms),
        read: if input_bytes > 0 { bytes(input_bytes) } else { String::new() },
        attempts: count(summary.attempts),
        has_done: phases.iter().any(|phase| !phase.slowest.is_empty()),
        phases,
        timeline: chart::timeline(summary, Links::Yes),
        skew: String::new(),
        // Before the first attempt, all counters are 0.
        counters: if summary.attempts == 0 { Vec::new() } else { grouped(counters) },
        events: Vec::new(),
        settings: settings(status, summary, spec),
    }
}

fn written(error: askama::Error) -> Refusal {
    Refusal::Internal { message: format!("a page: {error}") }
}

/// The spec of a job; `None` if it cannot be read here. The worker that runs the job reports why.
pub(super) async fn read_spec(web: &Web, spec: Digest) -> Option<JobSpec> {
    let path = web.master.artifact(spec).await?;
    let read = move || std::fs::read(path).ok().and_then(|bytes| value::decode(&bytes).ok());
    offload(read).await.ok().flatten()
}

/// How a job was submitted, and how it runs.
pub(super) fn settings(
    job: &JobStatus,
    summary: &Summary,
    spec: Option<&JobSpec>,
) -> Vec<(String, String)> {
    let (facts, options) = (&summary.facts, &summary.facts.options);
    let mut settings = spec.map(invocation).unwrap_or_default();
    let mut add = |name: &str, value: String| settings.push((name.to_string(), value));
    add("Output", job.output.clone());
    if let Some(spec) = spec {
        let by_size = || "chosen from the input's size".to_string();
        add("Memory per attempt", exact(spec.memory_bytes));
        add("Split size", spec.split_bytes.map_or_else(by_size, exact));
        add("Reduces", spec.reducers.map_or_else(by_size, |n| n.to_string()));
        add(
            "Bad records",
            match spec.max_bad_records {
                0 => "fail the job".to_string(),
                most => format!("set aside up to {}", count(most)),
            },
        );
    }
    let timeout = options.task_timeout_ms;
    add("Attempts per task", format!("up to {}", options.max_attempts));
    add("Priority", options.priority.to_string());
    add("Timeout without progress", timeout.map_or("none".to_string(), span));
    add("Backup attempts", if options.backups { "for slow tasks" } else { "off" }.to_string());
    if let Some(digest) = facts.executable {
        add("Executable's digest", digest.to_string());
    }
    add("Submitted", clock(&job.submitted));
    if let Some(at) = &job.finished {
        add("Finished", clock(at));
    }
    settings
}

/// What a job waits for, as a heading.
fn headline(reason: &str) -> String {
    if reason.starts_with("waiting") { sentence(reason) } else { format!("Waiting: {reason}") }
}

/// The executable, the job's own flags, and the inputs.
fn invocation(spec: &JobSpec) -> Vec<(String, String)> {
    let called = &spec.invocation;
    let mut shown = Vec::new();
    if !called.executable.is_empty() {
        shown.push(("Executable".to_string(), called.executable.clone()));
    }
    shown.extend(called.flags.iter().cloned());
    let inputs = spec.inputs.iter().take(INPUTS_MAX);
    shown.extend(inputs.map(|input| ("Input".to_string(), input.location.to_string())));
    let more = spec.inputs.len().saturating_sub(INPUTS_MAX);
    shown.extend((more > 0).then(|| ("Input".to_string(), format!("and {more} more"))));
    shown
}

/// Returns up to this many counters in all, by group.
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
