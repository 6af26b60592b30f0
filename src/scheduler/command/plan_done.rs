//! A plan attempt has finished: the splits and the number of reduces are known.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, Counters, TaskKind, Volume};
use crate::scheduler::{Effect, Field, Rejection, Scheduler};

/// Most maps of a job; the paper's large jobs have 200,000.
pub const SPLITS_MAX: u32 = 10_000_000;

/// Sent by the worker of a plan attempt when it has listed the input.
///
/// Refused as stale if it is repeated or comes from a stopped attempt. If it is lost together with its worker, the
/// plan runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDone {
    /// The plan attempt.
    pub attempt: AttemptId,
    /// Number of maps, up to [`SPLITS_MAX`]; 0 if there is no input.
    pub splits: u32,
    /// Number of reduces: the submitted one; 0 for a map-only job.
    pub reducers: u32,
    /// Bytes of all input; 0 if unknown.
    pub input_bytes: u64,
    /// What the plan counted, such as skipped files.
    pub counters: Counters,
}

impl PlanDone {
    pub(super) fn apply(
        self,
        scheduler: &mut Scheduler,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Self { attempt, splits, reducers, input_bytes, counters } = self;
        if attempt.task.kind != TaskKind::Plan {
            return Err(Rejection::WrongKind { attempt });
        }
        let id = attempt.task.job;
        // Checked before the numbers, so that a stale plan is reported as stale.
        scheduler.worker_of(attempt)?;
        Field::Splits.check(splits, 0..=SPLITS_MAX)?;
        scheduler.job_mut(id)?.check_reducers(reducers)?;

        let counted = (&counters, &Volume::default());
        scheduler.win(attempt, (None, true), 0, counted, effects)?;
        scheduler.job_mut(id)?.set_tasks(splits, reducers, input_bytes);
        scheduler.advance(id, effects)
    }
}
