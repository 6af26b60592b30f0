//! Recent events, for event streams. They are recorded while changes are applied, so they are the same on every master.
//!
//! An event is named by its entry in the log and its place in that entry. All masters apply the same entries, so a
//! client can continue a stream at another master.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use super::state::{Applied, Change, State};
use crate::model::{
    AttemptId, AttemptState, Cause, JobId, JobState, TaskKind, WorkerId, WorkerState,
};
use crate::scheduler::{Command, Effect};

/// Most events that are kept. A client that has missed more must reload everything.
const REMEMBERED_MAX: usize = 16_384;
/// Number of states of an attempt. Ended attempts are counted by their last state.
const STATES: usize = AttemptState::ALL.len();

/// The id of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// The log entry.
    pub index: u64,
    /// Position among the events of that entry, from 1.
    pub place: u32,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A job was submitted.
    Submitted {
        /// The job.
        job: JobId,
        /// Its name.
        name: String,
    },
    /// A job's state changed.
    Moved {
        /// The job.
        job: JobId,
        /// Its new state.
        state: JobState,
    },
    /// A job was removed from the history.
    Forgotten {
        /// The job.
        job: JobId,
    },
    /// An attempt was given a slot.
    Started {
        /// The attempt.
        attempt: AttemptId,
        /// Its worker.
        worker: WorkerId,
    },
    /// An attempt ended.
    Ended {
        /// The attempt.
        attempt: AttemptId,
        /// How it ended.
        state: AttemptState,
        /// Why it did not win.
        cause: Cause,
    },
    /// A worker registered.
    Registered {
        /// The worker.
        worker: WorkerId,
        /// Its number of slots.
        slots: u32,
    },
    /// A worker takes no new attempts.
    Draining {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker has left: it was asked to end, or was drained.
    Left {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker is lost.
    Lost {
        /// The worker.
        worker: WorkerId,
    },
    /// The output of a finished map was lost.
    OutputLost {
        /// The attempt that made it.
        attempt: AttemptId,
    },
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its time, in milliseconds since 1970.
    pub at_ms: u64,
    /// The event.
    pub what: What,
}

/// Totals since this master began to apply the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Happened {
    /// Submitted jobs.
    pub submitted: u64,
    /// Started attempts.
    pub started: u64,
    /// Ended attempts, by outcome.
    pub ended: [u64; STATES],
    /// Lost workers.
    pub lost: u64,
    /// Bytes read by successful maps and reduces.
    pub bytes_read: u64,
}

/// The events that are kept.
#[derive(Debug, Default)]
pub(super) struct Events {
    all: VecDeque<Event>,
    /// Every later event is kept.
    since: EventId,
    happened: Happened,
}

impl What {
    /// Whether people should see it. Starts and successes of attempts are left out, because there are too many of
    /// them.
    pub fn is_notable(&self) -> bool {
        !matches!(self, Self::Started { .. } | Self::Ended { state: AttemptState::Succeeded, .. })
    }

    /// The job that it concerns, if any.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Submitted { job, .. } | Self::Moved { job, .. } | Self::Forgotten { job } => {
                Some(*job)
            }
            Self::Started { attempt, .. }
            | Self::Ended { attempt, .. }
            | Self::OutputLost { attempt } => Some(attempt.task.job),
            Self::Registered { .. }
            | Self::Draining { .. }
            | Self::Left { .. }
            | Self::Lost { .. } => None,
        }
    }
}

impl fmt::Display for EventId {
    /// Its written form, such as `4711.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.place)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (index, place) = text.split_once('.').ok_or(())?;
        let id = Self { index: index.parse().map_err(drop)?, place: place.parse().map_err(drop)? };
        if id.to_string() == text { Ok(id) } else { Err(()) }
    }
}

impl Events {
    /// Starts after the entry of a loaded state. Earlier events are unknown.
    pub(super) fn behind(index: u64) -> Self {
        Self { since: EventId { index, place: u32::MAX }, ..Self::default() }
    }

    /// Applies changes in order, and records their events.
    pub(super) fn apply_all(
        &mut self,
        state: &mut State,
        index: u64,
        at_ms: u64,
        changes: Vec<Change>,
    ) -> Vec<Applied> {
        let apply = |change| {
            let before = Before::of(state, &change);
            let bytes_in = match &change {
                Change::Decide(Command::Complete(complete)) => complete.volume.usage.bytes_in,
                _ => 0,
            };
            let applied = state.apply(at_ms, change);
            if let Ok(effects) = &applied {
                self.happened.bytes_read = self.happened.bytes_read.saturating_add(bytes_in);
                before.tell(state, effects, |what| self.note(index, at_ms, what));
            }
            applied
        };
        changes.into_iter().map(apply).collect()
    }

    fn note(&mut self, index: u64, at_ms: u64, what: What) {
        match what {
            What::Submitted { .. } => self.happened.submitted += 1,
            What::Started { .. } => self.happened.started += 1,
            What::Ended { state, .. } => self.happened.ended[state as usize] += 1,
            What::Lost { .. } => self.happened.lost += 1,
            _ => {}
        }
        if self.all.len() == REMEMBERED_MAX
            && let Some(oldest) = self.all.pop_front()
        {
            self.since = oldest.id;
        }
        let last = self.all.back().map(|event| event.id).filter(|last| last.index == index);
        let id = EventId { index, place: last.map_or(1, |last| last.place + 1) };
        self.all.push_back(Event { id, at_ms, what });
    }

    /// The newest event.
    pub(super) fn last(&self) -> EventId {
        self.all.back().map_or(self.since, |event| event.id)
    }

    /// Whether this event is kept, or is the last one before the kept ones. An id that is still to come belongs to
    /// another cluster.
    pub(super) fn has_known(&self, event: EventId) -> bool {
        (self.since..=self.last()).contains(&event)
    }

    /// Returns matching events after a given one, up to this number, and the last event that was examined.
    pub(super) fn after(
        &self,
        after: EventId,
        is_wanted: impl Fn(&What) -> bool,
        max: usize,
    ) -> (Vec<Event>, EventId) {
        let first = self.all.partition_point(|event| event.id <= after);
        let (mut found, mut until) = (Vec::new(), after.clamp(self.since, self.last()));
        for event in self.all.range(first..) {
            if found.len() == max {
                break;
            }
            until = event.id;
            if is_wanted(&event.what) {
                found.push(event.clone());
            }
        }
        (found, until)
    }

    /// Returns the newest matching events, up to this number, newest first.
    pub(super) fn newest(&self, is_wanted: impl Fn(&What) -> bool, max: usize) -> Vec<Event> {
        self.all.iter().rev().filter(|event| is_wanted(&event.what)).take(max).cloned().collect()
    }

    pub(super) fn happened(&self) -> &Happened {
        &self.happened
    }
}

/// The facts that must be known before a change is applied, to derive its events.
struct Before {
    whats: Vec<What>,
    /// Jobs whose state may change, and their states.
    jobs: Vec<(JobId, JobState)>,
}

impl Before {
    fn of(state: &State, change: &Change) -> Self {
        let mut before = Self { whats: Vec::new(), jobs: Vec::new() };
        match change {
            Change::Accept { submit, .. } => {
                before.whats.push(What::Submitted { job: submit.job, name: submit.name.clone() });
            }
            Change::Plan { done, .. } => before.end(state, done.attempt, None),
            Change::Introduce { register, .. } => {
                let worker = register.worker;
                before.lose(state, worker, false);
                before.whats.push(What::Registered { worker, slots: register.slots });
            }
            Change::Decide(command) => before.decide(state, command),
            Change::Swept { .. } => {}
        }
        before
    }

    fn decide(&mut self, state: &State, command: &Command) {
        match command {
            Command::Complete(complete) => self.end(state, complete.attempt, None),
            Command::Fail(fail) => self.end(state, fail.attempt, Some(fail.failure.cause)),
            Command::TimeOut(late) => self.watch_job(state, late.attempt.task.job),
            Command::LoseOutput(lose) => {
                self.whats.push(What::OutputLost { attempt: lose.attempt });
                self.watch_job(state, lose.attempt.task.job);
            }
            Command::LoseWorker(lose) => self.lose(state, lose.worker, false),
            Command::Leave(leave) => self.lose(state, leave.worker, true),
            Command::RestoreOutputs(_) => self.watch_all(state),
            Command::Drain(drain) => self.whats.push(What::Draining { worker: drain.worker }),
            Command::Cancel(cancel) => self.watch_job(state, cancel.job),
            Command::Forget(forget) => self.whats.push(What::Forgotten { job: forget.job }),
            _ => {}
        }
    }

    /// An attempt reports its end.
    fn end(&mut self, state: &State, attempt: AttemptId, cause: Option<Cause>) {
        let end = if cause.is_some() { AttemptState::Failed } else { AttemptState::Succeeded };
        let cause = cause.unwrap_or(Cause::None);
        self.whats.push(What::Ended { attempt, state: end, cause });
        self.watch_job(state, attempt.task.job);
    }

    /// A worker is lost with everything that it runs, and jobs may have to map again.
    fn lose(&mut self, state: &State, worker: WorkerId, says_goodbye: bool) {
        let Some(view) = state.scheduler.worker(worker) else { return };
        let is_missed = !says_goodbye && view.state != WorkerState::Drained;
        self.whats.push(if is_missed { What::Lost { worker } } else { What::Left { worker } });
        let held = state.scheduler.should_hold(worker, view.incarnation).into_iter().flatten();
        let (end, cause) = match says_goodbye {
            true => (AttemptState::Killed, Cause::Killed),
            false => (AttemptState::Lost, Cause::WorkerLost),
        };
        self.whats.extend(held.map(|&attempt| What::Ended { attempt, state: end, cause }));
        self.watch_all(state);
    }

    fn watch_job(&mut self, state: &State, job: JobId) {
        self.jobs.extend(state.scheduler.job(job).map(|job| (job.id(), job.state())));
    }

    fn watch_all(&mut self, state: &State) {
        let live = state.scheduler.jobs().filter(|job| !job.state().is_terminal());
        self.jobs.extend(live.map(|job| (job.id(), job.state())));
    }

    /// Derives the events from the effects.
    fn tell(self, state: &State, effects: &[Effect], mut note: impl FnMut(What)) {
        let Self { whats, jobs } = self;
        whats.into_iter().for_each(&mut note);
        for effect in effects {
            if let &Effect::Stop { attempt, cause, .. } = effect {
                let is_late = cause == Cause::Timeout;
                let state = if is_late { AttemptState::Failed } else { AttemptState::Killed };
                note(What::Ended { attempt, state, cause });
            }
        }
        for (job, was) in jobs {
            if let Some(now) =
                state.scheduler.job(job).map(|job| job.state()).filter(|&it| it != was)
            {
                note(What::Moved { job, state: now });
            }
        }
        for effect in effects {
            if let &Effect::Start { attempt, worker } = effect {
                note(What::Started { attempt, worker });
                if attempt.task.kind == TaskKind::Plan && attempt.number == 1 {
                    note(What::Moved { job: attempt.task.job, state: JobState::Planning });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgotten(job: u64) -> What {
        What::Forgotten { job: JobId(job) }
    }

    #[test]
    fn events_are_numbered_within_their_entry_and_come_in_order() {
        let mut events = Events::default();
        for (index, job) in [(7, 1), (7, 2), (9, 1), (9, 2)] {
            events.note(index, 0, forgotten(job));
        }
        let of_one = |what: &What| what.job() == Some(JobId(1));
        let heard = |after: &str, max| {
            let (found, until) = events.after(after.parse().unwrap(), of_one, max);
            let ids: Vec<String> = found.iter().map(|event| event.id.to_string()).collect();
            (ids.join(" "), until.to_string())
        };
        assert_eq!(heard("0.0", 9), ("7.1 9.1".into(), "9.2".into()));
        assert_eq!(heard("0.0", 1), ("7.1".into(), "7.1".into()));
        assert_eq!(heard("7.1", 9), ("9.1".into(), "9.2".into()));
        assert_eq!(heard("9.2", 9), (String::new(), "9.2".into()));
    }

    #[test]
    fn forgotten_events_are_reported_as_a_gap() {
        let has_known = |events: &Events, id: &str| events.has_known(id.parse().unwrap());
        assert!(
            has_known(&Events::default(), "0.0"),
            "a log that begins here is known from its beginning"
        );
        let mut events = Events::behind(40);
        assert!(!has_known(&events, "40.1"), "a state does not tell how it came to that");
        assert!(has_known(&events, &events.last().to_string()));
        assert!(!has_known(&events, "4711.1"), "that was of another cluster");
        assert_eq!(events.after("4711.1".parse().unwrap(), |_| true, 9).1, events.last());
        assert_eq!(events.after("7.1".parse().unwrap(), |_| true, 9).1, events.last());
        for _ in 0..REMEMBERED_MAX {
            events.note(41, 0, forgotten(1));
        }
        assert!(has_known(&events, "41.0"));
        events.note(41, 0, forgotten(1));
        assert!(!has_known(&events, "41.0") && has_known(&events, "41.1"));
        assert_eq!(events.all.len(), REMEMBERED_MAX);
    }

    #[test]
    fn an_id_has_one_written_form() {
        for text in ["0.0", "4711.2"] {
            assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
        }
        for text in ["", "1", "1.", ".1", "01.1", "1.+1", "1.2.3", "-1.0"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
