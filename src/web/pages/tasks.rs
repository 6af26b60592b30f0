//! Lists a job's tasks page by page, in the order of their ids or sorted by a column.

use std::cmp::Reverse;
use std::str::FromStr;

use askama::Template;
use axum::extract::{Path, RawQuery, State};

use super::page;
use super::words::{bytes, count, plain, span, time_of_day};
use crate::clock::parse_rfc3339;
use crate::master::Master;
use crate::model::{Cause, JobId, TaskId};
use crate::rpc::jobs::{Jobs, TaskLine, TasksRequest};
use crate::rpc::refusal::Refusal;
use crate::scheduler::{Attempt, Task};
use crate::web::Web;
use crate::web::answer::{Answer, cut};
use crate::web::query::{Query, id};

/// Tasks on a page.
const TASKS: u32 = 100;
/// Tasks that are read while the state is locked.
const TASKS_AT_ONCE: u32 = 4_096;

/// A column that tasks can be sorted by, the largest value first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Attempts,
    Took,
    Read,
    RecordsIn,
    Written,
    RecordsOut,
    Memory,
}

impl Sort {
    const ALL: [Self; 7] = [
        Self::Took,
        Self::Attempts,
        Self::Read,
        Self::RecordsIn,
        Self::Written,
        Self::RecordsOut,
        Self::Memory,
    ];

    /// Its name in addresses.
    fn word(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Took => "took",
            Self::Read => "read",
            Self::RecordsIn => "records_in",
            Self::Written => "written",
            Self::RecordsOut => "records_out",
            Self::Memory => "memory",
        }
    }

    /// Its heading.
    fn heading(self) -> &'static str {
        match self {
            Self::Attempts => "Attempts",
            Self::Took => "Took",
            Self::Read => "Read",
            Self::RecordsIn => "Records in",
            Self::Written => "Written",
            Self::RecordsOut => "Records out",
            Self::Memory => "Peak memory",
        }
    }

    /// The value that a task is sorted by.
    fn value(self, task: &Task, now_ms: u64) -> u64 {
        let usage = task.winner().map(|winner| winner.usage).unwrap_or_default();
        match self {
            Self::Attempts => u64::from(task.started()),
            Self::Took => shown_attempt(task).map_or(0, |attempt| took_ms(attempt, now_ms)),
            Self::Read => usage.bytes_in,
            Self::RecordsIn => usage.records_in,
            Self::Written => usage.bytes_out,
            Self::RecordsOut => usage.records_out,
            Self::Memory => usage.memory_bytes,
        }
    }
}

impl FromStr for Sort {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|sort| sort.word() == word).ok_or(())
    }
}

/// The attempt whose time is shown: the last one.
fn shown_attempt(task: &Task) -> Option<&Attempt> {
    task.attempts().last()
}

fn took_ms(attempt: &Attempt, now_ms: u64) -> u64 {
    attempt.ended_ms.unwrap_or(now_ms).saturating_sub(attempt.started_ms)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p class="crumbs"><a href="/jobs">Jobs</a> / <a href="/jobs/{{ job }}">{{ job }}</a></p>
<h1>Tasks of {{ job }}</h1>
<section>{% if rows.is_empty() %}<p class="soft">No tasks here.</p>{% else %}
<div class="scroll" tabindex="0" role="group" aria-label="Tasks"><table><thead><tr><th scope="col"{% if sort.is_none() %} aria-sort="ascending"{% endif %}><a href="/jobs/{{ job }}/tasks">Task</a></th><th scope="col" class="opt">Kind</th><th scope="col">State</th>{% for (word, heading, is_sorted) in columns %}<th scope="col" class="num"{% if is_sorted %} aria-sort="descending"{% endif %}><a href="/jobs/{{ job }}/tasks?sort={{ word }}">{{ heading }}</a></th>{% endfor %}<th scope="col">Worker</th><th scope="col">Started</th></tr></thead><tbody>
{% for row in rows %}<tr><td><a href="/jobs/{{ job }}/tasks/{{ row.task.id.kind.letter() }}{{ row.task.id.index }}">{{ row.task.id }}</a></td><td class="opt">{{ row.task.kind }}</td><td><span class="state {{ row.task.state }}">{{ self::plain(&row.task.state) }}</span>{% if !row.cause.is_empty() %} <span class="soft">{{ row.cause }}</span>{% endif %}</td><td class="num">{{ row.took }}</td><td class="num">{{ row.task.attempts_started }}</td><td class="num">{{ row.read }}</td><td class="num">{{ row.records_in }}</td><td class="num">{{ row.written }}</td><td class="num">{{ row.records_out }}</td><td class="num">{{ row.memory }}</td>{% if let Some(last) = row.task.attempts.last() %}<td><a href="/workers/{{ last.worker }}">{{ last.worker }}</a></td><td>{{ self::time_of_day(&last.started) }}</td>{% else %}<td></td><td></td>{% endif %}</tr>
{% endfor %}</tbody></table></div>{% endif %}{% if sort.is_some() %}<p class="soft">Largest first; tasks that have not started are left out. To sort by task, click Task.</p>{% endif %}
<p class="pages">{% if let Some(offset) = before %}<a href="/jobs/{{ job }}/tasks?{{ by }}offset={{ offset }}" rel="prev">Previous</a>{% endif %}{% if let Some(offset) = next %}<a href="/jobs/{{ job }}/tasks?{{ by }}offset={{ offset }}" rel="next">Next</a>{% endif %}</p></section>"#
)]
struct Tasks {
    job: JobId,
    rows: Vec<Row>,
    sort: Option<Sort>,
    /// Names in addresses and headings of the columns to sort by, and whether the tasks are sorted by it.
    columns: [(&'static str, &'static str, bool); Sort::ALL.len()],
    /// The order, as a part of an address.
    by: String,
    before: Option<u64>,
    next: Option<u64>,
}

/// A task, as it is shown.
struct Row {
    task: TaskLine,
    /// Why the last attempt did not succeed.
    cause: String,
    took: String,
    read: String,
    records_in: String,
    written: String,
    records_out: String,
    memory: String,
}

impl Row {
    fn of(task: TaskLine, now_ms: u64) -> Self {
        let took = task.attempts.last().and_then(|attempt| {
            let end_ms = attempt.ended.as_deref().map_or(Some(now_ms), parse_rfc3339)?;
            Some(span(end_ms.saturating_sub(parse_rfc3339(&attempt.started)?)))
        });
        let records = |n: u64| if n == 0 { String::new() } else { count(n) };
        let amount = |size: u64| if size == 0 { String::new() } else { bytes(size) };
        let usage = task.usage.unwrap_or_default();
        let cause = task.attempts.last().map(|attempt| attempt.cause);
        let cause = cause.filter(|cause| *cause != Cause::None).map(plain);
        Self {
            cause: cause.unwrap_or_default(),
            took: took.unwrap_or_default(),
            read: amount(usage.bytes_in),
            records_in: records(usage.records_in),
            written: amount(usage.bytes_out),
            records_out: records(usage.records_out),
            memory: amount(usage.memory_bytes),
            task,
        }
    }
}

/// `GET /jobs/j7/tasks?sort=took&offset=0`
pub(in crate::web) async fn tasks(
    State(web): State<Web>,
    Path(job): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let job: JobId = id(&job)?;
    let query = Query::read(query.as_deref(), &["offset", "sort"])?;
    let (offset, sort) = (query.get("offset")?.unwrap_or(0u64), query.get::<Sort>("sort")?);
    let now_ms = web.clock.wall_ms();
    // One task more than is shown tells whether there is a next page.
    let limit = TASKS + 1;
    let tasks = match sort {
        None => web.master.tasks(TasksRequest { job, offset, limit }).await?,
        Some(sort) => {
            web.master.confirm().await?;
            let ids = sorted(&web.master, job, sort, now_ms).await?;
            let first = usize::try_from(offset).unwrap_or(usize::MAX).min(ids.len());
            let shown: Vec<TaskId> = ids[first..].iter().take(limit as usize).copied().collect();
            web.master.task_lines(&shown)?
        }
    };
    let before = (offset > 0).then(|| offset.saturating_sub(TASKS.into()));
    let (tasks, has_next) = cut(tasks, TASKS as usize);
    let next = has_next.then(|| offset.saturating_add(TASKS.into()));
    let rows = tasks.into_iter().map(|task| Row::of(task, now_ms)).collect();
    let by = sort.map_or_else(String::new, |sort| format!("sort={}&", sort.word()));
    let columns = Sort::ALL.map(|it| (it.word(), it.heading(), sort == Some(it)));
    let body = Tasks { job, rows, sort, columns, by, before, next };
    page(&format!("Tasks of {job}"), &format!("/api/v1/jobs/{job}/events"), false, &body)
}

/// All tasks of a job that were started, the one with the largest value first.
async fn sorted(
    master: &Master,
    job: JobId,
    sort: Sort,
    now_ms: u64,
) -> Result<Vec<TaskId>, Refusal> {
    let (mut ranked, mut offset) = (Vec::new(), 0);
    loop {
        let seen = master.visit_tasks(job, offset, TASKS_AT_ONCE, |seen| {
            ranked.push((Reverse(sort.value(seen.task, now_ms)), ranked.len(), seen.id));
        })?;
        offset += u64::from(seen);
        if seen < TASKS_AT_ONCE {
            break;
        }
        tokio::task::yield_now().await;
    }
    // If tasks have the same value, the earlier one comes first.
    ranked.sort_unstable_by_key(|&(value, place, _)| (value, place));
    Ok(ranked.into_iter().map(|(_, _, id)| id).collect())
}
