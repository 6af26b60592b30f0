//! What the worker holds: every attempt that it was ordered to carry out, and how each stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::rpc::workers::{Held, HeldState, Order};
use crate::spec::{AttemptId, JobId};

/// The attempts that are held. An attempt comes in by an order, ends in a state that is reported until an answer no
/// longer names it, and is forgotten then; one that is no longer named while it runs is told to stop.
pub(super) struct Book {
    pages: Mutex<Pages>,
    /// Counts the attempts that have ended, so that the poll loop sees when there is something to report.
    ended: watch::Sender<u64>,
    /// How many attempts' tasks still run.
    busy: watch::Sender<usize>,
}

#[derive(Default)]
struct Pages {
    held: BTreeMap<AttemptId, Page>,
    /// Attempts whose task has not ended; those that are not held any more are being killed.
    busy: BTreeSet<AttemptId>,
}

struct Page {
    pid: u32,
    state: HeldState,
    stop: watch::Sender<bool>,
}

/// An attempt to be started.
pub(super) struct Start {
    pub(super) order: Order,
    /// True when it is to stop.
    pub(super) stop: watch::Receiver<bool>,
}

impl Book {
    pub(super) fn new() -> Self {
        Book { pages: Mutex::default(), ended: watch::Sender::new(0), busy: watch::Sender::new(0) }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Pages are whole between any two statements that could panic.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is held, as a poll says it.
    pub(super) fn held(&self) -> Vec<Held> {
        let held = |(&attempt, page): (&AttemptId, &Page)| Held {
            attempt,
            pid: page.pid,
            state: page.state.clone(),
        };
        self.pages().held.iter().map(held).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages().held.is_empty()
    }

    /// Jobs of which something is held or still being killed.
    pub(super) fn jobs(&self) -> BTreeSet<JobId> {
        let pages = self.pages();
        pages.held.keys().chain(&pages.busy).map(|attempt| attempt.task.job).collect()
    }

    /// Told whenever an attempt has ended.
    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Forgets and stops what is not ordered, and says what is to be started; nothing while the worker drains.
    pub(super) fn reconcile(&self, orders: Vec<Order>, is_draining: bool) -> Vec<Start> {
        let mut pages = self.pages();
        let ordered: BTreeSet<AttemptId> = orders.iter().map(|order| order.attempt).collect();
        pages.held.retain(|attempt, page| {
            let stays = ordered.contains(attempt);
            if !stays {
                page.stop.send_replace(true);
            }
            stays
        });
        let mut starts = Vec::new();
        for order in orders {
            let attempt = order.attempt;
            // One that is still being killed is ordered again by the next answer, if it is meant.
            if is_draining || pages.held.contains_key(&attempt) || !pages.busy.insert(attempt) {
                continue;
            }
            let (sender, stop) = watch::channel(false);
            let state = HeldState::Running { progress: 0.0, fetched: 0 };
            pages.held.insert(attempt, Page { pid: 0, state, stop: sender });
            starts.push(Start { order, stop });
        }
        self.busy.send_replace(pages.busy.len());
        starts
    }

    /// An attempt's executor.
    pub(super) fn started(&self, attempt: AttemptId, pid: u32) {
        if let Some(page) = self.pages().held.get_mut(&attempt) {
            page.pid = pid;
        }
    }

    /// How far an attempt is, from 0 to 1.
    pub(super) fn progressed(&self, attempt: AttemptId, now: f64) {
        if let Some(Page { state: HeldState::Running { progress, .. }, .. }) =
            self.pages().held.get_mut(&attempt)
        {
            *progress = now;
        }
    }

    /// How many map outputs a reduce has.
    pub(super) fn fetched(&self, attempt: AttemptId, now: u32) {
        if let Some(Page { state: HeldState::Running { fetched, .. }, .. }) =
            self.pages().held.get_mut(&attempt)
        {
            *fetched = now;
        }
    }

    /// An attempt's end, unless nobody wants to know it any more; false then.
    pub(super) fn end(&self, attempt: AttemptId, state: HeldState) -> bool {
        let is_held = self.pages().held.get_mut(&attempt).map(|page| page.state = state).is_some();
        self.ended.send_modify(|count| *count += u64::from(is_held));
        is_held
    }

    /// An attempt's task has ended and left nothing behind.
    pub(super) fn gone(&self, attempt: AttemptId) {
        let mut pages = self.pages();
        pages.busy.remove(&attempt);
        self.busy.send_replace(pages.busy.len());
    }

    /// Stops and forgets everything.
    pub(super) fn stop_all(&self) {
        let _nothing_starts = self.reconcile(Vec::new(), true);
    }

    /// Waits until no attempt's task runs.
    pub(super) async fn all_gone(&self) {
        // The sender is this book's own, so that waiting cannot fail.
        let mut busy = self.busy.subscribe();
        let _gone = busy.wait_for(|&busy| busy == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::artifacts::Digest;
    use crate::rpc::workers::OrderWork;
    use crate::spec::{Nonce, TaskKind};

    fn order(index: u32) -> Order {
        Order {
            attempt: JobId(1).task(TaskKind::Map, index).attempt(1),
            nonce: Nonce(1),
            executable: Digest(1),
            spec: Digest(2),
            work: OrderWork::Sweep,
            timeout_ms: 0,
        }
    }

    #[test]
    fn the_difference_between_orders_and_what_is_held_is_started_and_stopped() {
        let book = Book::new();
        let starts = book.reconcile(vec![order(0), order(1)], false);
        assert_eq!(starts.len(), 2);
        assert!(book.reconcile(vec![order(0), order(1)], false).is_empty(), "they are held");

        assert!(book.reconcile(vec![order(1)], false).is_empty());
        assert!(*starts[0].stop.borrow() && !*starts[1].stop.borrow());
        assert!(!book.end(order(0).attempt, HeldState::Swept), "nobody wants to know");
        assert!(book.reconcile(vec![order(0), order(1)], false).is_empty(), "it is being killed");
        book.gone(order(0).attempt);
        assert!(book.reconcile(vec![order(0), order(1)], true).is_empty(), "it drains");
        assert_eq!(book.reconcile(vec![order(0), order(1)], false).len(), 1);

        let ended = book.ended();
        assert!(book.end(order(1).attempt, HeldState::Swept));
        assert!(ended.has_changed().unwrap());
        assert_eq!(book.held()[1].state, HeldState::Swept);
    }
}
