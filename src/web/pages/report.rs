//! Writes a job's report to attach to a ticket: one HTML file, which needs no other file and no script.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;

use super::chart::Links;
use super::job::{read_spec, settings};
use super::phase::Phase;
use super::skew::skew;
use super::words::{count, sentence, span};
use super::{HTML, chart};
use crate::clock::{rfc3339, rfc3339_ms};
use crate::frame;
use crate::model::{JobId, TEXT_CHARS_MAX, WorkerId, escape, escape_hint, escape_what};
use crate::rpc::jobs::{JobStatus, Jobs, WorkerLine};
use crate::rpc::refusal::Refusal;
use crate::rpc::why::Why;
use crate::scheduler::{Failed, Sizes};
use crate::web::Web;
use crate::web::answer::{Answer, text};
use crate::web::query::id;
use crate::web::summary::Summary;

/// Most workers that are shown.
const WORKERS_MAX: usize = 100;
/// Most bytes of all failures together, as HTML, and of all counters.
const FAILURES_BYTES_MAX: usize = 48 << 10;
const COUNTERS_BYTES_MAX: usize = 32 << 10;
/// Most bytes of a character as HTML: `&#60;`.
const ESCAPED_BYTES_MAX: usize = 5;

/// A failed attempt.
struct FailureRow {
    attempt: String,
    worker: WorkerId,
    at: String,
    cause: String,
    /// Its message, record and details, line by line.
    text: String,
    /// Its last output.
    log: String,
}

impl FailureRow {
    fn of(failed: &Failed) -> Self {
        let shown = |line: &str| escape(line.as_bytes(), 2 * TEXT_CHARS_MAX);
        let Failed { attempt, worker, at_ms, failure, .. } = failed;
        let mut text: Vec<String> = failure.at.iter().map(|at| shown(at)).collect();
        text.push(shown(&escape_what(&failure.message)));
        text.extend(escape_hint(&failure.message).map(|hint| format!("hint: {hint}")));
        text.extend(failure.record.as_ref().map(|record| {
            let excerpt = escape(&record.excerpt, TEXT_CHARS_MAX);
            format!("record at byte {} of {}: {excerpt}", record.offset, record.location)
        }));
        text.extend(failure.details.iter().map(|line| shown(line)));
        let log: Vec<String> = failure.log.iter().map(|line| shown(line)).collect();
        Self {
            attempt: attempt.to_string(),
            worker: *worker,
            at: rfc3339_ms(*at_ms),
            cause: failure.cause.to_string(),
            text: text.join("\n"),
            log: log.join("\n"),
        }
    }

    /// Bytes that it has as HTML, at most.
    fn bytes(&self) -> usize {
        200 + html_bytes(&self.text) + html_bytes(&self.log)
    }
}

/// Counters by their group, name and number as they are shown.
fn flat(groups: BTreeMap<String, BTreeMap<String, u64>>) -> Vec<(String, String, String)> {
    let group = |(group, names): (String, BTreeMap<String, u64>)| {
        names.into_iter().map(move |(name, n)| (group.clone(), name, count(n)))
    };
    groups.into_iter().flat_map(group).collect()
}

/// Bytes that a text has as HTML.
fn html_bytes(text: &str) -> usize {
    let special = text.bytes().filter(|byte| b"<>&\"'".contains(byte)).count();
    text.len() + (ESCAPED_BYTES_MAX - 1) * special
}

/// As many counters as there is room for.
fn counters(all: &[(String, String, String)]) -> Vec<(String, String, String)> {
    let cut = |text: &String| escape(text.as_bytes(), TEXT_CHARS_MAX / 2);
    let mut bytes = 0;
    let cut = all.iter().map(|(group, name, n)| (cut(group), cut(name), n.clone()));
    let fits = |(group, name, _): &(String, String, String)| {
        bytes += 100 + html_bytes(group) + html_bytes(name);
        bytes <= COUNTERS_BYTES_MAX
    };
    cut.take_while(fits).collect()
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ job.id }} {{ job.name }} · Gristmill</title>
<style>
{{ style|safe }}
</style>
</head>
<body>
<header><span class="brand">Gristmill</span><p id="live">as of {{ made }}</p></header>
<main>
<h1>{{ job.id }} {{ job.name }} <span class="state {{ job.state }}">{{ job.state }}</span></h1>
<section{% if is_bad %} class="bad"{% endif %}><h2>Status</h2><p>{{ why.summary }}</p>
{% if !details.is_empty() %}<pre>{{ details }}</pre>{% endif %}
{% if !log.is_empty() %}<h3>Last output</h3><pre class="log">{{ log }}</pre>{% endif %}
{% if !why.suggestion.is_empty() %}<h3>Next steps</h3><p>{{ self::sentence(&why.suggestion) }}</p>{% endif %}
{% if let Some(replay) = why.replay %}<p>Run the task again in a terminal: <code>{{ replay }} --cluster {{ cluster }}</code></p>{% endif %}</section>
<section><h2>Progress</h2>
<div class="scroll"><table><thead><tr><th scope="col">Phase</th><th scope="col" class="num">Done</th><th scope="col">Tasks</th><th scope="col">Read</th></tr></thead><tbody>
{% for phase in phases %}<tr><th scope="row">{{ phase.name }}</th><td class="num">{{ phase.percent }} %</td><td>{{ phase.tasks }}</td><td>{{ phase.bytes }}</td></tr>
{% endfor %}</tbody></table></div></section>
<section><h2>Timeline</h2>
{% if timeline.is_empty() %}<p class="soft">No attempt has started.</p>{% else %}<div class="scroll">{{ timeline|safe }}</div>
<ul class="key"><li class="map">map</li><li class="reduce">reduce</li><li class="other">plan, commit</li><li class="lost">failed or lost</li><li class="killed">killed</li></ul>{% endif %}</section>
{% for phase in phases %}{% if !phase.slowest.is_empty() %}<section><h2>Durations of {{ phase.name|lower }}</h2><div class="pair"><div>{{ phase.histogram|safe }}<p class="soft">{{ phase.told }}</p></div>
<div class="scroll"><table><thead><tr><th scope="col">Slowest</th><th scope="col" class="num">Took</th><th scope="col" class="num">vs median</th><th scope="col">Worker</th></tr></thead><tbody>
{% for slow in phase.slowest %}<tr><td>{{ slow.task }}</td><td class="num">{{ slow.took }}</td><td class="num">{{ slow.times }}</td><td>{{ slow.worker }}</td></tr>
{% endfor %}</tbody></table></div></div></section>{% endif %}{% endfor %}
{{ skew|safe }}
<section><h2>Failed attempts</h2>
{% if failures_shown.is_empty() %}<p class="soft">None.</p>{% endif %}
{% for row in failures_shown %}<h3>{{ row.attempt }} on {{ row.worker }}: {{ row.cause }}, {{ row.at }}</h3><pre>{{ row.text }}</pre>{% if !row.log.is_empty() %}<p class="soft">Last output:</p><pre class="log">{{ row.log }}</pre>{% endif %}
{% endfor %}{% if left_out > 0 %}<p class="soft">And {{ left_out }} more.</p>{% endif %}</section>
<section><h2>Counters</h2>
{% if counters.is_empty() %}<p class="soft">No counters.</p>{% else %}<div class="scroll"><table><thead><tr><th scope="col">Group</th><th scope="col">Name</th><th scope="col" class="num">Count</th></tr></thead><tbody>
{% for (group, name, n) in counters %}<tr><td>{{ group }}</td><td>{{ name }}</td><td class="num">{{ n }}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}</section>
<section><h2>Settings</h2><dl>
{% for (name, value) in settings %}<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></section>
<section><h2>Cluster</h2><dl>
<dt>Version</dt><dd>gristmill {{ version }}, executor's protocol {{ protocol }}</dd>
<dt>Workers</dt><dd>{{ workers.len() }}{% if workers_left_out > 0 %} and {{ workers_left_out }} more{% endif %}</dd></dl>
<div class="scroll"><table><thead><tr><th scope="col">Worker</th><th scope="col">State</th><th scope="col" class="num">Slots</th><th scope="col">Memory limit</th><th scope="col">Address</th></tr></thead><tbody>
{% for worker in workers %}<tr><td>{{ worker.id }}</td><td>{{ worker.state }}</td><td class="num">{{ worker.facts.slots }}</td><td>{{ worker.facts.limiter }}</td><td>{{ worker.facts.address }}</td></tr>
{% endfor %}</tbody></table></div></section>
</main>
</body>
</html>
"#
)]
struct Report<'p> {
    style: &'static str,
    job: &'p JobStatus,
    why: &'p Why,
    cluster: &'p str,
    is_bad: bool,
    details: String,
    log: String,
    made: String,
    phases: Vec<Phase>,
    timeline: String,
    skew: String,
    failures_shown: Vec<FailureRow>,
    left_out: u64,
    counters: Vec<(String, String, String)>,
    settings: Vec<(String, String)>,
    workers: &'p [WorkerLine],
    workers_left_out: usize,
    version: &'static str,
    protocol: u32,
}

/// The facts of a report.
struct Facts {
    status: JobStatus,
    why: Why,
    /// The value of `--cluster`.
    cluster: String,
    failures: (Vec<Failed>, u64),
    counters: Vec<(String, String, String)>,
    settings: Vec<(String, String)>,
    workers: Vec<WorkerLine>,
    sizes: Sizes,
    made_ms: u64,
    /// When the job ended, or now.
    until_ms: u64,
}

/// `GET /jobs/j7/report`
pub(in crate::web) async fn report(State(web): State<Web>, Path(job): Path<String>) -> Answer {
    let job: JobId = id(&job)?;
    let status = web.master.status(job, 0).await?;
    let summary = web.summaries.of(&web.master, job).await?;
    let spec = match summary.facts.spec {
        Some(spec) => read_spec(&web, spec).await,
        None => None,
    };
    let mut settings = settings(&status, &summary, spec.as_ref());
    let version = env!("CARGO_PKG_VERSION");
    settings.push(("Duration".to_string(), span(summary.end_ms - summary.begin_ms)));
    let now = web.master.facts(job)?;
    let facts = Facts {
        why: web.master.why(job).await?,
        cluster: web.master.addresses(),
        failures: web.master.failures(job, None)?,
        counters: flat(web.master.counters(job).await?),
        settings,
        workers: web.master.workers().await?,
        made_ms: now.now_ms,
        until_ms: now.until_ms(),
        sizes: now.sizes,
        status,
    };
    let html = render(&facts, &summary, version)?;
    let mut response = text(HTML, html);
    // Its style is inline, which the policy of our pages forbids, so a browser downloads it.
    let name = format!("attachment; filename=\"{job}.html\"");
    if let Ok(name) = HeaderValue::try_from(name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn render(facts: &Facts, summary: &Summary, version: &'static str) -> Result<String, Refusal> {
    let Facts { status, why, failures: (failures, forgotten), made_ms, until_ms, .. } = facts;
    let mut phases = vec![Phase::maps(status, summary, *until_ms)];
    if status.reduces.total > 0 {
        phases.push(Phase::reduces(status, summary, *until_ms));
    }
    let timeline = match summary.attempts {
        0 => String::new(),
        _ => chart::timeline(summary, Links::No),
    };
    let (mut failures_shown, mut bytes) = (Vec::new(), 0);
    for row in failures.iter().map(FailureRow::of) {
        bytes += row.bytes();
        if bytes > FAILURES_BYTES_MAX {
            break;
        }
        failures_shown.push(row);
    }
    let left_out = forgotten + (failures.len() - failures_shown.len()) as u64;
    let workers = &facts.workers;
    let shown = WORKERS_MAX.min(workers.len());
    let written =
        |error: askama::Error| Refusal::Internal { message: format!("a report: {error}") };
    let skew = skew(status.id, &facts.sizes, status.reduces.total, Links::No).map_err(written)?;
    let report = Report {
        style: include_str!("../assets/style.css"),
        job: status,
        why,
        cluster: &facts.cluster,
        is_bad: status.error.is_some(),
        details: why.details.join("\n"),
        log: why.log.join("\n"),
        made: rfc3339(*made_ms),
        phases,
        timeline,
        skew,
        failures_shown,
        left_out,
        counters: counters(&facts.counters),
        settings: facts.settings.clone(),
        workers: &workers[..shown],
        workers_left_out: workers.len() - shown,
        version,
        protocol: frame::VERSION,
    };
    report.render().map_err(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Failure, HotKey, JobState, TaskKind, WorkerFacts, WorkerState};
    use crate::rpc::jobs::Tally;
    use crate::rpc::why::Kind;
    use crate::scheduler::Partition;
    use crate::web::summary::large;

    const MOST: usize = 300_000;

    fn sizes(foreign: &str) -> Sizes {
        let hot = HotKey { shown: foreign[..7].into(), records: 30 };
        Sizes {
            partitions: 2,
            reduced_records: 40,
            largest: vec![Partition { index: 1, bytes: 3_072, records: 30 }],
            hottest: vec![(1, hot)],
            ..Sizes::default()
        }
    }

    fn facts(foreign: &str) -> Facts {
        let attempt = JobId(1).task(TaskKind::Map, 0).attempt(1);
        let mut failure = Failure::new(Cause::Panic, foreign);
        failure.details = vec![foreign.to_owned(); 20];
        failure.log = vec![foreign.to_owned(); 20];
        let failed = Failed { attempt, worker: WorkerId(1), at_ms: 0, failure, joined: Vec::new() };
        let tally = Tally {
            total: 200_000,
            done: 200_000,
            running: 0,
            progress: 1.0,
            bytes_done: 1 << 40,
            bytes_total: 1 << 40,
        };
        let worker = WorkerLine {
            id: WorkerId(1),
            state: WorkerState::Alive,
            running: 0,
            last_seen_ms: 1,
            facts: WorkerFacts {
                limiter: foreign.chars().take(20).collect(),
                ..WorkerFacts::default()
            },
            exclusion: None,
            room: Default::default(),
        };
        let shown = escape(foreign.as_bytes(), TEXT_CHARS_MAX);
        let why = Why {
            id: JobId(1),
            name: shown.clone(),
            state: JobState::Failed,
            kind: Kind::Panic,
            summary: shown.clone(),
            at: None,
            record: None,
            task: Some(attempt.task),
            attempts: Vec::new(),
            details: vec![shown.clone(); 20],
            log: vec![shown.clone(); 20],
            suggestion: shown.clone(),
            replay: Some("gristmill replay j1/m0#1".into()),
        };
        let status = JobStatus {
            id: JobId(1),
            name: shown.clone(),
            state: JobState::Failed,
            reason: String::new(),
            progress: 1.0,
            maps: tally,
            reduces: tally,
            output: "/out".into(),
            error: Some(shown.clone()),
            failure: None,
            submitted: String::new(),
            finished: None,
            version: 1,
        };
        Facts {
            status,
            why,
            cluster: "127.0.0.1:7400".into(),
            failures: (vec![failed; 32], 7),
            counters: vec![(foreign.to_owned(), foreign.to_owned(), "1".into()); 500],
            settings: vec![("Output".to_string(), shown); 30],
            workers: vec![worker; 2_000],
            sizes: sizes(foreign),
            made_ms: 0,
            until_ms: 0,
        }
    }

    #[test]
    fn report_is_one_bounded_file_and_text_of_users_stays_text() {
        let summary = large();
        let foreign = "<script src=http://x>&\"'".repeat(50);
        for foreign in ["no luck", &foreign] {
            let html = render(&facts(foreign), &summary, "1.2.3").unwrap();
            assert!(html.len() < MOST, "{}", html.len());
            assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
            for word in ["<script", "<a ", "</a>", "<link", " src=\"", "href", "url(", "@import"] {
                assert!(!html.contains(word), "{word}");
            }
            assert_eq!(html.matches("<svg class=\"timeline\"").count(), 1);
            assert_eq!(html.matches("<svg class=\"histogram\"").count(), 2);
            for word in ["prefers-color-scheme: dark", "gristmill replay j1/m0#1", " more.</p>"] {
                assert!(html.contains(word), "{word}");
            }
        }
        let few = render(&facts("no luck"), &summary, "1.2.3").unwrap();
        assert!(few.contains("Hottest keys") && few.contains("<td class=\"hot\">no luck</td>"));
        assert_eq!(few.matches("<h3>j1/m0#1 on w1: panic, ").count(), 32);
    }
}
