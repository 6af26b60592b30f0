//! Serves jobs, tasks, counters, workers and masters as the JSON that `gristmill` prints with `--format json`.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;

use super::Web;
use super::answer::{Answer, cut, json, page, text};
use super::query::{Query, id};
use crate::master::JobsPage;
use crate::model::{JobId, JobState, TaskId, WorkerId};
use crate::rpc::jobs::{Jobs, TasksRequest};
use crate::rpc::masters::Masters;
use crate::rpc::refusal::Refusal;

/// The path of all addresses here.
const ROOT: &str = "/api/v1";

/// The description for programs.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// `GET /api/v1/jobs?after=j7&limit=100&state=mapping`
pub(super) async fn jobs(State(web): State<Web>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref(), &["after", "limit", "state"])?;
    let (after, limit) = (query.get("after")?.unwrap_or(JobId(0)), query.limit()?);
    let state: Option<JobState> = query.get::<String>("state")?.as_deref().map(id).transpose()?;
    let jobs = web.master.jobs_page(JobsPage { after, limit: limit + 1, state }).await?;
    let (jobs, has_next) = cut(jobs, limit);
    let next = jobs.last().filter(|_| has_next).map(|last| {
        let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
        format!("{ROOT}/jobs?after={}&limit={limit}{state}", last.id)
    });
    page(&jobs, next)
}

/// `GET /api/v1/jobs/j7`
pub(super) async fn job(State(web): State<Web>, Path(job): Path<String>) -> Answer {
    // A version of 0 is always older, so the answer comes at once.
    json(&web.master.status(id(&job)?, 0).await?)
}

/// `GET /api/v1/jobs/j7/why`
pub(super) async fn why(State(web): State<Web>, Path(job): Path<String>) -> Answer {
    json(&web.master.why(id(&job)?).await?)
}

/// `GET /api/v1/jobs/j7/tasks?offset=0&limit=100`
pub(super) async fn tasks(
    State(web): State<Web>,
    Path(job): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let job: JobId = id(&job)?;
    let query = Query::read(query.as_deref(), &["offset", "limit"])?;
    let (offset, lines) = (query.get("offset")?.unwrap_or(0u64), query.limit()?);
    // At most a thousand.
    let limit = lines as u32;
    let tasks = web.master.tasks(TasksRequest { job, offset, limit: limit + 1 }).await?;
    let (tasks, has_next) = cut(tasks, lines);
    let next = has_next.then(|| offset.saturating_add(u64::from(limit)));
    let next = next.map(|next| format!("{ROOT}/jobs/{job}/tasks?offset={next}&limit={limit}"));
    page(&tasks, next)
}

/// `GET /api/v1/jobs/j7/tasks/m12`
pub(super) async fn task(
    State(web): State<Web>,
    Path((job, task)): Path<(String, String)>,
) -> Answer {
    let task: TaskId = id(&format!("{job}/{task}"))?;
    json(&web.master.task(task).await?)
}

/// `GET /api/v1/jobs/j7/counters`
pub(super) async fn counters(State(web): State<Web>, Path(job): Path<String>) -> Answer {
    json(&web.master.counters(id(&job)?).await?)
}

/// `GET /api/v1/workers?offset=0&limit=100`
pub(super) async fn workers(State(web): State<Web>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::read(query.as_deref(), &["offset", "limit"])?;
    let (offset, limit) = (query.get("offset")?.unwrap_or(0usize), query.limit()?);
    let all = web.master.workers().await?;
    let (_, rest) = all.split_at(offset.min(all.len()));
    let next = (rest.len() > limit)
        .then(|| format!("{ROOT}/workers?offset={}&limit={limit}", offset + limit));
    page(&rest[..limit.min(rest.len())], next)
}

/// `GET /api/v1/workers/w4`
pub(super) async fn worker(State(web): State<Web>, Path(worker): Path<String>) -> Answer {
    let worker: WorkerId = id(&worker)?;
    let all = web.master.workers().await?;
    let found = all.iter().find(|line| line.id == worker);
    let none = || Refusal::NotFound { message: format!("no worker {worker}") };
    json(found.ok_or_else(none)?)
}

/// `GET /api/v1/masters`
pub(super) async fn masters(State(web): State<Web>) -> Answer {
    json(&web.master.masters().await?.masters)
}

/// `GET /api/v1/openapi.json`
pub(super) async fn openapi() -> Response {
    text("application/json", OPENAPI)
}
