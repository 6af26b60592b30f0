//! Turns the reports in a poll into commands, as a single proposal.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::state::{Change, State};
use super::sweeps::is_sweep;
use super::{Shared, volatile::Volatile};
use crate::crash::crash_point;
use crate::model::{AttemptId, Cause, Failure, TaskKind, Volume, WorkerId, WorkerState};
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{Done, Held, HeldState, LostOutput, Poll};
use crate::scheduler::{Command, Complete, Drain, Fail, Join, LoseOutput, PlanDone, Rejection};

impl Shared {
    /// Applies everything that a poll reports. A repeated or late poll proposes nothing: attempts that no longer run
    /// on this worker are ignored here, and the scheduler refuses them if they end in the meantime.
    pub(super) async fn report(self: &Arc<Self>, poll: &Poll) -> Result<(), Refusal> {
        let now_ms = self.now_ms();
        let changes = self.proposer.read(|state| {
            let mut volatile = self.volatile();
            self.changes_of(poll, state, &mut volatile, now_ms)
        });
        let attempts: Vec<Option<AttemptId>> = changes.iter().map(attempt_of).collect();
        crash_point!("l08", attempts.iter().any(Option::is_some));
        let applied = self.propose(changes).await?;
        crash_point!("l09", attempts.iter().any(Option::is_some));
        // If a report could never be accepted, its attempt would run forever.
        let refused = attempts.into_iter().zip(applied).filter_map(|(attempt, applied)| {
            let rejection = applied.err().filter(|rejection| !is_stale(rejection))?;
            let deterministic = matches!(rejection, Rejection::OutOfRange { .. });
            Some(fail(attempt?, Failure::new(Cause::Exit, rejection.to_string()), deterministic))
        });
        let refused: Vec<Change> = refused.collect();
        self.propose(refused).await?;
        Ok(())
    }

    fn changes_of(
        &self,
        poll: &Poll,
        state: &State,
        volatile: &mut Volatile,
        now_ms: u64,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let record = state.registered(poll.worker, poll.incarnation);
        let should =
            record.and_then(|record| state.scheduler.should_hold(poll.worker, record.number));
        let none = BTreeSet::new();
        let should = should.unwrap_or(&none);
        for held in &poll.held {
            if is_sweep(held.attempt) {
                match held.state {
                    HeldState::Done(Done::Sweep) if volatile.sweeps.done(held.attempt) => {
                        changes.push(Change::Swept { job: held.attempt.task.job });
                    }
                    HeldState::Done(Done::Sweep) => {}
                    HeldState::Running { .. } => {}
                    _ => volatile.sweeps.failed(held.attempt, now_ms),
                }
            } else if should.contains(&held.attempt) && !volatile.settling.contains(&held.attempt) {
                volatile.note_running(held, waits_for_maps(state, held.attempt), now_ms);
                let news = self.news_of((poll.worker, held), state, volatile, now_ms);
                if !news.is_empty() {
                    // A poll that arrives during the proposal reports it again.
                    volatile.settling.insert(held.attempt);
                }
                changes.extend(news);
            }
        }
        let view = state.scheduler.worker(poll.worker);
        let stays = |state| matches!(state, WorkerState::Alive | WorkerState::Excluded);
        if poll.draining && view.is_some_and(|view| stays(view.state)) {
            changes.push(decide(Drain { worker: poll.worker }));
        }
        changes
    }

    /// The changes that follow from the state of one attempt.
    fn news_of(
        &self,
        (worker, held): (WorkerId, &Held),
        state: &State,
        volatile: &mut Volatile,
        now_ms: u64,
    ) -> Vec<Change> {
        let attempt = held.attempt;
        let complete = |digest, is_staged, joined, counters, volume| {
            vec![decide(Complete { attempt, digest, is_staged, joined, counters, volume })]
        };
        match (attempt.task.kind, held.state.clone()) {
            (TaskKind::Map, HeldState::Running { joined: known, wants: wanted @ 1.., .. }) => {
                // A proposal that would be refused is not worth an entry in the log.
                let may_join = state.scheduler.may_join(attempt, known);
                may_join.map(|_| decide(Join { attempt, known, wanted })).into_iter().collect()
            }
            (_, HeldState::Running { .. }) => Vec::new(),
            (
                TaskKind::Plan,
                HeldState::Done(Done::Plan { plan, splits, reducers, input_bytes, counters }),
            ) => {
                if !self.store.has(plan, now_ms) {
                    let message = format!("the plan {plan} was reported before it was uploaded");
                    return vec![fail(attempt, Failure::new(Cause::Exit, message), false)];
                }
                let done = PlanDone { attempt, splits, reducers, input_bytes, counters };
                vec![Change::Plan { done, plan }]
            }
            (TaskKind::Map, HeldState::Done(Done::Map { is_staged: false, .. }))
                if state.scheduler.is_map_only(attempt.task.job) =>
            {
                let message = "the worker reported a map of a map-only job as done, but without its staged output";
                vec![fail(attempt, Failure::new(Cause::WorkerError, message), false)]
            }
            (
                TaskKind::Map,
                HeldState::Done(Done::Map { joined, digest, is_staged, counters, volume, .. }),
            ) => complete(Some(digest), is_staged, joined, counters, volume),
            (TaskKind::Reduce, HeldState::Done(Done::Reduce { counters, volume })) => {
                complete(None, true, 0, counters, volume)
            }
            (TaskKind::Commit, HeldState::Done(Done::Commit { .. })) => {
                complete(None, false, 0, Default::default(), Volume::default())
            }
            (_, HeldState::Failed { failure, lost }) => {
                let lost = lost.iter().filter(|lost| is_gone(lost, attempt, state, volatile));
                let lost = lost.map(|lost| lose(lost, attempt, worker));
                let mut changes: Vec<Change> = lost.collect();
                let deterministic = failure.about.is_permanent();
                changes.push(fail(attempt, failure, deterministic));
                changes
            }
            (kind, other) => {
                let message =
                    format!("the worker reported a {kind} attempt as {}", end_name(&other));
                vec![fail(attempt, Failure::new(Cause::Exit, message), false)]
            }
        }
    }
}

/// Whether an output that a reduce could not read must be made again.
///
/// A damaged output is made again at once. If an output is missing, or its worker does not answer, the reduce's next
/// attempt requests it once more, on another worker if possible, and only the second report counts. The lease detects
/// a worker that is gone.
fn is_gone(lost: &LostOutput, reduce: AttemptId, state: &State, volatile: &mut Volatile) -> bool {
    if lost.attempt.task.job != reduce.task.job {
        return false;
    }
    let task = state.scheduler.job(reduce.task.job).and_then(|job| job.task(lost.attempt.task));
    let winner = task.and_then(|task| task.winner());
    let is_there = winner
        .is_some_and(|winner| winner.number == lost.attempt.number && winner.worker == lost.worker);
    is_there && (lost.is_corrupt || !volatile.missed.insert(lost.attempt))
}

fn lose(lost: &LostOutput, reduce: AttemptId, reader: WorkerId) -> Change {
    let partition = lost.is_corrupt.then_some(reduce.task.index);
    decide(LoseOutput { attempt: lost.attempt, partition, reader: Some(reader) })
}

/// A reduce that has fetched all available outputs makes no progress until the next map ends.
fn waits_for_maps(state: &State, attempt: AttemptId) -> bool {
    attempt.task.kind == TaskKind::Reduce
        && state.scheduler.job(attempt.task.job).is_some_and(|job| {
            let maps = job.progress(TaskKind::Map);
            maps.done < maps.total
        })
}

pub(super) fn decide(command: impl Into<Command>) -> Change {
    Change::Decide(command.into())
}

fn fail(attempt: AttemptId, failure: Failure, deterministic: bool) -> Change {
    decide(Fail { attempt, failure, deterministic })
}

fn end_name(end: &HeldState) -> &'static str {
    match end {
        HeldState::Running { .. } => "running",
        HeldState::Done(Done::Plan { .. }) => "planned",
        HeldState::Done(Done::Map { .. }) => "mapped",
        HeldState::Done(Done::Reduce { .. }) => "reduced",
        HeldState::Done(Done::Commit { .. }) => "committed",
        HeldState::Done(Done::Sweep) => "swept",
        HeldState::Failed { .. } => "failed",
    }
}

/// The attempt whose report a change settles.
pub(super) fn settles(change: &Change) -> Option<AttemptId> {
    match change {
        Change::Decide(Command::Fail(fail)) => Some(fail.attempt),
        Change::Decide(Command::Join(join)) => Some(join.attempt),
        other => attempt_of(other),
    }
}

/// The attempt whose success a change reports.
fn attempt_of(change: &Change) -> Option<AttemptId> {
    match change {
        Change::Plan { done, .. } => Some(done.attempt),
        Change::Decide(Command::Complete(complete)) => Some(complete.attempt),
        _ => None,
    }
}

fn is_stale(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::StaleAttempt { .. }
            | Rejection::UnknownAttempt { .. }
            | Rejection::UnknownJob { .. }
    )
}
