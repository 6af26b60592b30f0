//! Assigns sweeps to workers.

use super::state::State;
use super::sweeps::is_sweep;
use super::volatile::Volatile;
use crate::model::{JobId, WorkerId, WorkerState};

impl Volatile {
    /// Assigns sweeps without a worker to the least busy workers.
    ///
    /// A sweep starts once no live worker can hold an attempt of its job: a plan attempt that is still being stopped
    /// would create the staging folder again after the sweep.
    pub(super) fn assign_sweeps(&mut self, state: &State, now_ms: u64) {
        let due: Vec<JobId> = self.due_sweeps(state, now_ms);
        for job in due {
            let worker = self.least_busy(state);
            if let Some(sweep) = self.sweeps.pending.get_mut(&job) {
                sweep.on = worker;
            }
            if let Some(worker) = worker {
                self.wake(worker);
            }
        }
    }

    fn due_sweeps(&mut self, state: &State, now_ms: u64) -> Vec<JobId> {
        for sweep in self.sweeps.pending.values_mut() {
            if sweep.on.is_some_and(|worker| state.scheduler.worker(worker).is_none()) {
                sweep.on = None;
                sweep.number = sweep.number.saturating_add(1);
            }
        }
        let pending = self.sweeps.pending.iter();
        let due = pending.filter(|(_, sweep)| sweep.on.is_none() && sweep.not_before_ms <= now_ms);
        let due: Vec<JobId> = due.map(|(&job, _)| job).collect();
        due.into_iter().filter(|&job| !self.is_held(state, job)).collect()
    }

    /// Whether a live worker may hold an attempt of a job.
    fn is_held(&self, state: &State, job: JobId) -> bool {
        state.scheduler.workers().any(|worker| {
            self.session(worker.id).is_some_and(|session| {
                let mut of_job = session.holds.iter().filter(|attempt| attempt.task.job == job);
                !session.is_heard || of_job.any(|attempt| !is_sweep(*attempt))
            })
        })
    }

    fn least_busy(&self, state: &State) -> Option<WorkerId> {
        let stays = |state| matches!(state, WorkerState::Alive | WorkerState::Excluded);
        let least = state.scheduler.workers().min_by_key(|worker| {
            let sweeps = self.sweeps.on(worker.id).count();
            (!stays(worker.state), sweeps, worker.running >= worker.slots, worker.running)
        });
        least.map(|worker| worker.id)
    }
}
