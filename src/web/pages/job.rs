//! One job: how far it is, what it waits for, who ran what when, what took long, what it counted, what it was given.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};

use super::words::{bytes, count, percent, span};
use super::{chart, page};
use crate::offload::offload;
use crate::record::value;
use crate::rpc::jobs::{JobStatus, Jobs, State as Stage, Tally};
use crate::spec::{Digest, JobId, JobSpec, TaskId, WorkerId};
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::id;
use crate::web::summary::{Kind, Summary};

/// Counters that are shown, and inputs.
const COUNTERS_MAX: usize = 500;
const INPUTS_MAX: usize = 20;
/// What must be done, and how long it must have taken, before the rest is guessed.
const DONE_MIN: f64 = 0.05;
const PASSED_MS_MIN: u64 = 2_000;

/// Maps or reduces.
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) percent: u64,
    pub(super) done: String,
    pub(super) running: String,
    pub(super) total: String,
    pub(super) median: String,
    pub(super) longest: String,
    /// How long they took, in a sentence.
    pub(super) told: String,
    pub(super) histogram: String,
    pub(super) slowest: Vec<Slow>,
}

/// A task that took long.
pub(super) struct Slow {
    pub(super) task: TaskId,
    pub(super) worker: WorkerId,
    pub(super) took: String,
    /// Of the median.
    pub(super) times: String,
}

impl Phase {
    pub(super) fn of(name: &'static str, class: &str, tally: &Tally, kind: &Kind) -> Self {
        let took = |ms| if kind.count > 0 { span(ms) } else { String::new() };
        let times = |ms| format!("{:.1} ×", ms as f64 / kind.median_ms.max(1) as f64);
        let slow = |&(task, worker, ms): &(TaskId, WorkerId, u64)| Slow {
            task,
            worker,
            took: span(ms),
            times: times(ms),
        };
        let [least, median, most] = [kind.least_ms, kind.median_ms, kind.most_ms].map(span);
        Self {
            name,
            percent: percent(tally.progress),
            done: count(tally.done.into()),
            running: count(tally.running.into()),
            total: count(tally.total.into()),
            median: took(kind.median_ms),
            longest: took(kind.most_ms),
            told: format!(
                "{} {name}: {least} to {most}, half of them up to {median}.",
                count(kind.count)
            ),
            histogram: chart::histogram(kind, name, class),
            slowest: kind.slowest.iter().map(slow).collect(),
        }
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/jobs">Jobs</a></p>
<h1>{{ job.id }} {{ job.name }} <span class="state {{ job.state }}">{{ job.state }}</span></h1>
<p>{{ job.reason }}{% if !eta.is_empty() %}{% if !job.reason.is_empty() %}; {% endif %}{{ eta }}{% endif %}</p>
{% if let Some(error) = job.error %}<section class="bad"><h2>Why it failed</h2><pre>{{ error }}</pre>{% if let Some((attempt, _)) = job.failure %}<p><a href="/jobs/{{ job.id }}/tasks/{{ attempt.task.kind.letter() }}{{ attempt.task.index }}">{{ attempt.task }}, with its attempts and its log</a></p>{% endif %}</section>{% endif %}
<section><h2>Progress</h2>
<div class="scroll" tabindex="0" role="group" aria-label="Progress"><table><thead><tr><th scope="col">Phase</th><th scope="col">Done</th><th scope="col"></th><th scope="col" class="num">Running</th><th scope="col" class="num">All</th><th scope="col" class="num">Median</th><th scope="col" class="num">Longest</th></tr></thead><tbody>
{% for phase in phases %}<tr><th scope="row">{{ phase.name }}</th><td><progress max="100" value="{{ phase.percent }}" aria-label="{{ phase.name }}">{{ phase.percent }} %</progress></td><td>{{ phase.percent }} %, {{ phase.done }} done</td><td class="num">{{ phase.running }}</td><td class="num">{{ phase.total }}</td><td class="num">{{ phase.median }}</td><td class="num">{{ phase.longest }}</td></tr>
{% endfor %}</tbody></table></div>
<p class="pages"><a href="/jobs/{{ job.id }}/tasks">All tasks</a></p></section>
<section><h2>Who ran what when</h2>
{% if summary.attempts == 0 %}<p class="soft">Nothing was started yet.</p>{% else %}<div class="scroll" tabindex="0" role="group" aria-label="Timeline">{{ timeline|safe }}</div>
<ul class="key"><li class="map">map</li><li class="reduce">reduce</li><li class="other">plan, commit</li><li class="lost">failed, stopped or lost</li></ul>{% endif %}</section>
{% if has_done %}<section><h2>How long tasks took</h2><div class="pair">
{% for phase in phases %}{% if !phase.slowest.is_empty() %}<div><h3>{{ phase.name }}</h3>{{ phase.histogram|safe }}<p class="soft">{{ phase.told }}</p></div>{% endif %}{% endfor %}</div></section>
<section><h2>What took longest</h2><div class="pair">
{% for phase in phases %}{% if !phase.slowest.is_empty() %}<div class="scroll" tabindex="0" role="group" aria-label="The longest {{ phase.name }}"><table><thead><tr><th scope="col">{{ phase.name }}</th><th scope="col" class="num">Took</th><th scope="col" class="num">Of the median</th><th scope="col">On</th></tr></thead><tbody>
{% for slow in phase.slowest %}<tr><td><a href="/jobs/{{ job.id }}/tasks/{{ slow.task.kind.letter() }}{{ slow.task.index }}">{{ slow.task }}</a></td><td class="num">{{ slow.took }}</td><td class="num">{{ slow.times }}</td><td><a href="/workers/{{ slow.worker }}">{{ slow.worker }}</a></td></tr>
{% endfor %}</tbody></table></div>{% endif %}{% endfor %}</div></section>{% endif %}
<section><h2>Counters</h2>
{% if counters.is_empty() %}<p class="soft">Nothing is counted yet.</p>{% else %}<div class="scroll" tabindex="0" role="group" aria-label="Counters"><table><thead><tr><th scope="col">Group</th><th scope="col">Name</th><th scope="col" class="num">Count</th></tr></thead><tbody>
{% for (group, name, n) in counters %}<tr><td>{{ group }}</td><td>{{ name }}</td><td class="num">{{ n }}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}</section>
<section><h2>What it was given</h2><dl>
{% for (name, value) in settings %}<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></section>"#
)]
struct One<'p> {
    job: &'p JobStatus,
    summary: &'p Summary,
    eta: String,
    phases: Vec<Phase>,
    /// Whether any task is done.
    has_done: bool,
    timeline: String,
    counters: Vec<(String, String, String)>,
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
    let mut phases = vec![Phase::of("maps", "map", &status.maps, &summary.maps)];
    if status.reduces.total > 0 {
        phases.push(Phase::of("reduces", "reduce", &status.reduces, &summary.reduces));
    }
    let body = One {
        job: &status,
        summary: &summary,
        eta: eta(&status, &summary),
        has_done: phases.iter().any(|phase| !phase.slowest.is_empty()),
        phases,
        timeline: chart::timeline(&summary),
        counters: flat(counters),
        settings: settings(&status, &summary, spec.as_ref()),
    };
    let is_busy = !status.state.is_terminal();
    let title = format!("{job} {}", status.name);
    page(&title, &format!("/api/v1/jobs/{job}/events"), is_busy, &body)
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
    settings.push(("Submitted", job.submitted.clone()));
    let took = span(summary.end_ms - summary.begin_ms);
    settings.extend(job.finished.as_ref().map(|at| ("Finished", format!("{at}, after {took}"))));
    settings
}

pub(super) fn flat(
    groups: BTreeMap<String, BTreeMap<String, u64>>,
) -> Vec<(String, String, String)> {
    let group = |(group, names): (String, BTreeMap<String, u64>)| {
        names.into_iter().map(move |(name, n)| (group.clone(), name, count(n)))
    };
    groups.into_iter().flat_map(group).take(COUNTERS_MAX).collect()
}

/// When the phase that runs will be over, if it goes on as it went; nothing as long as that is a guess.
fn eta(job: &JobStatus, summary: &Summary) -> String {
    let (name, tally, kind) = match job.state {
        Stage::Mapping => ("maps", &job.maps, &summary.maps),
        Stage::Reducing => ("reduces", &job.reduces, &summary.reduces),
        _ => return String::new(),
    };
    let Some(first_ms) = kind.first_ms else { return String::new() };
    let passed_ms = summary.end_ms.saturating_sub(first_ms);
    if tally.progress < DONE_MIN || passed_ms < PASSED_MS_MIN {
        return String::new();
    }
    // Both are positive, and what is left is at most twenty times what has passed.
    let left_ms = passed_ms as f64 * (1.0 - tally.progress) / tally.progress;
    format!("the {name} go on for some {} if nothing changes", span(left_ms as u64))
}
