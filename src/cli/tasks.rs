//! `gristmill tasks` and `counters`: list a job's tasks and attempts, and its counters.

use super::cluster::Cluster;
use super::refused::Refused;
use super::table::Column::{State as Stand, Text, Whole};
use super::table::{Column, Format, list};
use crate::model::JobId;
use crate::rpc::client::Master;
use crate::rpc::jobs::{AttemptLine, Jobs, TaskLine, TasksRequest};

/// Tasks per request.
pub(super) const PAGE: u32 = 1_000;

const HEAD: [Column; 9] = [
    Whole("TASK"),
    Stand("STATE"),
    Whole("ATTEMPT"),
    Whole("WORKER"),
    Whole("PID"),
    Stand("ATTEMPT STATE"),
    Whole("CAUSE"),
    Whole("STARTED"),
    Whole("ENDED"),
];

/// Runs `gristmill tasks JOB`.
pub(super) fn tasks(cluster: &Cluster, job: JobId, format: Format) -> Result<u8, Refused> {
    let tasks = cluster.ask(async |master| all(&master, job).await)?;
    list(format, &tasks, &HEAD, |tasks| tasks.iter().flat_map(rows).collect())
}

/// Returns one row per attempt, and one for attempts that are no longer kept. A task without attempts has one row too.
fn rows(task: &TaskLine) -> Vec<Vec<String>> {
    let begin = || vec![task.id.to_string(), task.state.to_string()];
    let attempt = |attempt: &AttemptLine| {
        let mut row = begin();
        row.extend([
            attempt.id.to_string(),
            attempt.worker.to_string(),
            attempt.pid.to_string(),
            attempt.state.to_string(),
            attempt.cause.to_string(),
            attempt.started.clone(),
            attempt.ended.clone().unwrap_or_default(),
        ]);
        row
    };
    let mut rows: Vec<_> = task.attempts.iter().map(attempt).collect();
    let earlier = u64::from(task.attempts_started).saturating_sub(task.attempts.len() as u64);
    if rows.is_empty() || earlier > 0 {
        let mut row = begin();
        row.extend((earlier > 0).then(|| format!("{earlier} earlier")));
        rows.insert(0, row);
    }
    rows
}

/// Requests all tasks of a job, in order.
pub(super) async fn all(master: &Master, job: JobId) -> Result<Vec<TaskLine>, Refused> {
    let mut tasks = Vec::new();
    loop {
        let page = TasksRequest { job, offset: tasks.len() as u64, limit: PAGE };
        let more = master.tasks(page).await?;
        if more.is_empty() {
            return Ok(tasks);
        }
        tasks.extend(more);
    }
}

/// Runs `gristmill counters JOB`.
pub(super) fn counters(cluster: &Cluster, job: JobId, format: Format) -> Result<u8, Refused> {
    let groups = cluster.ask(async |master| Ok(master.counters(job).await?))?;
    list(format, &groups, &[Text("GROUP"), Text("NAME"), Whole("COUNT")], |groups| {
        let row = |group: &String, (name, n): (&String, &u64)| {
            vec![group.clone(), name.clone(), n.to_string()]
        };
        groups.iter().flat_map(|(group, names)| names.iter().map(|it| row(group, it))).collect()
    })
}
