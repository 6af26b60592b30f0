//! The page of a task: what it read, wrote and used, its attempts and failures, its input, and its log.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};

use super::chart::Links;
use super::words::{bytes, clock, count, plain, plural, rate, span};
use super::{chart, page};
use crate::clock::parse_rfc3339;
use crate::model::{
    AttemptId, AttemptState, Cause, Split, TEXT_CHARS_MAX, TaskId, TaskKind, WorkerId, escape,
    escape_hint, escape_what,
};
use crate::offload::offload;
use crate::rpc::client::{Options, Peer};
use crate::rpc::jobs::{AttemptLine, Jobs, TaskLine};
use crate::rpc::shuffle::Shuffle;
use crate::scheduler::Failed;
use crate::task::PlanFile;
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::id;
use crate::web::summary::{Bar, Summary};

/// How long a worker may take to send a log.
const LOG_WITHIN: Duration = Duration::from_secs(2);
/// Lines of a log that are shown, the last ones.
const LINES_MAX: usize = 200;
/// Files of a split that are named.
const RANGES_MAX: usize = 50;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/jobs">Jobs</a> / <a href="/jobs/{{ id.job }}">{{ id.job }}</a> / <a href="/jobs/{{ id.job }}/tasks">tasks</a></p>
<h1>{{ task.id }} <span class="state {{ task.state }}">{{ self::plain(&task.state) }}</span></h1>
{% if let Some(leader) = leader %}<p class="lead">This task ran in the attempts of <a href="/jobs/{{ id.job }}/tasks/m{{ leader }}">{{ id.job }}/m{{ leader }}</a>, which has the log, and the numbers of both.</p>{% endif %}
{% if !tiles.is_empty() %}<div class="tiles{% if tiles.len() > 4 %} eight{% endif %}">{% for (value, name) in tiles %}<div><b>{{ value }}</b>{{ name }}</div>{% endfor %}</div>{% endif %}
{% for failure in failures %}<section class="bad"><h2>{{ failure.attempt }} failed on {{ failure.worker }}</h2><pre>{{ failure.text }}</pre>{% if !failure.log.is_empty() %}<h3>Last output</h3><pre class="log" tabindex="0" role="group" aria-label="Log of {{ failure.attempt }}">{{ failure.log }}</pre>{% endif %}</section>
{% endfor %}{% if let Some(replay) = replay %}<section><h2>Next steps</h2><p>Run the newest failed attempt again in a terminal: <code>{{ replay }}</code></p></section>{% endif %}
<section><h2>Attempts</h2>
{% if task.attempts.is_empty() %}<p class="soft">No attempts yet.</p>{% else %}
{% if !timeline.is_empty() %}<div class="scroll" tabindex="0" role="group" aria-label="Timeline">{{ timeline|safe }}</div>{% endif %}
<div class="scroll" tabindex="0" role="group" aria-label="Attempts"><table><thead><tr><th scope="col">Attempt</th><th scope="col">State</th><th scope="col">Cause</th><th scope="col">Worker</th><th scope="col" class="num">PID</th><th scope="col" class="num">Took</th><th scope="col">Started</th><th scope="col">Ended</th></tr></thead><tbody>
{% for attempt in task.attempts %}<tr><td>{{ attempt.id }}</td><td><span class="state {{ attempt.state }}">{{ attempt.state }}</span></td><td>{% if attempt.cause != Cause::None %}{{ self::plain(attempt.cause) }}{% endif %}</td><td><a href="/workers/{{ attempt.worker }}">{{ attempt.worker }}</a></td><td class="num">{% if attempt.pid > 0 %}{{ attempt.pid }}{% endif %}</td><td class="num">{{ self::took(attempt, *now_ms) }}</td><td>{{ self::clock(&attempt.started) }}</td><td>{% if let Some(at) = attempt.ended %}{{ self::clock(at) }}{% endif %}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}</section>
{% if !input.is_empty() %}<section><h2>Input</h2><p>{{ input }}</p>
<div class="scroll" tabindex="0" role="group" aria-label="Input"><table><thead><tr><th scope="col">File</th><th scope="col" class="num">From byte</th><th scope="col" class="num">To byte</th></tr></thead><tbody>
{% for (file, from, to) in ranges %}<tr><td class="wide">{{ file }}</td><td class="num">{{ from }}</td><td class="num">{{ to }}</td></tr>
{% endfor %}</tbody></table></div></section>{% endif %}
<section><h2>Log{% if let Some(last) = task.attempts.last() %} of {{ last.id }}{% endif %}</h2>
{% match log %}{% when Ok(log) %}{% if log.is_empty() %}<p class="soft">No output.</p>{% else %}<pre class="log" tabindex="0" role="group" aria-label="Log">{{ log }}</pre>{% endif %}{% when Err(why) %}<p class="soft">{{ why }}</p>{% endmatch %}</section>"#
)]
struct One<'p> {
    id: TaskId,
    task: &'p TaskLine,
    /// The map in whose attempts the task ran, if it did not have its own.
    leader: Option<u32>,
    /// What the task has read, written and used: values and their names.
    tiles: Vec<(String, &'static str)>,
    /// Its failed attempts, the newest first.
    failures: Vec<FailureRow>,
    /// The command that runs the newest failed attempt again.
    replay: Option<String>,
    now_ms: u64,
    timeline: String,
    /// Its input, in a few words and by file.
    input: String,
    ranges: Vec<(String, String, String)>,
    /// The last lines, or why there are none.
    log: Result<String, String>,
}

/// A failed attempt.
struct FailureRow {
    attempt: AttemptId,
    worker: WorkerId,
    text: String,
    log: String,
}

impl FailureRow {
    fn of(failed: &Failed) -> Self {
        let (shown, failure) = (|text: &[u8]| escape(text, TEXT_CHARS_MAX), &failed.failure);
        let at = failure.at.as_ref().map(|at| format!(" at {}", shown(at.as_bytes())));
        let mut lines = vec![format!("{}{}", plain(failure.cause), at.unwrap_or_default())];
        lines.push(shown(escape_what(&failure.message).as_bytes()));
        lines.extend(escape_hint(&failure.message).map(|hint| format!("hint: {hint}")));
        if let Some(record) = &failure.record {
            let excerpt = shown(&record.excerpt);
            let (offset, location) = (record.offset, &record.location);
            lines.push(format!("record at byte {offset} of {location}: {excerpt}"));
        }
        lines.extend(failure.details.iter().map(|detail| shown(detail.as_bytes())));
        let log: Vec<String> = failure.log.iter().map(|line| shown(line.as_bytes())).collect();
        let (attempt, worker) = (failed.attempt, failed.worker);
        Self { attempt, worker, text: lines.join("\n"), log: log.join("\n") }
    }
}

/// `GET /jobs/j7/tasks/m12`
pub(in crate::web) async fn task(
    State(web): State<Web>,
    Path((job, task)): Path<(String, String)>,
) -> Answer {
    let id: TaskId = id(&format!("{job}/{task}"))?;
    let task = web.master.task(id).await?;
    let facts = web.master.facts(id.job)?;
    let (failures, _) = web.master.failures(id.job, Some(id))?;
    let (timeline, leader) = timeline(&web, id).await;
    let split = match (id.kind, facts.plan) {
        (TaskKind::Map, Some(plan)) => match web.master.artifact(plan).await {
            Some(path) => split(path, id.index).await,
            None => None,
        },
        _ => None,
    };
    let (now_ms, cluster) = (web.clock.wall_ms(), web.master.addresses());
    let replay =
        |failed: &Failed| format!("gristmill replay {} --cluster {cluster}", failed.attempt);
    let body = One {
        id,
        leader,
        tiles: tiles(&task, now_ms),
        now_ms,
        replay: failures.last().filter(|_| id.kind != TaskKind::Commit).map(replay),
        failures: failures.iter().rev().map(FailureRow::of).collect(),
        timeline,
        input: split.as_ref().map(input).unwrap_or_default(),
        ranges: split.as_ref().map(ranges).unwrap_or_default(),
        log: log(&web, task.attempts.last()).await,
        task: &task,
    };
    let is_running = task.attempts.iter().any(|attempt| attempt.ended.is_none());
    page(&id.to_string(), &format!("/api/v1/jobs/{}/events", id.job), is_running, &body)
}

/// What a map reads; `None` if the plan cannot be read here. The worker that runs the map reports why.
async fn split(plan: std::path::PathBuf, map: u32) -> Option<Split> {
    let read = move || PlanFile::open(&plan).and_then(|plan| plan.split(map)).ok();
    offload(read).await.ok().flatten()
}

/// How long an attempt took, or has run so far.
fn took_ms(attempt: &AttemptLine, now_ms: u64) -> Option<u64> {
    let end_ms = attempt.ended.as_deref().map_or(Some(now_ms), parse_rfc3339)?;
    Some(end_ms.saturating_sub(parse_rfc3339(&attempt.started)?))
}

fn took(attempt: &AttemptLine, now_ms: u64) -> String {
    took_ms(attempt, now_ms).map_or_else(String::new, span)
}

/// What the task has read, written and used, as far as it is known.
fn tiles(task: &TaskLine, now_ms: u64) -> Vec<(String, &'static str)> {
    let mut tiles = Vec::new();
    let shown = task.attempts.iter().find(|attempt| attempt.state == AttemptState::Succeeded);
    let took_ms = shown.or(task.attempts.last()).and_then(|attempt| took_ms(attempt, now_ms));
    let is_running = task.attempts.last().is_some_and(|attempt| attempt.ended.is_none());
    let name = if is_running && shown.is_none() { "running so far" } else { "duration" };
    tiles.extend(took_ms.map(|ms| (span(ms), name)));
    let attempts = u64::from(task.attempts_started);
    if attempts > 1 {
        tiles.push((count(attempts), "attempts"));
    }
    let Some(usage) = task.usage else { return tiles };
    let is_work = matches!(task.kind.as_str(), "map" | "reduce");
    if !is_work {
        return tiles;
    }
    tiles.push((bytes(usage.bytes_in), "read"));
    tiles.push((count(usage.records_in), "records in"));
    tiles.push((bytes(usage.bytes_out), "written"));
    tiles.push((count(usage.records_out), "records out"));
    let rate = rate(usage.bytes_in, took_ms.unwrap_or(0));
    if !rate.is_empty() {
        tiles.push((rate, "read rate"));
    }
    tiles.push((count(usage.spills), plural(usage.spills, "spill file", "spill files")));
    if usage.memory_bytes > 0 {
        tiles.push((bytes(usage.memory_bytes), "peak memory"));
    }
    tiles
}

fn input(split: &Split) -> String {
    let files = split.ranges.len();
    let shown = if files > RANGES_MAX {
        format!(". The first {RANGES_MAX} are listed below")
    } else {
        String::new()
    };
    format!(
        "{} from {files} {}{shown}.",
        bytes(split.bytes()),
        if files == 1 { "file" } else { "files" }
    )
}

fn ranges(split: &Split) -> Vec<(String, String, String)> {
    let end = |end: u64| if end == u64::MAX { "end".to_string() } else { count(end) };
    let shown = split.ranges.iter().take(RANGES_MAX);
    shown.map(|range| (range.location.to_string(), count(range.start), end(range.end))).collect()
}

/// The attempts against the whole time of their job, and the map in whose attempts the task ran, if it joined one.
async fn timeline(web: &Web, id: TaskId) -> (String, Option<u32>) {
    let Ok(summary) = web.summaries.of(&web.master, id.job).await else {
        return (String::new(), None);
    };
    let (mut bars, mut leader) = (Vec::new(), None);
    let looked = web.master.visit_task(id, |task, led_by| {
        leader = led_by;
        for attempt in task.attempts() {
            let (worker, state) = (attempt.worker, attempt.state);
            let begin_ms = attempt.started_ms.max(summary.begin_ms);
            let end_ms = attempt.ended_ms.unwrap_or(summary.end_ms).max(begin_ms);
            let class = Summary::class(id.kind, state);
            let id = id.attempt(attempt.number);
            bars.push(Bar { id, worker, class, state, begin_ms, end_ms });
        }
    });
    let is_some = looked.is_ok() && !bars.is_empty();
    let drawn = is_some.then(|| chart::one_by_one(&summary, &bars, Links::Yes));
    (drawn.unwrap_or_default(), leader)
}

/// The last lines that an attempt has printed.
async fn log(web: &Web, attempt: Option<&AttemptLine>) -> Result<String, String> {
    let Some(attempt) = attempt else { return Ok(String::new()) };
    let workers = web.master.workers().await.map_err(|refusal| refusal.to_string())?;
    let worker = workers.into_iter().find(|line| line.id == attempt.worker);
    let gone = || format!("the log was lost with worker {}", attempt.worker);
    let address = worker.ok_or_else(gone)?.facts.address;
    let options = Options { answer: LOG_WITHIN, ..Options::default() };
    let tail = Peer::connect(&address, &options).log(attempt.runs_as).await;
    let tail = tail.map_err(|refusal| refusal.to_string())?;
    let lines: Vec<&[u8]> = tail.split(|&byte| byte == b'\n').collect();
    let lines = lines.strip_suffix(&[&b""[..]]).unwrap_or(&lines);
    let last = &lines[lines.len().saturating_sub(LINES_MAX)..];
    let shown: Vec<String> = last.iter().map(|line| escape(line, 10 * TEXT_CHARS_MAX)).collect();
    Ok(shown.join("\n"))
}
