//! `gristmill logs JOB[/TASK[#N]] [-f]`: prints the output of user code.

mod follow;
mod out;

use std::collections::BTreeMap;

use tokio::signal::ctrl_c;

use self::follow::Following;
use self::out::Out;
use super::cluster::{Cluster, none};
use super::exit;
use super::refused::Refused;
use super::tasks::all;
use crate::launch::{STDOUT_HINT, say, stdout_failed};
use crate::model::{AttemptId, AttemptState, JobId, TaskId, WorkerId};
use crate::rpc::client::{Master, Options, Peer};
use crate::rpc::jobs::{AttemptLine, Jobs, TaskLine, WorkerLine};
use crate::rpc::shuffle::Shuffle;

pub(super) const AFTER_HELP: &str = "\
For each attempt, the first and the last 64 KiB of output are kept. For a job,
the last attempt of each task is shown, below a line `==> j7/m12#1 <==` if
there are several; attempts without output are left out. Workers keep the
logs: when a worker is gone, so are its logs. A pipe or a file receives the
bytes unchanged; a terminal shows control characters as \\x1b and the like.

With --follow, new output is printed until the job ends (exit 0) or Ctrl-C
(exit 130). The command continues after a change of the leading master or the
loss of a worker.

Example: gristmill logs -f j7";

/// The job, task or attempt whose logs are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The last attempt of each task.
    Job(JobId),
    /// The last attempt.
    Task(TaskId),
    /// This attempt.
    Attempt(AttemptId),
}

impl Which {
    /// Parses `j7`, `j7/m12` or `j7/m12#2`.
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

/// Runs `gristmill logs`: prints the output of user code unchanged.
pub(super) fn logs(cluster: &Cluster, which: Which, follow: bool) -> Result<u8, Refused> {
    cluster.ask(async |master| {
        let mut out = match Out::stdout() {
            Ok(out) => out,
            Err(error) => return Ok(stdout_failed(&error, STDOUT_HINT)),
        };
        if follow {
            let mut following = Following::new(&master, which, out);
            return tokio::select! {
                followed = following.run() => followed,
                // If signals cannot be handled here, they end the process as usual.
                Ok(()) = ctrl_c() => Ok(exit::INTERRUPTED),
            };
        }
        let attempts = attempts(&master, which).await?;
        if attempts.is_empty() {
            let what = match which {
                Which::Attempt(_) => "attempt not found",
                _ => "no attempt has started",
            };
            return Err(none(&format!(
                "{what}: {}\nhint: run `gristmill tasks {}`",
                shown(which),
                which.job()
            )));
        }
        let workers = master.workers().await?;
        let is_one = attempts.len() == 1;
        let mut missing = Missing::default();
        for attempt in &attempts {
            let printed = match read(&workers, attempt).await {
                Ok(log) if is_one => out.print(&log),
                Err(refused) if is_one => return Err(refused),
                // In large jobs, few tasks print anything.
                Ok(log) if log.is_empty() => Ok(()),
                Ok(log) => out.print_of(attempt.id, &log),
                // One missing worker does not hide the logs of the others.
                Err(refused) => {
                    missing.note(attempt, &refused);
                    Ok(())
                }
            };
            if let Err(error) = printed.and_then(|()| out.end()) {
                return Ok(stdout_failed(&error, STDOUT_HINT));
            }
        }
        missing.say();
        Ok(exit::OK)
    })
}

/// Logs of a job that cannot be shown, with one line for each reason rather than for each attempt.
#[derive(Debug, Default)]
struct Missing {
    reasons: BTreeMap<String, (AttemptId, usize)>,
}

impl Missing {
    fn note(&mut self, attempt: &AttemptLine, refused: &Refused) {
        let is_unkept = refused.code == exit::NOT_FOUND;
        // The attempt was cancelled before it began.
        if is_unkept && attempt.state == AttemptState::Killed {
            return;
        }
        // A worker's message names the attempt; without its id, equal reasons are counted together.
        let reason = refused.message.line.replace(&attempt.runs_as.to_string(), "this attempt");
        self.reasons.entry(reason).or_insert((attempt.id, 0)).1 += 1;
    }

    fn lines(&self) -> Vec<String> {
        let line = |(reason, (first, count)): (&String, &(AttemptId, usize))| match count {
            1 => format!("note: no log of {first}: {reason}"),
            _ => format!("note: no log of {count} attempts, such as {first}: {reason}"),
        };
        self.reasons.iter().map(line).collect()
    }

    fn say(&self) {
        self.lines().iter().for_each(|line| say(&format!("{line}\n")));
    }
}

fn shown(which: Which) -> String {
    match which {
        Which::Job(job) => job.to_string(),
        Which::Task(task) => task.to_string(),
        Which::Attempt(attempt) => attempt.to_string(),
    }
}

/// Returns the selected attempts, in the order of their tasks.
async fn attempts(master: &Master, which: Which) -> Result<Vec<AttemptLine>, Refused> {
    let tasks = all(master, which.job()).await?;
    let mut wanted = tasks.into_iter().filter(|task| which.wants(task.id)).peekable();
    if wanted.peek().is_none() && !matches!(which, Which::Job(_)) {
        return Err(no_task(which));
    }
    let pick = |mut task: TaskLine| match which {
        Which::Attempt(id) => task.attempts.into_iter().find(|attempt| attempt.id == id),
        _ => task.attempts.pop(),
    };
    Ok(wanted.filter_map(pick).filter(|attempt| has_own(which, attempt)).collect())
}

/// Whether an attempt's log is shown. In a whole job, a shared log is shown only once, not for each joined map.
fn has_own(which: Which, attempt: &AttemptLine) -> bool {
    attempt.runs_as == attempt.id || !matches!(which, Which::Job(_))
}

fn no_task(which: Which) -> Refused {
    none(&format!("no such task: {}\nhint: run `gristmill tasks {}`", shown(which), which.job()))
}

async fn read(workers: &[WorkerLine], attempt: &AttemptLine) -> Result<Vec<u8>, Refused> {
    let line = workers.iter().find(|line| line.id == attempt.worker && !line.state.is_gone());
    let address = line.map(|line| &line.facts.address).ok_or_else(|| gone(attempt.worker))?;
    Ok(Peer::connect(address, &Options::default()).log(attempt.runs_as).await?)
}

fn gone(worker: WorkerId) -> Refused {
    none(&format!(
        "{worker} is gone, and so are its logs\nhint: `gristmill workers --all` shows what became \
         of it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, TaskKind};

    #[test]
    fn logs_of_a_job_show_each_log_once() {
        let task = |index| JobId(7).task(TaskKind::Map, index);
        let attempt = |runs_as| AttemptLine {
            id: task(1).attempt(2),
            runs_as,
            worker: WorkerId(1),
            pid: 0,
            state: AttemptState::Succeeded,
            cause: Cause::None,
            started: String::new(),
            ended: None,
        };
        let (own, joined) = (attempt(task(1).attempt(2)), attempt(task(0).attempt(1)));
        for which in ["j7", "j7/m1", "j7/m1#2"].map(|text| Which::parse(text).unwrap()) {
            assert!(has_own(which, &own), "{which:?}");
            assert_eq!(has_own(which, &joined), which != Which::Job(JobId(7)), "{which:?}");
        }
    }

    #[test]
    fn missing_logs_take_a_line_for_each_reason() {
        let mut missing = Missing::default();
        let attempt = |map, state| {
            let id = JobId(7).task(TaskKind::Map, map).attempt(1);
            let (worker, cause) = (WorkerId(u64::from(map % 2)), Cause::None);
            let started = String::new();
            AttemptLine { id, runs_as: id, worker, pid: 0, state, cause, started, ended: None }
        };
        for map in 0..100 {
            let attempt = attempt(map, AttemptState::Succeeded);
            missing.note(&attempt, &none(&format!("no log of {}", attempt.id)));
        }
        missing.note(&attempt(200, AttemptState::Failed), &gone(WorkerId(3)));
        missing.note(&attempt(300, AttemptState::Killed), &none("no log of j7/m300#1"));
        let lines = missing.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(
            lines[0],
            "note: no log of 100 attempts, such as j7/m0#1: no log of this attempt"
        );
        assert!(lines[1].starts_with("note: no log of j7/m200#1: w3 is gone, "), "{}", lines[1]);
    }

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
}
