//! Workers poll: what they report is applied, and the answer held back until there is news.

use std::sync::Arc;

use tokio::sync::Notify;

use super::desk::Said;
use super::{Master, Shared, orders};
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{
    CHANGES_MAX, Locate, Located, LocatedMap, Orders, Poll, Register, Registered, Workers,
};
use crate::scheduler::Cursor;
use crate::spec::WorkerId;

/// How long the same answer to the same poll is held back, in milliseconds: the worker has probably
/// had it and is about to carry it out, or it was lost.
const REPEAT_MS: u64 = 100;

impl Workers for Master {
    async fn register(&self, request: Register) -> Result<Registered, Refusal> {
        self.shared.register(request).await
    }

    async fn poll(&self, request: Poll) -> Result<Orders, Refusal> {
        self.shared.poll(request).await
    }

    async fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        self.shared.locate(request)
    }
}

/// What is to be done with a poll now.
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
            return Err(unregistered(&poll));
        }
        let begun = self.desk().begin_poll(&poll, now_ms, self.lease_ms);
        let Some((ticket, wake)) = begun else {
            // The worker passes over this answer, since it has asked again.
            return self.orders_now(&poll);
        };
        let mut hold = Hold { shared: self, worker: poll.worker, ticket, is_answered: false };
        let answer = self.answer(&poll, ticket, &wake).await;
        hold.is_answered = true;
        answer
    }

    async fn answer(
        self: &Arc<Self>,
        poll: &Poll,
        ticket: u64,
        wake: &Arc<Notify>,
    ) -> Result<Orders, Refusal> {
        self.report(poll).await?;
        let said = Said::of(poll);
        loop {
            if self.is_stopping() {
                let message = "this master is stopping; ask it again when it is back".to_string();
                return Err(Refusal::Unavailable { message });
            }
            match self.step(poll, &said, ticket)? {
                Step::Answer(orders) => return Ok(orders),
                Step::Wait => wake.notified().await,
            }
        }
    }

    /// Looks whether a poll is to be answered now, and with what.
    fn step(&self, poll: &Poll, said: &Said, ticket: u64) -> Result<Step, Refusal> {
        let now_ms = self.now_ms();
        self.proposer.read(|state| {
            let mut desk = self.desk();
            let told = orders::told(state, &desk, poll, now_ms);
            let told = told.ok_or_else(|| unregistered(poll))?;
            let Some(session) = desk.session_mut(poll.worker) else {
                return Err(unregistered(poll));
            };
            if session.ticket() != ticket {
                return Ok(Step::Answer(orders::full(state, poll, &told)));
            }
            let differs = orders::differs(said, &told);
            let is_repeated =
                session.last.as_ref().is_some_and(|last| (&last.0, &last.1) == (said, &told));
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
            session.holds.extend(&told.attempts);
            let orders = orders::full(state, poll, &told);
            session.last = Some((said.clone(), told));
            Ok(Step::Answer(orders))
        })
    }

    fn orders_now(&self, poll: &Poll) -> Result<Orders, Refusal> {
        self.proposer.read(|state| {
            let told = orders::told(state, &self.desk(), poll, self.now_ms());
            told.map(|told| orders::full(state, poll, &told)).ok_or_else(|| unregistered(poll))
        })
    }

    fn locate(&self, request: Locate) -> Result<Located, Refusal> {
        let Locate { job, since } = request;
        self.proposer.read(|state| {
            if state.scheduler.job(job).is_none() {
                let message = format!("no job {job}");
                return Err(Refusal::NotFound { message });
            }
            let moved = state.scheduler.locations(job, Cursor::from(since), CHANGES_MAX);
            // Nobody needs them any more: whoever asks is about to be stopped.
            let Some(moved) = moved else {
                return Ok(Located { version: since, changes: Vec::new() });
            };
            let leader = |map| state.scheduler.job(job).and_then(|job| job.leader(map));
            let changes = moved.outputs.into_iter().map(|(map, output)| {
                let within = leader(map).unwrap_or(map);
                let at = output.and_then(|output| {
                    let address = state.scheduler.worker(output.worker)?.address.to_string();
                    Some((output.attempt.number, output.worker, address))
                });
                LocatedMap { map, within, at }
            });
            Ok(Located { version: moved.next.into(), changes: changes.collect() })
        })
    }
}

fn unregistered(poll: &Poll) -> Refusal {
    let message = format!("worker {} is not registered with this incarnation", poll.worker);
    Refusal::NotFound { message }
}

/// Notices when a poll is dropped before it is answered: its connection was closed.
struct Hold<'s> {
    shared: &'s Shared,
    worker: WorkerId,
    ticket: u64,
    is_answered: bool,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let now_ms = self.shared.now_ms();
        // A poisoned desk ends the master by itself; a drop must not panic.
        let Ok(mut desk) = self.shared.desk.lock() else { return };
        if desk.session(self.worker).is_some_and(|session| session.ticket() == self.ticket) {
            desk.connection_closed(self.worker, now_ms);
        }
    }
}
