//! Records every attempt that the master has assigned to this worker, and its state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::model::{AttemptId, Cause, Failure, JobId};
use crate::rpc::refusal::Refusal;
use crate::rpc::workers::{Held, HeldState, Order, Work};

/// Most bytes of ended attempts' reports in one poll, far below what a master accepts. Later polls report the rest.
const POLL_BYTES_MAX: u64 = 8 << 20;
/// Most lost outputs that one failure names. The next attempt finds the others.
const LOST_MAX: usize = 10_000;
/// How often a report may be refused permanently, alone in its poll, before its attempt ends with the refusal instead.
const REFUSALS_MAX: u32 = 5;

/// The attempts that this worker holds. An assignment adds an attempt. Its end is reported until an answer no longer
/// names the attempt, which is then removed. A running attempt that an answer no longer names is stopped.
pub(super) struct HeldAttempts {
    inner: Mutex<Inner>,
    /// Counts ends and requests of attempts, so that the poll loop notices when it has something to report.
    news: watch::Sender<u64>,
    /// Number of attempts whose task still runs.
    busy: watch::Sender<usize>,
}

#[derive(Default)]
struct Inner {
    held: BTreeMap<AttemptId, Entry>,
    /// Attempts whose task has not ended; those that are no longer held are being killed.
    busy: BTreeSet<AttemptId>,
    /// The ends that the newest poll reports.
    reported: Vec<AttemptId>,
    /// Set after a poll was refused permanently: each end is reported alone until one is accepted.
    is_alone: bool,
    /// The end that was last refused alone, and how many times.
    note_refusal: Option<(AttemptId, u32)>,
}

struct Entry {
    pid: u32,
    /// Its state while it runs, or the last such state.
    running: HeldState,
    end: Option<End>,
    stop: watch::Sender<bool>,
    /// Passes on the maps that a map attempt has asked for.
    more: mpsc::UnboundedSender<Vec<u32>>,
    /// Whether the poll that is answered next contains its request.
    is_reported: bool,
}

/// The end of an attempt, and the size of its report in bytes.
struct End {
    state: HeldState,
    bytes: u64,
}

impl End {
    /// Cuts the texts that come from user code or other workers, so that any end fits into a poll.
    fn new(mut state: HeldState) -> Self {
        state.cut();
        if let HeldState::Failed { lost, .. } = &mut state {
            lost.truncate(LOST_MAX);
        }
        // An end whose size cannot be computed is reported alone.
        let bytes = bincode::serialized_size(&state).unwrap_or(POLL_BYTES_MAX);
        End { state, bytes }
    }
}

/// An attempt to start.
pub(super) struct Start {
    pub(super) order: Order,
    /// True when it must stop.
    pub(super) stop: watch::Receiver<bool>,
    /// Receives the maps that it has asked for.
    pub(super) more: mpsc::UnboundedReceiver<Vec<u32>>,
}

impl HeldAttempts {
    pub(super) fn new() -> Self {
        HeldAttempts {
            inner: Mutex::default(),
            news: watch::Sender::new(0),
            busy: watch::Sender::new(0),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No statement that can panic leaves the pages inconsistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all held attempts for the next poll. Ends that do not fit are shown as running, and later polls report
    /// them.
    pub(super) fn report(&self) -> Vec<Held> {
        let mut inner = self.inner();
        let reported = inner.next_ends();
        let is_reported: BTreeSet<AttemptId> = reported.iter().copied().collect();
        let report = |(&attempt, entry): (&AttemptId, &mut Entry)| {
            entry.is_reported = true;
            let end = entry.end.as_ref().filter(|_| is_reported.contains(&attempt));
            let state = end.map_or(&entry.running, |end| &end.state).clone();
            Held { attempt, pid: entry.pid, state }
        };
        let held = inner.held.iter_mut().map(report).collect();
        inner.reported = reported;
        held
    }

    /// Records that a poll was answered.
    pub(super) fn confirm_reports(&self) {
        let mut inner = self.inner();
        (inner.is_alone, inner.note_refusal) = (false, None);
    }

    /// Records that the newest poll was refused permanently. From now on each end is reported alone. If the same one
    /// is refused repeatedly, its attempt fails with the refusal, and this returns that attempt.
    pub(super) fn note_refusal(&self, refusal: &Refusal) -> Option<AttemptId> {
        let mut inner = self.inner();
        inner.is_alone = true;
        let &[attempt] = &inner.reported[..] else { return None };
        let before =
            inner.note_refusal.filter(|(same, _)| *same == attempt).map_or(0, |(_, times)| times);
        inner.note_refusal = (before + 1 < REFUSALS_MAX).then_some((attempt, before + 1));
        if inner.note_refusal.is_some() {
            return None;
        }
        let message = format!("the master refuses this attempt's report: {refusal}");
        let failure = Failure::new(Cause::Exit, message);
        let state = HeldState::Failed { failure, lost: Vec::new() };
        inner.held.get_mut(&attempt)?.end = Some(End::new(state));
        Some(attempt)
    }

    pub(super) fn len(&self) -> usize {
        self.inner().held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner().held.is_empty()
    }

    /// Returns the jobs whose attempts are held or still being killed.
    pub(super) fn jobs(&self) -> BTreeSet<JobId> {
        let inner = self.inner();
        inner.held.keys().chain(&inner.busy).map(|attempt| attempt.task.job).collect()
    }

    /// Returns a receiver that changes whenever there is something to report.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Stops and removes attempts that are no longer assigned, and answers those whose requests were in the last poll.
    /// Returns the attempts to start; none while the worker drains.
    pub(super) fn reconcile(&self, orders: Vec<Order>, is_draining: bool) -> Vec<Start> {
        let mut inner = self.inner();
        let ordered: BTreeSet<AttemptId> = orders.iter().map(|order| order.attempt).collect();
        inner.held.retain(|attempt, entry| {
            let stays = ordered.contains(attempt);
            if !stays {
                entry.stop.send_replace(true);
            }
            stays
        });
        let mut starts = Vec::new();
        for order in orders {
            let attempt = order.attempt;
            if let Some(entry) = inner.held.get_mut(&attempt) {
                entry.answer(&order.work);
            }
            // If an attempt that is still being killed is wanted, the next answer assigns it again.
            if is_draining || inner.held.contains_key(&attempt) || !inner.busy.insert(attempt) {
                continue;
            }
            let (stopper, stop) = watch::channel(false);
            let (giver, more) = mpsc::unbounded_channel();
            let joined = joined(&order.work);
            let running =
                HeldState::Running { progress: 0.0, bytes: 0, fetched: 0, joined, wants: 0 };
            let entry = Entry {
                pid: 0,
                running,
                end: None,
                stop: stopper,
                more: giver,
                is_reported: false,
            };
            inner.held.insert(attempt, entry);
            starts.push(Start { order, stop, more });
        }
        self.busy.send_replace(inner.busy.len());
        starts
    }

    /// Records the process id of an attempt's executor.
    pub(super) fn started(&self, attempt: AttemptId, pid: u32) {
        if let Some(entry) = self.inner().held.get_mut(&attempt) {
            entry.pid = pid;
        }
    }

    /// Records an attempt's progress, from 0 to 1, and the total in bytes.
    pub(super) fn progressed(&self, attempt: AttemptId, now: f64, of: u64) {
        if let Some(Entry { running: HeldState::Running { progress, bytes, .. }, .. }) =
            self.inner().held.get_mut(&attempt)
        {
            (*progress, *bytes) = (now, of);
        }
    }

    /// Records that a map attempt asks for up to this many maps.
    pub(super) fn wanted(&self, attempt: AttemptId, maps: u32) {
        if let Some(entry) = self.inner().held.get_mut(&attempt)
            && let HeldState::Running { wants, .. } = &mut entry.running
        {
            *wants = maps;
            entry.is_reported = false;
        }
        self.news.send_modify(|count| *count += 1);
    }

    /// Records how many map outputs a reduce has.
    pub(super) fn fetched(&self, attempt: AttemptId, now: u32) {
        if let Some(Entry { running: HeldState::Running { fetched, .. }, .. }) =
            self.inner().held.get_mut(&attempt)
        {
            *fetched = now;
        }
    }

    /// Records an attempt's end. Returns false if the attempt is no longer held.
    pub(super) fn end(&self, attempt: AttemptId, state: HeldState) -> bool {
        let end = End::new(state);
        let is_held = self.inner().held.get_mut(&attempt).map(|entry| entry.end(end)).is_some();
        self.news.send_modify(|count| *count += u64::from(is_held));
        is_held
    }

    /// Records that an attempt's task has ended and has left nothing behind.
    pub(super) fn remove_ended(&self, attempt: AttemptId) {
        let mut inner = self.inner();
        inner.busy.remove(&attempt);
        self.busy.send_replace(inner.busy.len());
    }

    /// Stops and removes everything.
    pub(super) fn stop_all(&self) {
        let _nothing_starts = self.reconcile(Vec::new(), true);
    }

    /// Waits until no attempt's task runs.
    pub(super) async fn all_ended(&self) {
        // The sender belongs to `self`, so waiting cannot fail.
        let mut busy = self.busy.subscribe();
        let _gone = busy.wait_for(|&busy| busy == 0).await;
    }
}

impl Inner {
    /// The ends that the next poll reports: all of them, or as many as fit, beginning after the last one that was
    /// reported. After a refusal it is a single end, and the one that was refused alone is sent again.
    fn next_ends(&self) -> Vec<AttemptId> {
        let ended = || self.held.iter().filter_map(|(&id, entry)| Some((id, entry.end.as_ref()?)));
        let last = self.reported.last().copied();
        let is_behind = |attempt| match self.note_refusal {
            Some((again, _)) => attempt >= again,
            None => last.is_some_and(|last| attempt > last),
        };
        let behind = ended().filter(|&(attempt, _)| is_behind(attempt));
        let before = ended().filter(|&(attempt, _)| !is_behind(attempt));
        let mut bytes = 0_u64;
        let fits = |(number, (_, end)): &(usize, (AttemptId, &End))| {
            bytes = bytes.saturating_add(end.bytes);
            *number == 0 || bytes <= POLL_BYTES_MAX && !self.is_alone
        };
        behind.chain(before).enumerate().take_while(fits).map(|(_, (attempt, _))| attempt).collect()
    }
}

impl Entry {
    fn end(&mut self, end: End) {
        if let HeldState::Running { wants, .. } = &mut self.running {
            *wants = 0;
        }
        self.end = Some(end);
    }

    /// Passes on the maps that have joined the attempt since, or that there are none, once a poll has reported its
    /// request.
    fn answer(&mut self, work: &Work) {
        let HeldState::Running { joined: known, wants, .. } = &mut self.running else { return };
        let Work::Map { joined, .. } = work else { return };
        let new = joined.get(*known as usize..).unwrap_or_default();
        if *wants > 0 && (self.is_reported || !new.is_empty()) {
            (*known, *wants) = (*known + new.len() as u32, 0);
            // An attempt that has ended no longer needs the maps.
            let _heard_or_gone = self.more.send(new.to_vec());
        }
    }
}

/// Returns how many maps have joined an attempt, according to its assignment.
fn joined(work: &Work) -> u32 {
    match work {
        Work::Map { joined, .. } => u32::try_from(joined.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Nonce, TaskKind};
    use crate::rpc::artifacts::Digest;
    use crate::rpc::workers::Done;

    fn order(index: u32) -> Order {
        Order {
            attempt: JobId(1).task(TaskKind::Map, index).attempt(1),
            nonce: Nonce(1),
            executable: Digest(1),
            spec: Digest(2),
            work: Work::Sweep,
            is_map_only: false,
            timeout_ms: 0,
        }
    }

    #[test]
    fn differences_between_orders_and_held_attempts_are_started_and_stopped() {
        let held_attempts = HeldAttempts::new();
        let starts = held_attempts.reconcile(vec![order(0), order(1)], false);
        assert_eq!(starts.len(), 2);
        assert!(
            held_attempts.reconcile(vec![order(0), order(1)], false).is_empty(),
            "they are held"
        );

        assert!(held_attempts.reconcile(vec![order(1)], false).is_empty());
        assert!(*starts[0].stop.borrow() && !*starts[1].stop.borrow());
        assert!(
            !held_attempts.end(order(0).attempt, HeldState::Done(Done::Sweep)),
            "it is no longer held"
        );
        assert!(
            held_attempts.reconcile(vec![order(0), order(1)], false).is_empty(),
            "it is being killed"
        );
        held_attempts.remove_ended(order(0).attempt);
        assert!(held_attempts.reconcile(vec![order(0), order(1)], true).is_empty(), "it drains");
        assert_eq!(held_attempts.reconcile(vec![order(0), order(1)], false).len(), 1);

        let news = held_attempts.news();
        assert!(held_attempts.end(order(1).attempt, HeldState::Done(Done::Sweep)));
        assert!(news.has_changed().unwrap());
        assert_eq!(held_attempts.report()[1].state, HeldState::Done(Done::Sweep));
    }

    /// This many held attempts that have failed, each with the longest possible report.
    fn failed(attempts: u32) -> HeldAttempts {
        let held_attempts = HeldAttempts::new();
        held_attempts.reconcile((0..attempts).map(order).collect(), false);
        for index in 0..attempts {
            let failure = Failure {
                details: vec!["d".repeat(5 << 10); 200],
                ..Failure::new(Cause::UserError, "m".repeat(1 << 20))
            };
            held_attempts
                .end(order(index).attempt, HeldState::Failed { failure, lost: Vec::new() });
        }
        held_attempts
    }

    /// The indexes of the attempts whose end the next poll reports. Checks that the poll holds all attempts, and is
    /// small.
    fn ends(held_attempts: &HeldAttempts, attempts: usize) -> Vec<u32> {
        let held = held_attempts.report();
        assert_eq!(held.len(), attempts);
        let bytes: u64 =
            held.iter().map(|held| bincode::serialized_size(&held.state).unwrap()).sum();
        assert!(bytes < 2 * POLL_BYTES_MAX, "{bytes}");
        let ended = held.iter().filter(|held| !matches!(held.state, HeldState::Running { .. }));
        ended.map(|held| held.attempt.task.index).collect()
    }

    #[test]
    fn reports_that_do_not_fit_into_one_poll_are_split_over_several() {
        let held_attempts = failed(60);
        let first = ends(&held_attempts, 60);
        assert!((1..60).contains(&(first.len() as u32)), "{first:?}");
        // Even if the master acknowledges none of them, each end is reported in turn.
        let mut seen: BTreeSet<u32> = first.into_iter().collect();
        for _ in 0..10 {
            seen.extend(ends(&held_attempts, 60));
        }
        assert_eq!(seen.len(), 60);
    }

    #[test]
    fn report_that_is_refused_for_good_ends_its_attempt_alone() {
        let held_attempts = failed(3);
        let bad = order(1).attempt;
        let refusal = Refusal::Invalid { message: "too odd".into() };
        let (mut replaced, mut polls) = (None, 0);
        while replaced.is_none() && polls < 50 {
            polls += 1;
            // The master refuses each poll that reports the second attempt's end.
            if ends(&held_attempts, 3).contains(&1) {
                replaced = held_attempts.note_refusal(&refusal);
            } else {
                held_attempts.confirm_reports();
            }
        }
        assert_eq!(replaced, Some(bad), "after {polls} polls");
        held_attempts.confirm_reports();
        let held = held_attempts.report();
        let HeldState::Failed { failure, .. } = &held[1].state else { panic!("{held:?}") };
        let expected = "the master refuses this attempt's report: too odd";
        assert_eq!((failure.cause, failure.message.as_str()), (Cause::Exit, expected));
        let HeldState::Failed { failure, .. } = &held[0].state else { panic!("{held:?}") };
        assert_eq!(failure.cause, Cause::UserError, "the others are reported as they are");
    }
}
