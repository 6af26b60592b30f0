//! Reads from `gristmill tasks` where a job's attempts ran, and how each ended.

use serde_json::Value;

use crate::commands::{Commands, Result};

/// One attempt at a task.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Id of the task, such as `j1/m12`.
    pub(crate) task: String,
    /// `plan`, `map`, `reduce` or `commit`.
    pub(crate) kind: String,
    /// Id of the worker, such as `w4`.
    pub(crate) worker: String,
    /// Process id of the attempt's executor; 0 until the executor has started.
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

    /// Returns how many attempts `gristmill tasks` counts for all tasks, including those it no longer lists.
    pub(crate) fn started(commands: &Commands, job: &str) -> Result<u64> {
        let tasks = commands.json(&["tasks", job])?;
        let tasks = tasks.as_array().ok_or("no list")?;
        Ok(tasks.iter().filter_map(|task| task["attempts_started"].as_u64()).sum())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.0.iter()
    }

    /// Returns the attempts for which `is_so` is true.
    pub(crate) fn all(&self, is_so: impl Fn(&Attempt) -> bool) -> Vec<&Attempt> {
        self.0.iter().filter(|attempt| is_so(attempt)).collect()
    }

    /// Returns the attempts that are running on a worker.
    pub(crate) fn running_on(&self, worker: &str) -> Vec<&Attempt> {
        self.all(|attempt| attempt.state == "running" && attempt.worker == worker)
    }

    /// Returns the attempts that were lost with their worker.
    pub(crate) fn lost(&self) -> Vec<&Attempt> {
        self.all(|attempt| attempt.state == "lost")
    }

    /// Returns the attempts at one task, in order.
    pub(crate) fn at(&self, task: &str) -> Vec<&Attempt> {
        self.all(|attempt| attempt.task == task)
    }

    /// Returns the tasks of a kind whose first attempt succeeded on this worker, whatever happened later.
    pub(crate) fn first_won_on(&self, worker: &str, kind: &str) -> Vec<String> {
        let first = |attempt: &&Attempt| self.at(&attempt.task)[0].state == "succeeded";
        let here = self.0.iter().filter(|attempt| attempt.worker == worker && attempt.kind == kind);
        let won = here.filter(|attempt| attempt.state == "succeeded").filter(first);
        won.map(|attempt| attempt.task.clone()).collect()
    }

    /// Returns the tasks of a kind that have a successful attempt on this worker.
    pub(crate) fn won_on(&self, worker: &str, kind: &str) -> Vec<String> {
        let is_it = |attempt: &Attempt| attempt.worker == worker && attempt.kind == kind;
        let mut won = self.all(|attempt| is_it(attempt) && attempt.state == "succeeded");
        won.dedup_by(|next, one| next.task == one.task);
        won.iter().map(|attempt| attempt.task.clone()).collect()
    }

    /// Returns the tasks of a kind that have succeeded more than once, because the output of the first success was
    /// lost.
    pub(crate) fn won_again(&self, kind: &str) -> Vec<String> {
        let mut tasks = self.repeated(kind);
        let wins = |task: &str| self.at(task).iter().filter(|one| one.state == "succeeded").count();
        tasks.retain(|task| wins(task) > 1);
        tasks
    }

    /// Returns the tasks of a kind that have more than one attempt.
    pub(crate) fn repeated(&self, kind: &str) -> Vec<String> {
        let mut tasks: Vec<String> =
            self.all(|attempt| attempt.kind == kind).iter().map(|a| a.task.clone()).collect();
        tasks.dedup();
        tasks.retain(|task| self.at(task).len() > 1);
        tasks
    }

    /// Returns all tasks, in order.
    pub(crate) fn tasks(&self) -> Vec<&str> {
        let mut tasks: Vec<&str> = self.0.iter().map(|attempt| attempt.task.as_str()).collect();
        tasks.dedup();
        tasks
    }

    /// Checks that every task succeeded in the end, that nothing is running, and that no attempt failed by its own
    /// fault.
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
