//! Shows what a job consists of: its tasks, what they counted, what they printed.

use std::time::Duration;

use super::cluster::{Cluster, none};
use super::exit;
use super::refused::Refused;
use super::table::{Format, json, list, table};
use crate::launch::print;
use crate::rpc::client::{Master, Options, Peer};
use crate::rpc::jobs::{AttemptLine, Jobs, State, TaskLine, TasksRequest};
use crate::rpc::shuffle::Shuffle;
use crate::spec::{AttemptId, JobId, TaskId, WorkerId};

/// Tasks that are asked for at once.
const PAGE: u32 = 1_000;
/// Between two looks at a log that is followed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What `logs` is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The last attempt of each task.
    Job(JobId),
    /// The last attempt.
    Task(TaskId),
    /// This one.
    Attempt(AttemptId),
}

impl Which {
    /// Reads `j7`, `j7/m12` or `j7/m12#2`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read = if text.contains('#') {
            text.parse().map(Self::Attempt)
        } else if text.contains('/') {
            text.parse().map(Self::Task)
        } else {
            text.parse().map(Self::Job)
        };
        read.map_err(|error| error.to_string())
    }

    fn job(self) -> JobId {
        match self {
            Self::Job(job) => job,
            Self::Task(task) => task.job,
            Self::Attempt(attempt) => attempt.task.job,
        }
    }

    fn wants(self, task: TaskId) -> bool {
        match self {
            Self::Job(_) => true,
            Self::Task(wanted) => wanted == task,
            Self::Attempt(attempt) => attempt.task == task,
        }
    }
}

/// `gristmill tasks JOB`.
pub(super) fn tasks(cluster: &Cluster, job: JobId, format: Format) -> Result<u8, Refused> {
    let tasks = cluster.ask(async |master| all(&master, job).await)?;
    list(
        format,
        &tasks,
        &["TASK", "STATE", "ATTEMPT", "WORKER", "PID", "STATE", "CAUSE", "STARTED", "ENDED"],
        |tasks| tasks.iter().flat_map(rows).collect(),
    )
}

/// A line for each attempt; a task without any has one too.
fn rows(task: &TaskLine) -> Vec<Vec<String>> {
    let begin = || vec![task.id.to_string(), task.state.clone()];
    let attempt = |attempt: &AttemptLine| {
        let mut row = begin();
        row.extend([
            attempt.id.to_string(),
            attempt.worker.to_string(),
            attempt.pid.to_string(),
            attempt.state.clone(),
            attempt.cause.to_string(),
            attempt.started.clone(),
            attempt.ended.clone().unwrap_or_default(),
        ]);
        row
    };
    if task.attempts.is_empty() {
        vec![begin()]
    } else {
        task.attempts.iter().map(attempt).collect()
    }
}

async fn all(master: &Master, job: JobId) -> Result<Vec<TaskLine>, Refused> {
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

/// `gristmill counters JOB`.
pub(super) fn counters(cluster: &Cluster, job: JobId, format: Format) -> Result<u8, Refused> {
    let groups = cluster.ask(async |master| Ok(master.counters(job).await?))?;
    if format == Format::Json {
        return Ok(print(&json(&groups)?));
    }
    let rows: Vec<Vec<String>> = groups
        .iter()
        .flat_map(|(group, names)| {
            names.iter().map(|(name, n)| vec![group.clone(), name.clone(), n.to_string()])
        })
        .collect();
    Ok(print(&table(&["GROUP", "NAME", "COUNT"], &rows)))
}

/// `gristmill logs JOB[/TASK[#N]] [-f]`: what user code has printed, as it printed it.
pub(super) fn logs(cluster: &Cluster, which: Which, follow: bool) -> Result<u8, Refused> {
    cluster.ask(async |master| {
        let attempts = attempts(&master, which).await?;
        let Some(last) = attempts.last() else {
            return Err(none(&format!("no attempt yet; {}; try again later", shown(which))));
        };
        if follow {
            return follow_log(&master, last).await;
        }
        for attempt in &attempts {
            if attempts.len() > 1 {
                print(&format!("==> {} <==\n", attempt.id));
            }
            match read(&master, attempt).await {
                Ok(tail) => write(&tail),
                // One worker that is gone does not hide what the others have.
                Err(refused) if attempts.len() > 1 => {
                    refused.say();
                }
                Err(refused) => return Err(refused),
            }
        }
        Ok(exit::OK)
    })
}

fn shown(which: Which) -> String {
    match which {
        Which::Job(job) => job.to_string(),
        Which::Task(task) => task.to_string(),
        Which::Attempt(attempt) => attempt.to_string(),
    }
}

/// The attempts that are meant, in the order of their tasks.
async fn attempts(master: &Master, which: Which) -> Result<Vec<AttemptLine>, Refused> {
    let tasks = all(master, which.job()).await?;
    let mut wanted = tasks.into_iter().filter(|task| which.wants(task.id)).peekable();
    if wanted.peek().is_none() && !matches!(which, Which::Job(_)) {
        return Err(none(&format!(
            "no such task; {}; see `gristmill tasks {}`",
            shown(which),
            which.job()
        )));
    }
    let pick = |mut task: TaskLine| match which {
        Which::Attempt(id) => task.attempts.into_iter().find(|attempt| attempt.id == id),
        _ => task.attempts.pop(),
    };
    Ok(wanted.filter_map(pick).collect())
}

async fn read(master: &Master, attempt: &AttemptLine) -> Result<Vec<u8>, Refused> {
    let address = address(master, attempt.worker).await?;
    Ok(Peer::connect(&address, &Options::default()).log(attempt.id).await?)
}

async fn address(master: &Master, worker: WorkerId) -> Result<String, Refused> {
    let workers = master.workers().await?;
    let line = workers.into_iter().find(|line| line.id == worker);
    let gone = || {
        none(&format!(
            "{worker} is gone, and its logs with it; the cluster; see `gristmill workers`"
        ))
    };
    line.map(|line| line.address).ok_or_else(gone)
}

/// Prints what comes to the tail until the job has ended.
async fn follow_log(master: &Master, attempt: &AttemptLine) -> Result<u8, Refused> {
    let mut printed: Vec<u8> = Vec::new();
    loop {
        let state = master.status(attempt.id.task.job, 0).await?.state;
        let tail = read(master, attempt).await?;
        write(new_part(&printed, &tail));
        printed = tail;
        if matches!(state, State::Succeeded | State::Failed | State::Cancelled) {
            return Ok(exit::OK);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What a tail has beyond what was seen of it: logs are cut at their front when they grow too long.
fn new_part<'a>(seen: &[u8], tail: &'a [u8]) -> &'a [u8] {
    let overlaps = |&bytes: &usize| seen.ends_with(&tail[..bytes]);
    let most = seen.len().min(tail.len());
    let common = (0..=most).rev().find(overlaps).unwrap_or(0);
    &tail[common..]
}

/// Logs are the user's bytes, and go out as they are.
fn write(bytes: &[u8]) {
    use std::io::Write;
    // Who does not listen any more has seen enough.
    let _heard_or_not = std::io::stdout().lock().write_all(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TaskKind;

    #[test]
    fn logs_are_named_by_job_task_or_attempt() {
        let task = JobId(7).task(TaskKind::Map, 12);
        assert_eq!(Which::parse("j7"), Ok(Which::Job(JobId(7))));
        assert_eq!(Which::parse("j7/m12"), Ok(Which::Task(task)));
        assert_eq!(Which::parse("j7/m12#2"), Ok(Which::Attempt(task.attempt(2))));
        for text in ["", "7", "j7/", "j7#2", "j7/m12#0", "j7/../.."] {
            assert!(Which::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_new_of_a_log_is_printed() {
        let table: [(&[u8], &[u8], &[u8]); 5] = [
            (b"", b"ab", b"ab"),
            (b"ab", b"ab", b""),
            (b"ab", b"abcd", b"cd"),
            (b"abcd", b"cdef", b"ef"),
            (b"abcd", b"xy", b"xy"),
        ];
        for (seen, tail, new) in table {
            assert_eq!(new_part(seen, tail), new);
        }
    }
}
