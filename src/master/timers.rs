//! Everything that depends on time: leases, held polls, timeouts, backups, sweeps, history.

use std::sync::Arc;

use super::reports::decide;
use super::state::Change;

use super::{Master, Shared};
use crate::model::{JobId, WorkerId, WorkerState};
use crate::scheduler::{Command, LoseWorker, watch};

/// Time between two ticks, in milliseconds.
pub const TICK_MS: u64 = 100;
/// Time between two calls of the scheduler's `watch`, in milliseconds.
const WATCH_MS: u64 = 500;
/// Time between two cleanings of artifacts that no job names, in milliseconds.
const CLEANING_MS: u64 = 60_000;

impl Master {
    /// Checks the clock and does what is due. [`run`](super::run) calls it every [`TICK_MS`].
    pub async fn tick(&self) {
        let shared = &self.shared;
        if shared.leads().is_ok() {
            // A master that is cut off answers no worker, so it must not consider any worker lost.
            if shared.still_leads().await {
                shared.watch_over().await;
            } else {
                shared.volatile().is_cut_off = true;
            }
        }
        let now_ms = shared.now_ms();
        if shared.is_cleaning_due(now_ms) {
            shared.clean(now_ms);
        }
        // Requests that wait for time to pass check the clock.
        shared.note_change();
    }
}

impl Shared {
    /// Does what only a leader does, because only the leader knows which workers are silent.
    async fn watch_over(self: &Arc<Self>) {
        let shared = self;
        let now_ms = shared.now_ms();
        shared.volatile().end_silence(now_ms, shared.lease_ms);
        let silent = shared.silent(now_ms);
        let (mut changes, losses): (Vec<Change>, Vec<String>) =
            shared.losses(&silent).into_iter().unzip();
        changes.extend(shared.watched(now_ms));
        let forgotten: Vec<JobId> = changes.iter().filter_map(forgets).collect();
        match shared.propose(changes).await {
            Ok(_) => losses.iter().for_each(|line| (shared.log)(line)),
            Err(refusal) => (shared.log)(&format!(
                "cannot propose the changes that are due (leases, timeouts and others): {refusal}"
            )),
        }
        shared.proposer.read(|state| {
            let mut volatile = shared.volatile();
            // If the loss of a worker was not committed, the worker is still watched, and is due again at the next
            // tick.
            silent.iter().for_each(|&worker| volatile.close_if_lost(state, worker));
            forgotten.iter().for_each(|&job| volatile.forget(job));
            volatile.assign_sweeps(state, now_ms);
        });
        if !forgotten.is_empty() {
            shared.clean(now_ms);
        }
    }

    /// Wakes the polls that are due, and returns the workers whose lease has expired. Every registered worker is
    /// watched.
    ///
    /// A late tick means that this master was busy or paused, and may have missed messages. Then all leases are
    /// extended by the delay.
    fn silent(&self, now_ms: u64) -> Vec<WorkerId> {
        self.proposer.read(|state| self.volatile().open_missing(state, now_ms, self.lease_ms));
        let mut volatile = self.volatile();
        let passed_ms = now_ms.saturating_sub(volatile.last_tick_ms);
        volatile.last_tick_ms = now_ms;
        let late_ms = passed_ms.saturating_sub(2 * TICK_MS);
        let mut silent = Vec::new();
        for (worker, session) in volatile.sessions_mut() {
            session.lease_ends_ms = session.lease_ends_ms.saturating_add(late_ms);
            if session.lease_ends_ms <= now_ms {
                silent.push(worker);
            } else if session.answer_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                session.wake();
            }
        }
        silent
    }

    /// The proposals about silent workers, each with the message to log when it is committed.
    fn losses(&self, silent: &[WorkerId]) -> Vec<(Change, String)> {
        self.proposer.read(|state| {
            let views = silent.iter().filter_map(|&worker| state.scheduler.worker(worker));
            let losses = views.map(|view| {
                let what = match view.state {
                    WorkerState::Drained => "has left after draining",
                    _ => "is lost: its lease has expired",
                };
                let lose = LoseWorker { worker: view.id, incarnation: view.incarnation };
                (decide(lose), format!("worker {} {what}", view.id))
            });
            losses.collect()
        })
    }

    /// What the scheduler proposes now.
    fn watched(&self, now_ms: u64) -> Vec<Change> {
        self.proposer.read(|state| {
            let mut volatile = self.volatile();
            if now_ms.saturating_sub(volatile.last_watch_ms) < WATCH_MS {
                return Vec::new();
            }
            volatile.last_watch_ms = now_ms;
            volatile.follow(state, now_ms);
            // Only the clock starts a commit that pauses before its next attempt.
            volatile.wake_all();
            let commands = watch(&state.scheduler, &volatile.observed, now_ms);
            commands.into_iter().map(Change::Decide).collect()
        })
    }

    fn is_cleaning_due(&self, now_ms: u64) -> bool {
        let mut volatile = self.volatile();
        let is_due = now_ms.saturating_sub(volatile.last_cleaning_ms) >= CLEANING_MS;
        if is_due {
            volatile.last_cleaning_ms = now_ms;
        }
        is_due
    }

    /// Removes artifacts that no job names.
    fn clean(&self, now_ms: u64) {
        let named = self.proposer.read(|state| state.artifacts().collect());
        for problem in self.store.clean(&named, now_ms) {
            (self.log)(&problem);
        }
    }
}

fn forgets(change: &Change) -> Option<JobId> {
    match change {
        Change::Decide(Command::Forget(forget)) => Some(forget.job),
        _ => None,
    }
}
