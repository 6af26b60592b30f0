//! A job's tasks, a page at a time.

use askama::Template;
use axum::extract::{Path, RawQuery, State};

use super::page;
use super::words::clock;
use crate::rpc::jobs::{Jobs, TaskLine, TasksRequest};
use crate::spec::JobId;
use crate::web::Web;
use crate::web::answer::{Answer, cut};
use crate::web::query::{Query, id};

/// Tasks of a page.
const TASKS: u32 = 100;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/jobs">Jobs</a> / <a href="/jobs/{{ job }}">{{ job }}</a></p>
<h1>Tasks of {{ job }}</h1>
<section>{% if tasks.is_empty() %}<p class="soft">There are no tasks here.</p>{% else %}
<div class="scroll" tabindex="0" role="group" aria-label="Tasks"><table><thead><tr><th scope="col">Task</th><th scope="col">Kind</th><th scope="col">State</th><th scope="col" class="num">Attempts</th><th scope="col">Last on</th><th scope="col">Started</th><th scope="col">Ended</th><th scope="col">Cause</th></tr></thead><tbody>
{% for task in tasks %}<tr><td><a href="/jobs/{{ job }}/tasks/{{ task.id.kind.letter() }}{{ task.id.index }}">{{ task.id }}</a></td><td>{{ task.kind }}</td><td><span class="state {{ task.state }}">{{ task.state }}</span></td><td class="num">{{ task.attempts.len() }}</td>{% if let Some(last) = task.attempts.last() %}<td><a href="/workers/{{ last.worker }}">{{ last.worker }}</a></td><td>{{ self::clock(&last.started) }}</td><td>{% if let Some(at) = last.ended %}{{ self::clock(at) }}{% endif %}</td><td>{% if last.cause.to_string() != "none" %}{{ last.cause }}{% endif %}</td>{% else %}<td></td><td></td><td></td><td></td>{% endif %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
<p class="pages">{% if let Some(offset) = before %}<a href="/jobs/{{ job }}/tasks?offset={{ offset }}" rel="prev">Before</a>{% endif %}{% if let Some(offset) = next %}<a href="/jobs/{{ job }}/tasks?offset={{ offset }}" rel="next">Next</a>{% endif %}</p></section>"#
)]
struct Tasks<'p> {
    job: JobId,
    tasks: &'p [TaskLine],
    before: Option<u64>,
    next: Option<u64>,
}

/// `GET /jobs/j7/tasks?offset=0`
pub(in crate::web) async fn tasks(
    State(web): State<Web>,
    Path(job): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let job: JobId = id(&job)?;
    let offset = Query::read(query.as_deref(), &["offset"])?.get("offset")?.unwrap_or(0u64);
    // One more than is shown tells whether there is a next page.
    let tasks = web.master.tasks(TasksRequest { job, offset, limit: TASKS + 1 }).await?;
    let before = (offset > 0).then(|| offset.saturating_sub(TASKS.into()));
    let (tasks, has_next) = cut(tasks, TASKS as usize);
    let next = has_next.then(|| offset.saturating_add(TASKS.into()));
    let body = Tasks { job, tasks: &tasks, before, next };
    page(&format!("Tasks of {job}"), &format!("/api/v1/jobs/{job}/events"), false, &body)
}
