//! The state of this master alone: when workers polled, which requests wait, and the progress of attempts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Notify;

use super::state::State;
use super::sweeps::Sweeps;
use crate::model::{AttemptId, JobId, JobState, Room, TaskId, TaskKind, WorkerId};
use crate::rpc::jobs::JobStatus;
use crate::rpc::workers::{Held, HeldState, Poll};
use crate::scheduler::{Effect, Observed, Sign};

/// Lease of a worker whose connection was closed, in milliseconds.
pub(super) const CLOSED_LEASE_MS: u64 = 250;
/// Shortest lease that a new leader gives, in milliseconds. Workers that found no leader for a while retry once a
/// second.
const FIRST_LEASE_MS_MIN: u64 = 3_000;
/// Pause before a commit's second attempt, in milliseconds; doubled with each further one.
const COMMIT_PAUSE_MS: u64 = 200;
/// Longest pause between a commit's attempts, in milliseconds.
const COMMIT_PAUSE_MS_MAX: u64 = 10_000;

/// State of this master only.
#[derive(Debug, Default)]
pub(super) struct Volatile {
    sessions: BTreeMap<WorkerId, Session>,
    /// When lost workers last polled, for display.
    left_ms: BTreeMap<WorkerId, u64>,
    running: BTreeMap<AttemptId, Running>,
    /// Process ids of all attempts of remembered jobs, for display.
    pids: BTreeMap<AttemptId, u32>,
    /// Map outputs that a reduce has reported as missing.
    pub(super) missed: BTreeSet<AttemptId>,
    /// When paused attempts may start. A new leader starts these pauses again.
    begin_ms: BTreeMap<AttemptId, u64>,
    /// Attempts whose reported end is being proposed.
    pub(super) settling: BTreeSet<AttemptId>,
    pub(super) sweeps: Sweeps,
    pub(super) observed: Observed,
    /// The last status returned for each job, with its version.
    last_statuses: BTreeMap<JobId, JobStatus>,
    tickets: u64,
    /// Whether the last request to a majority of the masters failed.
    pub(super) is_cut_off: bool,
    /// Time before which no lease ends, because workers that found no leader for a while retry rarely.
    grace_ends_ms: u64,
    pub(super) last_tick_ms: u64,
    pub(super) last_watch_ms: u64,
    pub(super) last_cleaning_ms: u64,
}

/// A worker's session: what its polls say about it.
#[derive(Debug)]
pub(super) struct Session {
    incarnation: u128,
    sequence: u64,
    /// This master's number of the newest poll.
    ticket: u64,
    /// Wakes that poll if it is waiting.
    wake: Arc<Notify>,
    /// Deadline for the answer of the waiting poll.
    pub(super) answer_at_ms: Option<u64>,
    pub(super) last_seen_ms: u64,
    pub(super) lease_ends_ms: u64,
    /// Whether the worker has polled since this master began to lead. Until then, its attempts are unknown.
    pub(super) is_heard: bool,
    /// All attempts that the worker may hold: those in its newest poll and those in the answer to it.
    pub(super) holds: BTreeSet<AttemptId>,
    /// Memory and disk of the worker's machine, from its newest poll.
    pub(super) room: Room,
    /// The last poll that was answered, and the answer.
    pub(super) last: Option<(PollState, Answer)>,
}

/// The part of a poll that affects the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PollState {
    pub(super) held: BTreeMap<AttemptId, HeldAs>,
    pub(super) jobs: BTreeSet<JobId>,
}

/// The state of an attempt that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldAs {
    Running {
        /// Maps that have joined the attempt, as far as the worker knows.
        joined: u32,
        /// The number of further maps that the attempt can take.
        wants: u32,
    },
    Ended,
}

/// An answer, without the details of each assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) attempts: BTreeSet<AttemptId>,
    /// How many maps have joined each attempt that has joined maps.
    pub(super) joined: BTreeMap<AttemptId, u32>,
    pub(super) keep: BTreeSet<JobId>,
    pub(super) may_leave: bool,
}

/// What a worker reports about a running attempt.
#[derive(Debug, Clone, Copy, Default)]
struct Running {
    progress: f64,
    /// Its size, in bytes.
    bytes: u64,
    fetched: u32,
    /// Maps that have joined it.
    joined: u32,
    /// Increases whenever the other values do, or while the attempt has a good reason to wait.
    work: u64,
}

/// The total progress of a job's running attempts of one kind of task.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct UnderWay {
    /// In tasks.
    pub(super) tasks: f64,
    /// In bytes, for the tasks whose size is known.
    pub(super) bytes: f64,
    /// Total bytes of those tasks, finished or not, and the number of those tasks.
    pub(super) known_bytes: u64,
    pub(super) known: u32,
}

impl PollState {
    pub(super) fn of(poll: &Poll) -> Self {
        let how = |held: &Held| match held.state {
            HeldState::Running { joined, wants, .. } => HeldAs::Running { joined, wants },
            _ => HeldAs::Ended,
        };
        let held = poll.held.iter().map(|held| (held.attempt, how(held))).collect();
        Self { held, jobs: poll.jobs.iter().copied().collect() }
    }
}

impl Session {
    pub(super) fn ticket(&self) -> u64 {
        self.ticket
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Volatile {
    /// Begins to lead. All workers get a new lease in which to poll, and running attempts continue. The old contents
    /// are dropped, and waiting requests are woken.
    pub(super) fn take_over(&mut self, state: &State, now_ms: u64, lease_ms: u64) {
        self.wake_all();
        // Ticket numbers continue, so that an old poll is never mistaken for a new one.
        *self = Self { tickets: self.tickets, last_tick_ms: now_ms, ..Self::default() };
        let lease_ms = lease_ms.max(FIRST_LEASE_MS_MIN);
        self.grace_ends_ms = now_ms.saturating_add(lease_ms);
        self.open_missing(state, now_ms, lease_ms);
        state.unswept().for_each(|job| self.sweeps.add(job));
    }

    /// Gives a lease to each registered worker without a session. Such a worker exists if its
    /// connection was closed while its registration was being committed.
    pub(super) fn open_missing(&mut self, state: &State, now_ms: u64, lease_ms: u64) {
        for worker in state.scheduler.workers() {
            let Some(record) = state.worker(worker.id) else { continue };
            if self.sessions.contains_key(&worker.id) {
                continue;
            }
            self.open_session(worker.id, record.incarnation, now_ms, lease_ms);
            if let Some(session) = self.session_mut(worker.id) {
                session.is_heard = false;
            }
        }
    }

    /// Records that a majority of the masters answers. If it did not before, or if nothing was committed for so long
    /// that workers may have tried other masters, all workers get a new lease, as under a new leader.
    pub(super) fn end_silence(&mut self, now_ms: u64, lease_ms: u64) {
        let is_late = now_ms.saturating_sub(self.last_tick_ms) >= lease_ms / 3;
        if std::mem::take(&mut self.is_cut_off) || is_late {
            // More than the time by which leases would otherwise be extended.
            self.last_tick_ms = now_ms;
            self.grace_ends_ms = now_ms.saturating_add(lease_ms.max(FIRST_LEASE_MS_MIN));
            for session in self.sessions.values_mut() {
                session.lease_ends_ms = session.lease_ends_ms.max(self.grace_ends_ms);
            }
        }
    }

    /// Opens the session of a registered worker. If the same incarnation registers again, only its lease is renewed.
    pub(super) fn open_session(
        &mut self,
        worker: WorkerId,
        incarnation: u128,
        now_ms: u64,
        lease_ms: u64,
    ) {
        let old = self.sessions.get_mut(&worker);
        if let Some(session) = old.filter(|session| session.incarnation == incarnation) {
            session.last_seen_ms = now_ms;
            session.lease_ends_ms = now_ms.saturating_add(lease_ms);
            return;
        }
        let session = Session {
            incarnation,
            sequence: 0,
            ticket: 0,
            wake: Arc::default(),
            answer_at_ms: None,
            last_seen_ms: now_ms,
            lease_ends_ms: now_ms.saturating_add(lease_ms),
            // A new process holds nothing.
            is_heard: true,
            holds: BTreeSet::new(),
            room: Room::default(),
            last: None,
        };
        if let Some(old) = self.sessions.insert(worker, session) {
            old.wake();
        }
    }

    /// Registers a poll, which ends the one before. Returns its ticket and the signal that wakes it, or `None` if the
    /// poll is itself out of date.
    pub(super) fn begin_poll(
        &mut self,
        poll: &Poll,
        now_ms: u64,
        lease_ms: u64,
    ) -> Option<(u64, Arc<Notify>)> {
        if !self.sessions.contains_key(&poll.worker) {
            self.open_session(poll.worker, poll.incarnation, now_ms, lease_ms);
        }
        let session = self.sessions.get_mut(&poll.worker)?;
        if session.incarnation != poll.incarnation || poll.sequence < session.sequence {
            return None;
        }
        self.tickets += 1;
        session.ticket = self.tickets;
        session.sequence = poll.sequence;
        session.answer_at_ms = None;
        session.last_seen_ms = now_ms;
        session.lease_ends_ms = now_ms.saturating_add(lease_ms).max(self.grace_ends_ms);
        session.is_heard = true;
        session.room = poll.room;
        session.holds = poll.held.iter().map(|held| held.attempt).collect();
        session.wake();
        session.wake = Arc::default();
        Some((session.ticket, Arc::clone(&session.wake)))
    }

    pub(super) fn session(&self, worker: WorkerId) -> Option<&Session> {
        self.sessions.get(&worker)
    }

    pub(super) fn session_mut(&mut self, worker: WorkerId) -> Option<&mut Session> {
        self.sessions.get_mut(&worker)
    }

    pub(super) fn sessions_mut(&mut self) -> impl Iterator<Item = (WorkerId, &mut Session)> {
        self.sessions.iter_mut().map(|(&worker, session)| (worker, session))
    }

    /// Removes a lost worker. If a poll of this worker is waiting, it ends.
    pub(super) fn close_if_lost(&mut self, state: &State, worker: WorkerId) {
        let is_lost = |session: &&Session| state.registered(worker, session.incarnation).is_none();
        if let Some(session) = self.sessions.get(&worker).filter(is_lost) {
            session.wake();
            self.left_ms.insert(worker, session.last_seen_ms);
            self.sessions.remove(&worker);
            self.left_ms.retain(|&worker, _| state.worker(worker).is_some());
        }
    }

    /// When a worker last polled this master, if ever.
    pub(super) fn last_seen_ms(&self, worker: WorkerId) -> Option<u64> {
        let session = self.sessions.get(&worker).map(|session| session.last_seen_ms);
        session.or_else(|| self.left_ms.get(&worker).copied())
    }

    pub(super) fn connection_closed(&mut self, worker: WorkerId, now_ms: u64) {
        if let Some(session) = self.sessions.get_mut(&worker) {
            let ends_ms = now_ms.saturating_add(CLOSED_LEASE_MS).max(self.grace_ends_ms);
            session.lease_ends_ms = session.lease_ends_ms.min(ends_ms);
        }
    }

    pub(super) fn wake(&self, worker: WorkerId) {
        if let Some(session) = self.sessions.get(&worker) {
            session.wake();
        }
    }

    /// Wakes the poll of the worker that holds an attempt: a report of that attempt may have been ignored in the
    /// meantime.
    pub(super) fn wake_holder(&self, attempt: AttemptId) {
        let holds = |session: &&Session| session.holds.contains(&attempt);
        self.sessions.values().filter(holds).for_each(Session::wake);
    }

    pub(super) fn wake_all(&self) {
        self.sessions.values().for_each(Session::wake);
    }

    /// Wakes the polls whose answer changes because of an effect.
    pub(super) fn act(&mut self, state: &State, effect: &Effect) {
        match *effect {
            Effect::Start { worker, .. }
            | Effect::Stop { worker, .. }
            | Effect::WorkerDrained { worker } => self.wake(worker),
            Effect::JobEnded { job, state: end } => {
                let plan = job.task(TaskKind::Plan, 0);
                let job_state = state.scheduler.job(job);
                // A job that never started has no staging folder.
                if end != JobState::Succeeded
                    && job_state.is_some_and(|job| job.task(plan).is_some())
                {
                    self.sweeps.add(job);
                }
                self.missed.retain(|attempt| attempt.task.job != job);
                // Workers that have files of this job can remove them.
                self.wake_all();
            }
        }
    }

    /// Whether the worker of a started attempt should receive it now. The pause starts with the first call, before any
    /// worker has received the attempt. An attempt that its worker already holds is not withdrawn.
    pub(super) fn may_begin(&mut self, attempt: AttemptId, is_held: bool, now_ms: u64) -> bool {
        let pause_ms = pause_ms(attempt);
        if pause_ms == 0 {
            return true;
        }
        let pause_ms = if is_held { 0 } else { pause_ms };
        let begin_ms = self.begin_ms.entry(attempt).or_insert(now_ms.saturating_add(pause_ms));
        is_held || *begin_ms <= now_ms
    }

    /// Records an attempt's progress. `may_wait`: whether the attempt has a good reason to make no progress.
    pub(super) fn note_running(&mut self, held: &Held, may_wait: bool, now_ms: u64) {
        if held.pid != 0 {
            self.pids.insert(held.attempt, held.pid);
        }
        let HeldState::Running { progress, bytes, fetched, joined, .. } = held.state else {
            return;
        };
        let running = self.running.entry(held.attempt).or_default();
        let progress = if progress.is_finite() { progress.clamp(0.0, 1.0) } else { 0.0 };
        if may_wait || progress > running.progress || fetched > running.fetched {
            running.work += 1;
        }
        (running.progress, running.bytes) = (progress, bytes);
        (running.fetched, running.joined) = (fetched, joined);
        // The value is between 0 and 1,000, so the conversion loses nothing.
        let sign = Sign { work: running.work, permille: (progress * 1_000.0) as u32 };
        self.observed.note(held.attempt, sign, now_ms);
    }

    /// Total progress of the running attempts of unfinished tasks. Of a task's attempt and its backup, only the one
    /// with more progress counts.
    pub(super) fn under_way(
        &self,
        job: JobId,
        kind: TaskKind,
        is_done: impl Fn(TaskId) -> bool,
    ) -> UnderWay {
        let range = job.task(kind, 0).attempt(0)..=job.task(kind, u32::MAX).attempt(u32::MAX);
        let mut tasks: BTreeMap<TaskId, &Running> = BTreeMap::new();
        // A successful attempt stays here until the next tick.
        let running = self.running.range(range).filter(|(attempt, _)| !is_done(attempt.task));
        for (attempt, running) in running {
            let furthest = tasks.entry(attempt.task).or_insert(running);
            if furthest.progress < running.progress {
                *furthest = running;
            }
        }
        tasks.values().fold(UnderWay::default(), |all, running| UnderWay {
            tasks: all.tasks + running.progress * f64::from(1 + running.joined),
            bytes: all.bytes + running.progress * running.bytes as f64,
            known_bytes: all.known_bytes.saturating_add(running.bytes),
            known: all.known + u32::from(running.bytes > 0),
        })
    }

    /// Bytes read by all running attempts.
    pub(super) fn bytes_under_way(&self) -> u64 {
        let bytes: f64 = self.running.values().map(|it| it.progress * it.bytes as f64).sum();
        // The float is rounded to an integer.
        bytes as u64
    }

    pub(super) fn pid(&self, attempt: AttemptId) -> u32 {
        self.pids.get(&attempt).copied().unwrap_or(0)
    }

    /// Removes finished attempts, and all attempts of forgotten jobs.
    pub(super) fn follow(&mut self, state: &State, now_ms: u64) {
        let running: BTreeSet<AttemptId> =
            state.scheduler.running().map(|(attempt, _)| attempt).collect();
        self.running.retain(|attempt, _| running.contains(attempt));
        self.begin_ms.retain(|attempt, _| running.contains(attempt));
        self.observed.follow(&state.scheduler, now_ms);
    }

    pub(super) fn forget(&mut self, job: JobId) {
        self.last_statuses.remove(&job);
        self.sweeps.remove(job);
        self.pids.retain(|attempt, _| attempt.task.job != job);
    }

    /// Gives a job's status its version, which increases if the status differs from the last one returned.
    pub(super) fn versioned(&mut self, mut status: JobStatus) -> JobStatus {
        let last = self.last_statuses.get(&status.id);
        status.version = last.map_or(1, |last| last.version);
        if last.is_some_and(|last| *last != status) {
            status.version += 1;
        }
        self.last_statuses.insert(status.id, status.clone());
        status
    }
}

/// The pause between an attempt's start and its assignment. A failed commit pauses before it is retried, because the
/// number of retries is not limited.
fn pause_ms(attempt: AttemptId) -> u64 {
    if attempt.task.kind != TaskKind::Commit || attempt.number < 2 {
        return 0;
    }
    let pause_ms = COMMIT_PAUSE_MS.saturating_mul(1 << (attempt.number - 2).min(20));
    pause_ms.min(COMMIT_PAUSE_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retried_commit_waits_once_and_is_never_withdrawn() {
        let commit = JobId(1).task(TaskKind::Commit, 0);
        let mut volatile = Volatile::default();
        assert!(
            volatile.may_begin(commit.attempt(1), false, 1_000),
            "the first one waits for nothing"
        );
        let again = commit.attempt(2);
        let seen = [1_000, 1_100, 1_199, 1_200].map(|ms| volatile.may_begin(again, false, ms));
        assert_eq!(seen, [false, false, false, true]);
        // The worker already received it under an earlier leader.
        let mut next = Volatile::default();
        assert!(next.may_begin(again, true, 5_000));
        assert!(next.may_begin(again, false, 5_000), "what was said before that comes late");
        let mut next = Volatile::default();
        assert!(!next.may_begin(again, false, 5_000));
        assert!(next.may_begin(again, true, 5_001), "whatever else was said of it");
    }

    #[test]
    fn task_counts_once_beside_its_backup_or_winner() {
        let mut volatile = Volatile::default();
        let job = JobId(1);
        let reports = [
            (TaskKind::Reduce, 0, 1, 0.5, 100),
            (TaskKind::Reduce, 0, 2, 0.25, 100),
            (TaskKind::Reduce, 3, 1, 0.125, 800),
            (TaskKind::Reduce, 4, 1, 1.0, 5_000),
            (TaskKind::Reduce, 5, 1, 0.0, 0),
            (TaskKind::Map, 0, 1, 1.0, 7),
        ];
        for (kind, index, number, progress, bytes) in reports {
            let attempt = job.task(kind, index).attempt(number);
            let state = HeldState::Running { progress, bytes, fetched: 0, joined: 0, wants: 0 };
            volatile.note_running(&Held { attempt, state, pid: 0 }, false, 0);
        }
        let under_way = |kind| volatile.under_way(job, kind, |task| task.index == 4);
        let reduces = UnderWay { tasks: 0.625, bytes: 150.0, known_bytes: 900, known: 2 };
        assert_eq!(under_way(TaskKind::Reduce), reduces);
        assert_eq!(under_way(TaskKind::Commit), UnderWay::default());
    }
}
