//! Reads from `gristmill tasks` where a job's attempts ran, and how each ended.

use serde_json::Value;

use crate::commands::{Commands, Result};

/// One attempt at a task.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Such as `j1/m12`.
    pub(crate) task: String,
    /// `plan`, `map`, `reduce` or `commit`.
    pub(crate) kind: String,
    /// Such as `w4`.
    pub(crate) worker: String,
    /// The process id of its executor; 0 before that has started.
    pub(crate) pid: u32,
    pub(crate) state: String,
    pub(crate) cause: String,
}

/// All attempts of a job, by task and number.
#[derive(Debug, Clone)]
pub(crate) struct Attempts(Vec<Attempt>);

impl Attempts {
    pub(crate) fn of(commands: &Commands, job: &str) -> Result<Self> {
        let tasks = commands.json(&["tasks", job])?;
        let mut attempts = Vec::new();
        for task in tasks.as_array().ok_or("no list")? {
            for attempt in task["attempts"].as_array().ok_or("no attempts")? {
                attempts.push(Attempt {
                    task: text(&task["id"])?,
                    kind: text(&task["kind"])?,
                    worker: text(&attempt["worker"])?,
                    pid: u32::try_from(attempt["pid"].as_u64().ok_or("no pid")?)?,
                    state: text(&attempt["state"])?,
                    cause: text(&attempt["cause"])?,
                });
            }
        }
        Ok(Self(attempts))
    }

    /// Attempts that `gristmill tasks` counts at all tasks, also those that are no longer listed.
    pub(crate) fn started(commands: &Commands, job: &str) -> Result<u64> {
        let tasks = commands.json(&["tasks", job])?;
        let tasks = tasks.as_array().ok_or("no list")?;
        Ok(tasks.iter().filter_map(|task| task["attempts_started"].as_u64()).sum())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.0.iter()
    }

    /// Those that are so.
    pub(crate) fn all(&self, is_so: impl Fn(&Attempt) -> bool) -> Vec<&Attempt> {
        self.0.iter().filter(|attempt| is_so(attempt)).collect()
    }

    /// Those that run on a worker.
    pub(crate) fn running_on(&self, worker: &str) -> Vec<&Attempt> {
        self.all(|attempt| attempt.state == "running" && attempt.worker == worker)
    }

    /// Those that were lost with their worker.
    pub(crate) fn lost(&self) -> Vec<&Attempt> {
        self.all(|attempt| attempt.state == "lost")
    }

    /// Those at one task, in their order.
    pub(crate) fn at(&self, task: &str) -> Vec<&Attempt> {
        self.all(|attempt| attempt.task == task)
    }

    /// The tasks of a kind that won on a worker with their first attempt, whatever came after.
    pub(crate) fn first_won_on(&self, worker: &str, kind: &str) -> Vec<String> {
        let first = |attempt: &&Attempt| self.at(&attempt.task)[0].state == "succeeded";
        let here = self.0.iter().filter(|attempt| attempt.worker == worker && attempt.kind == kind);
        let won = here.filter(|attempt| attempt.state == "succeeded").filter(first);
        won.map(|attempt| attempt.task.clone()).collect()
    }

    /// The tasks of a kind with an attempt on this worker that has won.
    pub(crate) fn won_on(&self, worker: &str, kind: &str) -> Vec<String> {
        let is_it = |attempt: &Attempt| attempt.worker == worker && attempt.kind == kind;
        let mut won = self.all(|attempt| is_it(attempt) && attempt.state == "succeeded");
        won.dedup_by(|next, one| next.task == one.task);
        won.iter().map(|attempt| attempt.task.clone()).collect()
    }

    /// The tasks of a kind with more than one attempt that has won, because the output of the first was lost.
    pub(crate) fn won_again(&self, kind: &str) -> Vec<String> {
        let mut tasks = self.repeated(kind);
        let wins = |task: &str| self.at(task).iter().filter(|one| one.state == "succeeded").count();
        tasks.retain(|task| wins(task) > 1);
        tasks
    }

    /// The tasks of a kind that have more than one attempt.
    pub(crate) fn repeated(&self, kind: &str) -> Vec<String> {
        let mut tasks: Vec<String> =
            self.all(|attempt| attempt.kind == kind).iter().map(|a| a.task.clone()).collect();
        tasks.dedup();
        tasks.retain(|task| self.at(task).len() > 1);
        tasks
    }

    /// All tasks, in their order.
    pub(crate) fn tasks(&self) -> Vec<&str> {
        let mut tasks: Vec<&str> = self.0.iter().map(|attempt| attempt.task.as_str()).collect();
        tasks.dedup();
        tasks
    }

    /// Every task was won in the end, nothing runs, and nothing failed by its own fault.
    pub(crate) fn check_ended_well(&self) {
        for Attempt { task, state, cause, .. } in self.iter() {
            let last = self.at(task).last().map(|last| last.state.clone());
            assert_ne!(state, "running", "{task}: {:?}", self.at(task));
            let is_won = self.at(task).iter().any(|attempt| attempt.state == "succeeded");
            assert!(is_won, "{task} ended with {last:?}: {:?}", self.at(task));
            let known = ["none", "worker_lost", "killed", "backup_won", "fetch_failed"];
            assert!(known.contains(&cause.as_str()), "{task}: {:?}", self.at(task));
        }
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().ok_or_else(|| format!("no text: {value}"))?.to_owned())
}
