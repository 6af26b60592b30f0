//! Checks that only one attempt of each task wins. Only a map's winner may be lost; then another attempt may win.

use std::collections::BTreeMap;

use gristmill::model::{TaskId, TaskKind};

use super::Step;

#[derive(Default)]
pub(crate) struct Winners {
    by_task: BTreeMap<TaskId, u32>,
}

impl Winners {
    pub(crate) fn check(&mut self, step: &Step) -> Result<(), String> {
        for (id, task) in step.scheduler.jobs().flat_map(gristmill::scheduler::Job::all_tasks) {
            let now = task.and_then(|task| task.winner()).map(|winner| winner.number);
            let before = match now {
                Some(winner) => self.by_task.insert(id, winner),
                None => self.by_task.remove(&id),
            };
            let is_lost = now.is_none() && id.kind == TaskKind::Map;
            if before.is_some() && before != now && !is_lost {
                return Err(format!(
                    "one_winner_per_task: {id} was won by {before:?} and now by {now:?}"
                ));
            }
        }
        Ok(())
    }
}
