//! What the worker holds: every attempt that it was ordered to carry out, and how each stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::rpc::workers::{Held, HeldState, Order, OrderWork};
use crate::spec::{AttemptId, JobId};

/// The attempts that are held. An attempt comes in by an order, ends in a state that is reported until an answer no
/// longer names it, and is forgotten then; one that is no longer named while it runs is told to stop.
pub(super) struct Book {
    pages: Mutex<Pages>,
    /// Counts the attempts that have ended or ask for something, so that the poll loop sees when there is something to
    /// report.
    news: watch::Sender<u64>,
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
    /// Answers what a map attempt has asked for.
    more: mpsc::UnboundedSender<Vec<u32>>,
    /// What it asks for is in the poll that is to be answered next.
    is_said: bool,
}

/// An attempt to be started.
pub(super) struct Start {
    pub(super) order: Order,
    /// True when it is to stop.
    pub(super) stop: watch::Receiver<bool>,
    /// What it has asked for, as it comes.
    pub(super) more: mpsc::UnboundedReceiver<Vec<u32>>,
}

impl Book {
    pub(super) fn new() -> Self {
        Book { pages: Mutex::default(), news: watch::Sender::new(0), busy: watch::Sender::new(0) }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Pages are whole between any two statements that could panic.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is held, for the poll that is sent next.
    pub(super) fn say(&self) -> Vec<Held> {
        let say = |(&attempt, page): (&AttemptId, &mut Page)| {
            page.is_said = true;
            Held { attempt, pid: page.pid, state: page.state.clone() }
        };
        self.pages().held.iter_mut().map(say).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.pages().held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages().held.is_empty()
    }

    /// Jobs of which something is held or still being killed.
    pub(super) fn jobs(&self) -> BTreeSet<JobId> {
        let pages = self.pages();
        pages.held.keys().chain(&pages.busy).map(|attempt| attempt.task.job).collect()
    }

    /// Told whenever there is something to report.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Forgets and stops what is not ordered, answers attempts that asked for more in what was last said, and says what is
    /// to be started; nothing while the worker drains.
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
            if let Some(page) = pages.held.get_mut(&attempt) {
                page.answer(&order.work);
            }
            // One that is still being killed is ordered again by the next answer, if it is meant.
            if is_draining || pages.held.contains_key(&attempt) || !pages.busy.insert(attempt) {
                continue;
            }
            let (stopper, stop) = watch::channel(false);
            let (giver, more) = mpsc::unbounded_channel();
            let joined = joined(&order.work);
            let state =
                HeldState::Running { progress: 0.0, bytes: 0, fetched: 0, joined, wants: 0 };
            let page = Page { pid: 0, state, stop: stopper, more: giver, is_said: false };
            pages.held.insert(attempt, page);
            starts.push(Start { order, stop, more });
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

    /// How far an attempt is, from 0 to 1, and of how many bytes.
    pub(super) fn progressed(&self, attempt: AttemptId, now: f64, of: u64) {
        if let Some(Page { state: HeldState::Running { progress, bytes, .. }, .. }) =
            self.pages().held.get_mut(&attempt)
        {
            (*progress, *bytes) = (now, of);
        }
    }

    /// A map attempt asks for up to so many more maps.
    pub(super) fn wanted(&self, attempt: AttemptId, maps: u32) {
        if let Some(page) = self.pages().held.get_mut(&attempt)
            && let HeldState::Running { wants, .. } = &mut page.state
        {
            *wants = maps;
            page.is_said = false;
        }
        self.news.send_modify(|count| *count += 1);
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
        self.news.send_modify(|count| *count += u64::from(is_held));
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

impl Page {
    /// Gives the attempt the maps that have joined it since, or says that none has, if it asked and was heard.
    fn answer(&mut self, work: &OrderWork) {
        let HeldState::Running { joined: known, wants, .. } = &mut self.state else { return };
        let OrderWork::Map { joined, .. } = work else { return };
        let new = joined.get(*known as usize..).unwrap_or_default();
        if *wants > 0 && (self.is_said || !new.is_empty()) {
            (*known, *wants) = (*known + new.len() as u32, 0);
            // Whoever has ended meanwhile does not want it any more.
            let _heard_or_gone = self.more.send(new.to_vec());
        }
    }
}

/// How many maps have joined an attempt as it is ordered.
fn joined(work: &OrderWork) -> u32 {
    match work {
        OrderWork::Map { joined, .. } => u32::try_from(joined.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::artifacts::Digest;
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

        let news = book.news();
        assert!(book.end(order(1).attempt, HeldState::Swept));
        assert!(news.has_changed().unwrap());
        assert_eq!(book.say()[1].state, HeldState::Swept);
    }
}
