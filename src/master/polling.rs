//! Answers polls of workers: applies their reports, and delays each answer until there is something new for the worker.

use std::sync::Arc;

use tokio::sync::Notify;

use super::reports::decide;
use super::volatile::PollState;
use super::{Master, Shared, orders};
use crate::crash::crash_point;
use crate::model::{TaskKind, WorkerId};
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{
    CHANGES_MAX, Leave, Locate, Located, LocatedMap, Orders, Poll, Register, Registered, Workers,
};
use crate::scheduler::{self, Cursor};

/// How long the same answer to the same poll is held back, in milliseconds. Either the worker has received it and is
/// about to act on it, or the answer was lost.
const REPEAT_MS: u64 = 100;

impl Workers for Master {
    async fn register(&self, request: Register) -> Result<Registered, Refusal> {
        self.shared.led(self.shared.register(request)).await
    }

    async fn poll(&self, request: Poll) -> Result<Orders, Refusal> {
        self.shared.led(self.shared.poll(request)).await
    }

    async fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        self.shared.led(async { self.shared.locate(request) }).await
    }

    async fn leave(&self, request: Leave) -> Result<(), Refusal> {
        self.shared.led(self.shared.leave(request)).await
    }
}

/// The next step for a poll.
enum Step {
    Answer(Orders),
    Wait,
}

impl Shared {
    async fn poll(self: &Arc<Self>, poll: Poll) -> Result<Orders, Refusal> {
        let now_ms = self.now_ms();
        let is_registered =
            self.proposer.read(|state| state.registered(poll.worker, poll.incarnation).is_some());
        if !is_registered {
            return Err(unregistered(poll.worker));
        }
        let begun = self.volatile().begin_poll(&poll, now_ms, self.lease_ms);
        let Some((ticket, wake)) = begun else {
            // The worker ignores this answer, because it has polled again.
            return self.orders_now(&poll);
        };
        let mut hold = Hold { shared: self, worker: poll.worker, ticket, is_held: false };
        self.answer(&poll, ticket, &wake, &mut hold).await
    }

    async fn answer(
        self: &Arc<Self>,
        poll: &Poll,
        ticket: u64,
        wake: &Arc<Notify>,
        hold: &mut Hold<'_>,
    ) -> Result<Orders, Refusal> {
        self.hold_plans(poll).await?;
        self.report(poll).await?;
        let poll_state = PollState::of(poll);
        loop {
            let epoch = self.leads()?;
            match self.step(poll, &poll_state, (ticket, epoch))? {
                Step::Answer(orders) => {
                    crash_point!("l07", has_new(&orders, &poll_state, |_| true));
                    crash_point!(
                        "l10",
                        has_new(&orders, &poll_state, |kind| kind == TaskKind::Commit)
                    );
                    return Ok(orders);
                }
                Step::Wait => {
                    hold.is_held = true;
                    wake.notified().await;
                    hold.is_held = false;
                }
            }
        }
    }

    /// Decides whether to answer a poll now, and how.
    fn step(
        &self,
        poll: &Poll,
        poll_state: &PollState,
        (ticket, epoch): (u64, u64),
    ) -> Result<Step, Refusal> {
        let now_ms = self.now_ms();
        self.proposer.read(|state| {
            let mut volatile = self.volatile();
            let answer = orders::answer(state, &mut volatile, poll, now_ms);
            let answer = answer.ok_or_else(|| unregistered(poll.worker))?;
            let differs = orders::differs(&volatile, poll_state, &answer);
            let Some(session) = volatile.session_mut(poll.worker) else {
                return Err(unregistered(poll.worker));
            };
            if session.ticket() != ticket {
                return Ok(Step::Answer(orders::full(state, epoch, poll, &answer)));
            }
            let is_repeated = session
                .last
                .as_ref()
                .is_some_and(|last| (&last.0, &last.1) == (poll_state, &answer));
            let wait_ms = match differs {
                true if is_repeated => REPEAT_MS.min(self.lease_ms / 3),
                true => 0,
                false => self.lease_ms / 3,
            };
            let begun_ms = session.last_seen_ms;
            let answer_at_ms = begun_ms.saturating_add(wait_ms);
            if now_ms < answer_at_ms {
                session.answer_at_ms = Some(answer_at_ms);
                return Ok(Step::Wait);
            }
            session.answer_at_ms = None;
            session.holds.extend(&answer.attempts);
            let orders = orders::full(state, epoch, poll, &answer);
            session.last = Some((poll_state.clone(), answer));
            Ok(Step::Answer(orders))
        })
    }

    fn orders_now(&self, poll: &Poll) -> Result<Orders, Refusal> {
        let epoch = self.leads()?;
        self.proposer.read(|state| {
            let answer = orders::answer(state, &mut self.volatile(), poll, self.now_ms());
            answer
                .map(|answer| orders::full(state, epoch, poll, &answer))
                .ok_or_else(|| unregistered(poll.worker))
        })
    }

    /// Removes a worker that reports that it leaves.
    async fn leave(self: &Arc<Self>, request: Leave) -> Result<(), Refusal> {
        let Leave { worker, incarnation } = request;
        let leave = self.proposer.read(|state| {
            state.registered(worker, incarnation)?;
            let view = state.scheduler.worker(worker)?;
            Some(decide(scheduler::Leave { worker, incarnation: view.incarnation }))
        });
        let Some(leave) = leave else { return Err(unregistered(worker)) };
        self.propose(vec![leave]).await?;
        self.proposer.read(|state| self.volatile().close_if_lost(state, worker));
        (self.log)(&format!("worker {worker} has left"));
        Ok(())
    }

    fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        let Locate { job, since } = request;
        self.proposer.read(|state| {
            if state.scheduler.job(job).is_none() {
                let message = format!("no job {job}");
                return Err(Refusal::NotFound { message });
            }
            let moved = state.scheduler.locations(job, Cursor::from(since), CHANGES_MAX);
            // They are not needed: the reader is about to be stopped.
            let Some(moved) = moved else {
                return Ok(Located { version: since, changes: Vec::new() });
            };
            let leader = |map| state.scheduler.job(job)?.leader(job.task(TaskKind::Map, map));
            let changes = moved.outputs.into_iter().map(|(map, output)| {
                let within = leader(map);
                let at = output.and_then(|output| {
                    let address = state.worker(output.worker)?.facts.address.clone();
                    Some((output.attempt.number, output.worker, address))
                });
                LocatedMap { map, within, at }
            });
            Ok(Located { version: moved.next.into(), changes: changes.collect() })
        })
    }
}

/// Whether the answer contains an attempt of this kind that is new to the worker.
#[cfg(feature = "crash-points")]
fn has_new(orders: &Orders, poll_state: &PollState, is_so: impl Fn(TaskKind) -> bool) -> bool {
    let mut new = orders.attempts.iter().map(|order| order.attempt);
    new.any(|attempt| is_so(attempt.task.kind) && !poll_state.held.contains_key(&attempt))
}

fn unregistered(worker: WorkerId) -> Refusal {
    let message = format!("this incarnation of worker {worker} is not registered");
    Refusal::NotFound { message }
}

/// Notices when a held poll is dropped, because its connection was closed. A client that gives up during a proposal
/// may just have run out of time, which says nothing about the worker.
struct Hold<'s> {
    shared: &'s Shared,
    worker: WorkerId,
    ticket: u64,
    is_held: bool,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if !self.is_held {
            return;
        }
        let now_ms = self.shared.now_ms();
        // A poisoned lock ends the master anyway, and a drop must not panic.
        let Ok(mut volatile) = self.shared.volatile.lock() else { return };
        if volatile.session(self.worker).is_some_and(|session| session.ticket() == self.ticket) {
            volatile.connection_closed(self.worker, now_ms);
        }
    }
}
