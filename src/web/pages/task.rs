//! One task: its attempts, what it reads, why it failed, and the last that it printed.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};

use super::words::bytes;
use super::{chart, page};
use crate::offload::offload;
use crate::rpc::client::{Options, Peer};
use crate::rpc::jobs::{AttemptLine, Jobs, TaskLine};
use crate::rpc::shuffle::Shuffle;
use crate::spec::failure::TEXT_CHARS_MAX;
use crate::spec::{Split, TaskId, TaskKind, escape};
use crate::task::PlanFile;
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::id;
use crate::web::summary::{Bar, Summary};

/// How long a worker may take to send a log.
const LOG_WITHIN: Duration = Duration::from_secs(2);
/// Lines of a log that are shown, the last ones, and of a failure's details.
const LINES_MAX: usize = 200;
/// Files of a split that are named.
const RANGES_MAX: usize = 50;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/jobs">Jobs</a> / <a href="/jobs/{{ id.job }}">{{ id.job }}</a> / <a href="/jobs/{{ id.job }}/tasks">tasks</a></p>
<h1>{{ task.id }} <span class="state {{ task.state }}">{{ task.state }}</span></h1>
{% if !error.is_empty() %}<section class="bad"><h2>Why it failed</h2><pre>{{ error }}</pre></section>{% endif %}
<section><h2>Attempts</h2>
{% if task.attempts.is_empty() %}<p class="soft">None yet.</p>{% else %}
{% if !timeline.is_empty() %}<div class="scroll" tabindex="0" role="group" aria-label="Timeline">{{ timeline|safe }}</div>{% endif %}
<div class="scroll" tabindex="0" role="group" aria-label="Attempts"><table><thead><tr><th scope="col">Attempt</th><th scope="col">State</th><th scope="col">Cause</th><th scope="col">Worker</th><th scope="col" class="num">Process</th><th scope="col">Started</th><th scope="col">Ended</th></tr></thead><tbody>
{% for attempt in task.attempts %}<tr><td>{{ attempt.id }}</td><td><span class="state {{ attempt.state }}">{{ attempt.state }}</span></td><td>{{ attempt.cause }}</td><td><a href="/workers/{{ attempt.worker }}">{{ attempt.worker }}</a></td><td class="num">{{ attempt.pid }}</td><td>{{ attempt.started }}</td><td>{% if let Some(at) = attempt.ended %}{{ at }}{% endif %}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}</section>
{% if !input.is_empty() %}<section><h2>Input</h2><p>{{ input }}</p>
<div class="scroll" tabindex="0" role="group" aria-label="Input"><table><thead><tr><th scope="col">File</th><th scope="col" class="num">From byte</th><th scope="col" class="num">To byte</th></tr></thead><tbody>
{% for (file, from, to) in ranges %}<tr><td class="wide">{{ file }}</td><td class="num">{{ from }}</td><td class="num">{{ to }}</td></tr>
{% endfor %}</tbody></table></div></section>{% endif %}
<section><h2>Log{% if let Some(last) = task.attempts.last() %} of {{ last.id }}{% endif %}</h2>
{% match log %}{% when Ok(log) %}{% if log.is_empty() %}<p class="soft">Nothing was printed.</p>{% else %}<pre class="log" tabindex="0" role="group" aria-label="Log">{{ log }}</pre>{% endif %}{% when Err(why) %}<p class="soft">{{ why }}</p>{% endmatch %}</section>"#
)]
struct One<'p> {
    id: TaskId,
    task: &'p TaskLine,
    error: String,
    timeline: String,
    /// What it reads, in a few words and by file.
    input: String,
    ranges: Vec<(String, u64, String)>,
    /// The last lines, or why there are none.
    log: Result<String, String>,
}

/// `GET /jobs/j7/tasks/m12`
pub(in crate::web) async fn task(
    State(web): State<Web>,
    Path((job, task)): Path<(String, String)>,
) -> Answer {
    let id: TaskId = id(&format!("{job}/{task}"))?;
    let task = web.master.task(id).await?;
    let facts = web.master.facts(id.job)?;
    let failure = facts.failure.filter(|(attempt, _)| attempt.task == id);
    let error = failure.map(|(attempt, failure)| {
        let mut lines = vec![format!("{attempt}: {}", failure.cause)];
        lines.extend(failure.at.map(|at| escape(at.as_bytes(), TEXT_CHARS_MAX)));
        lines.push(escape(failure.message.as_bytes(), TEXT_CHARS_MAX));
        if let Some(record) = failure.record {
            let excerpt = escape(&record.excerpt, TEXT_CHARS_MAX);
            lines.push(format!(
                "record at byte {} of {}: {excerpt}",
                record.offset, record.location
            ));
        }
        let details = failure.details.iter().take(LINES_MAX);
        lines.extend(details.map(|detail| escape(detail.as_bytes(), TEXT_CHARS_MAX)));
        lines.join("\n")
    });
    let split = match (id.kind, facts.plan) {
        (TaskKind::Map, Some(plan)) => match web.master.artifact(plan).await {
            Some(path) => split(path, id.index).await,
            None => None,
        },
        _ => None,
    };
    let body = One {
        id,
        error: error.unwrap_or_default(),
        timeline: timeline(&web, id).await,
        input: split.as_ref().map(input).unwrap_or_default(),
        ranges: split.as_ref().map(ranges).unwrap_or_default(),
        log: log(&web, task.attempts.last()).await,
        task: &task,
    };
    let is_running = task.attempts.iter().any(|attempt| attempt.ended.is_none());
    page(&id.to_string(), &format!("/api/v1/jobs/{}/events", id.job), is_running, &body)
}

/// What a map reads; a plan that cannot be read is the business of who runs it.
async fn split(plan: std::path::PathBuf, map: u32) -> Option<Split> {
    let read = move || PlanFile::open(&plan).and_then(|plan| plan.split(map)).ok();
    offload(read).await.ok().flatten()
}

fn input(split: &Split) -> String {
    let files = split.ranges.len();
    let shown = if files > RANGES_MAX {
        format!(", of which {RANGES_MAX} are named")
    } else {
        String::new()
    };
    format!(
        "{} of {files} {}{shown}.",
        bytes(split.bytes()),
        if files == 1 { "file" } else { "files" }
    )
}

fn ranges(split: &Split) -> Vec<(String, u64, String)> {
    let end = |end: u64| if end == u64::MAX { "its end".to_string() } else { end.to_string() };
    let shown = split.ranges.iter().take(RANGES_MAX);
    shown.map(|range| (range.location.to_string(), range.start, end(range.end))).collect()
}

/// The attempts against the whole time of their job.
async fn timeline(web: &Web, id: TaskId) -> String {
    let Ok(summary) = web.summaries.of(&web.master, id.job).await else { return String::new() };
    let mut bars = Vec::new();
    let looked = web.master.look_at_task(id, |task| {
        for attempt in task.attempts() {
            let (worker, state) = (attempt.worker, attempt.state);
            let begin_ms = attempt.started_ms.max(summary.begin_ms);
            let end_ms = attempt.ended_ms.unwrap_or(summary.end_ms).max(begin_ms);
            let class = Summary::class(id.kind, state);
            let id = id.attempt(attempt.number);
            bars.push(Bar { id, worker, class, state, begin_ms, end_ms });
        }
    });
    if looked.is_err() || bars.is_empty() {
        String::new()
    } else {
        chart::one_by_one(&summary, &bars)
    }
}

/// The end of what an attempt has printed, as text.
async fn log(web: &Web, attempt: Option<&AttemptLine>) -> Result<String, String> {
    let Some(attempt) = attempt else { return Ok(String::new()) };
    let workers = web.master.workers().await.map_err(|refusal| refusal.to_string())?;
    let worker = workers.into_iter().find(|line| line.id == attempt.worker);
    let gone = || format!("{} is gone, and its logs with it", attempt.worker);
    let address = worker.ok_or_else(gone)?.address;
    let options = Options { answer: LOG_WITHIN, ..Options::default() };
    let tail = Peer::connect(&address, &options).log(attempt.id).await;
    let tail = tail.map_err(|refusal| refusal.to_string())?;
    let lines: Vec<&[u8]> = tail.split(|&byte| byte == b'\n').collect();
    let lines = lines.strip_suffix(&[&b""[..]]).unwrap_or(&lines);
    let last = &lines[lines.len().saturating_sub(LINES_MAX)..];
    let shown: Vec<String> = last.iter().map(|line| escape(line, 10 * TEXT_CHARS_MAX)).collect();
    Ok(shown.join("\n"))
}
