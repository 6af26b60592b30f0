//! Computes, from the state, which attempts a worker should hold.

use std::collections::BTreeSet;

use super::state::State;
use super::sweeps::is_sweep;
use super::volatile::{Answer, HeldAs, PollState, Volatile};
use crate::clock::rfc3339;
use crate::model::{AttemptId, JobId, TaskKind, WorkerState};
use crate::rpc::artifacts::Digest;
use crate::rpc::workers::{Order, Orders, Poll, Work};
use crate::scheduler::Job;

/// The answer to a poll, without details; `None` if the worker must register.
pub(super) fn answer(
    state: &State,
    volatile: &mut Volatile,
    poll: &Poll,
    now_ms: u64,
) -> Option<Answer> {
    let record = state.registered(poll.worker, poll.incarnation)?;
    let should = state.scheduler.should_hold(poll.worker, record.number)?;
    let mut attempts: BTreeSet<AttemptId> = should.clone();
    let is_held = |attempt| poll.held.iter().any(|held| held.attempt == attempt);
    attempts.retain(|&attempt| volatile.may_begin(attempt, is_held(attempt), now_ms));
    attempts.extend(volatile.sweeps.on(poll.worker));

    let mut keep: BTreeSet<JobId> = poll.jobs.iter().copied().collect();
    let is_live = |job: &Job| !job.state().is_terminal();
    keep.retain(|&job| {
        state.scheduler.job(job).is_some_and(is_live)
            || attempts.iter().any(|attempt| attempt.task.job == job)
    });

    let joined = attempts.iter().filter_map(|&attempt| Some((attempt, joined(state, attempt)?)));
    let joined = joined.collect();
    let view = state.scheduler.worker(poll.worker)?;
    let may_leave = view.state == WorkerState::Drained && attempts.is_empty();
    Some(Answer { attempts, joined, keep, may_leave })
}

/// Whether the attempts that a worker reports differ from those that it should hold.
///
/// Maps that an attempt asks for are ignored while a proposal about them is under way.
pub(super) fn differs(volatile: &Volatile, poll_state: &PollState, answer: &Answer) -> bool {
    let is_behind = |(attempt, how): (&AttemptId, &HeldAs)| match *how {
        HeldAs::Ended => false,
        HeldAs::Running { joined, wants } => {
            (wants > 0 && !volatile.settling.contains(attempt))
                || answer.joined.get(attempt).is_some_and(|&answer| answer != joined)
        }
    };
    answer.may_leave
        || poll_state.jobs != answer.keep
        || !poll_state.held.keys().eq(&answer.attempts)
        || poll_state.held.iter().any(is_behind)
}

/// How many maps have joined a map attempt; 0 for other attempts.
fn joined(state: &State, attempt: AttemptId) -> Option<u32> {
    let job = state.scheduler.job(attempt.task.job)?;
    u32::try_from(job.joined(attempt.task).len()).ok().filter(|&joined| joined > 0)
}

/// The complete answer.
pub(super) fn full(state: &State, epoch: u64, poll: &Poll, answer: &Answer) -> Orders {
    let attempts = answer.attempts.iter().filter_map(|&attempt| order(state, attempt));
    Orders {
        sequence: poll.sequence,
        epoch,
        attempts: attempts.collect(),
        keep: answer.keep.iter().copied().collect(),
        may_leave: answer.may_leave,
    }
}

fn started_ms(state: &State, attempt: AttemptId) -> Option<u64> {
    let task = state.scheduler.job(attempt.task.job)?.task(attempt.task)?;
    let found = task.attempts().iter().find(|found| found.number == attempt.number);
    found.map(|found| found.started_ms)
}

fn order(state: &State, attempt: AttemptId) -> Option<Order> {
    let job = state.scheduler.job(attempt.task.job)?;
    let record = state.job(attempt.task.job)?;
    let timeout_ms = job.options().task_timeout_ms.unwrap_or(0);
    let work = match attempt.task.kind {
        _ if is_sweep(attempt) => Work::Sweep,
        TaskKind::Plan => Work::Plan,
        TaskKind::Map => {
            Work::Map { plan: record.plan?, joined: job.joined(attempt.task).to_vec() }
        }
        TaskKind::Reduce => reduce(job, record.plan?),
        TaskKind::Commit => commit(job, started_ms(state, attempt)?),
    };
    let (executable, spec) = (record.executable, record.spec);
    Some(Order {
        attempt,
        nonce: job.nonce(),
        executable,
        spec,
        work,
        is_map_only: job.is_map_only(),
        timeout_ms,
    })
}

fn reduce(job: &Job, plan: Digest) -> Work {
    Work::Reduce { plan, maps: job.progress(TaskKind::Map).total }
}

/// The time is that of the attempt's start, so every answer contains the same assignment.
fn commit(job: &Job, started_ms: u64) -> Work {
    // If a map's output was lost after all reduces had read it, its side outputs are still in staging.
    let winners = |kind| {
        let tasks = (0..job.progress(kind).total).map(|index| job.id().task(kind, index));
        let last = tasks.map(|task| job.task(task).and_then(|task| task.last_winner()));
        let staged = last.map(|winner| winner.filter(|winner| winner.is_staged));
        staged.map(|winner| winner.map_or(0, |winner| winner.number)).collect()
    };
    Work::Commit {
        maps: winners(TaskKind::Map),
        reduces: winners(TaskKind::Reduce),
        counters: job.counters().clone(),
        created: rfc3339(started_ms),
    }
}
