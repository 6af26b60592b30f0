//! Map tasks that share one attempt: a task leads, others join it, and the leader's attempt runs
//! all of them.

use super::Job;
use crate::model::{AttemptId, TaskId};
use crate::scheduler::{Attempt, Task};

impl Job {
    /// The index of the task whose output includes this task's output, if this task has joined another.
    pub fn leader(&self, task: TaskId) -> Option<u32> {
        self.tasks(task.kind).leader(task.index)
    }

    /// The attempt whose process and output an attempt uses: the attempt itself, or that of the task that its task has
    /// joined.
    pub fn runs_as(&self, attempt: AttemptId) -> AttemptId {
        let task = attempt.task;
        let tasks = self.tasks(task.kind);
        let index = tasks.leader(task.index).unwrap_or(task.index);
        let number = tasks.number_of_leader(task.index, attempt.number);
        TaskId { index, ..task }.attempt(number)
    }

    /// The same for a remembered attempt, even if its task has left its leader since. An attempt from before its task
    /// joined another ran by itself.
    pub fn ran_as(&self, task: TaskId, attempt: &Attempt) -> AttemptId {
        let own = task.attempt(attempt.number);
        let tasks = self.tasks(task.kind);
        if let Some((index, number)) = tasks.parted(task.index, attempt.number) {
            return TaskId { index, ..task }.attempt(number);
        }
        if !tasks.is_shared(task.index, attempt.number) {
            return own;
        }
        let led_by = self.runs_as(own);
        let attempts = self.task(led_by.task).map(Task::attempts).unwrap_or_default();
        let is_it = |it: &Attempt| it.number == led_by.number && it.worker == attempt.worker;
        if attempts.iter().any(is_it) { led_by } else { own }
    }

    /// The maps that have joined a task. Its attempts map them too, in this order.
    pub fn joined(&self, task: TaskId) -> &[u32] {
        self.tasks(task.kind).joined(task.index)
    }
}
