//! Computes speed and remaining time from a job's progress at several moments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::JobState;
use crate::rpc::jobs::{JobStatus, Tally};

/// Age of the oldest sample: older ones say nothing about a job's current speed.
const WINDOW: Duration = Duration::from_secs(20);
/// A remaining time is shown only after this much time and this share of the phase.
const GROUND: Duration = Duration::from_secs(2);
const GROUND_SHARE: f64 = 0.005;
/// After standing still for this long, a job shows no remaining time.
const STILL: Duration = Duration::from_secs(8);
/// Longer remaining times than this, a hundred hours, are not shown.
const LEFT_MAX_SECONDS: f64 = 360_000.0;

/// The phases of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Plan,
    Map,
    Reduce,
    Commit,
}

impl Phase {
    pub(super) const ALL: [Self; 4] = [Self::Plan, Self::Map, Self::Reduce, Self::Commit];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Map => "map",
            Self::Reduce => "reduce",
            Self::Commit => "commit",
        }
    }

    /// Returns the phase that a job is in; `None` once it has ended.
    pub(super) fn of(state: JobState) -> Option<Self> {
        match state {
            JobState::Waiting | JobState::Planning => Some(Self::Plan),
            JobState::Mapping => Some(Self::Map),
            JobState::Reducing => Some(Self::Reduce),
            JobState::Committing => Some(Self::Commit),
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => None,
        }
    }

    /// Returns the tally of the phase's tasks, if it can have several.
    pub(super) fn tally(self, status: &JobStatus) -> Option<&Tally> {
        match self {
            Self::Map => Some(&status.maps),
            Self::Reduce => Some(&status.reduces),
            Self::Plan | Self::Commit => None,
        }
    }
}

/// Samples of the current phase's progress, no older than [`WINDOW`].
#[derive(Debug, Default)]
pub(super) struct Meter {
    phase: Option<Phase>,
    samples: VecDeque<Sample>,
    /// When progress last increased.
    moved: Option<Instant>,
}

/// Progress at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    /// Share done, from 0 to 1.
    share: f64,
    /// Bytes read so far.
    bytes: u64,
}

impl Meter {
    /// Records the progress at this moment.
    pub(super) fn note(&mut self, status: &JobStatus, now: Instant) {
        let phase = Phase::of(status.state);
        let tally = phase.and_then(|phase| phase.tally(status)).copied().unwrap_or_default();
        let sample = Sample { at: now, share: tally.progress, bytes: tally.bytes_done };
        // Lost work must be redone, at a speed that is not known yet.
        let is_back = |last: &Sample| sample.share < last.share || sample.bytes < last.bytes;
        if phase != self.phase || self.samples.back().is_some_and(is_back) {
            self.samples.clear();
        }
        if self.samples.back().is_none_or(|last| sample.share > last.share) {
            self.moved = Some(now);
        }
        self.phase = phase;
        let is_old = |sample: &Sample| now.saturating_duration_since(sample.at) > WINDOW;
        while self.samples.front().is_some_and(is_old) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Returns the first and the last sample and the seconds between them, if they are far enough apart and progress is
    /// not stalled.
    fn ground(&self) -> Option<(Sample, Sample, f64)> {
        let (&first, &last) = (self.samples.front()?, self.samples.back()?);
        let time = last.at.saturating_duration_since(first.at);
        let still = last.at.saturating_duration_since(self.moved?);
        let is_ground = still < STILL && time >= GROUND && last.share - first.share >= GROUND_SHARE;
        is_ground.then_some((first, last, time.as_secs_f64()))
    }

    /// Returns the bytes read per second.
    pub(super) fn bytes_per_second(&self) -> Option<u64> {
        let (first, last, seconds) = self.ground()?;
        let rate = ((last.bytes - first.bytes) as f64 / seconds) as u64;
        (rate > 0).then_some(rate)
    }

    /// Returns the time until the phase ends at the current speed.
    pub(super) fn left(&self) -> Option<Duration> {
        let (first, last, seconds) = self.ground()?;
        let left = (1.0 - last.share) * seconds / (last.share - first.share);
        (left > 0.0 && left < LEFT_MAX_SECONDS).then(|| Duration::from_secs_f64(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// Reads the meter after these samples (seconds, share of a map of a hundred bytes): bytes per second, and whole
    /// seconds left.
    fn readings(samples: &[(u64, f64)]) -> (Option<u64>, Option<u64>) {
        let (begun, mut meter) = (Clock::system().now(), Meter::default());
        for &(seconds, share) in samples {
            let mut status = JobStatus::in_state(JobState::Mapping);
            let bytes_done = (100.0 * share).round() as u64;
            status.maps =
                Tally { progress: share, bytes_done, bytes_total: 100, ..Tally::default() };
            meter.note(&status, begun + Duration::from_secs(seconds));
        }
        let left = meter.left().map(|left| left.as_secs_f64().round() as u64);
        (meter.bytes_per_second(), left)
    }

    #[test]
    fn estimates_need_samples_and_stop_at_a_standstill() {
        type Row = (&'static str, &'static [(u64, f64)], (Option<u64>, Option<u64>));
        let table: [Row; 11] = [
            ("nothing was seen", &[], (None, None)),
            ("one look", &[(0, 0.4)], (None, None)),
            ("too early", &[(0, 0.0), (1, 0.1)], (None, None)),
            ("a fifth in ten seconds", &[(0, 0.0), (10, 0.2)], (Some(2), Some(40))),
            ("who joins late", &[(0, 0.5), (10, 0.6)], (Some(1), Some(40))),
            ("it stands for a moment", &[(0, 0.0), (10, 0.4), (16, 0.4)], (Some(2), Some(24))),
            ("it stands", &[(0, 0.0), (10, 0.4), (18, 0.4)], (None, None)),
            ("nothing moves", &[(0, 0.4), (10, 0.4), (19, 0.4)], (None, None)),
            ("it stopped long ago", &[(0, 0.0), (10, 0.4), (31, 0.4), (50, 0.4)], (None, None)),
            ("all is done", &[(0, 0.0), (10, 1.0)], (Some(10), None)),
            ("outputs were lost", &[(0, 0.0), (10, 0.4), (11, 0.3), (12, 0.31)], (None, None)),
        ];
        for (what, samples, wanted) in table {
            assert_eq!(readings(samples), wanted, "{what}");
        }
    }

    #[test]
    fn unknown_bytes_have_no_rate() {
        let (begun, mut meter) = (Clock::system().now(), Meter::default());
        for (seconds, progress) in [(0, 0.0), (10, 0.5)] {
            let mut status = JobStatus::in_state(JobState::Mapping);
            status.maps.progress = progress;
            meter.note(&status, begun + Duration::from_secs(seconds));
        }
        assert_eq!(meter.bytes_per_second(), None);
        assert_eq!(meter.left(), Some(Duration::from_secs(10)));
    }

    #[test]
    fn each_phase_begins_anew() {
        let (begun, mut meter) = (Clock::system().now(), Meter::default());
        let mut note = |state, seconds, share| {
            let mut status = JobStatus::in_state(state);
            status.maps = Tally { progress: share, ..Tally::default() };
            status.reduces = status.maps;
            meter.note(&status, begun + Duration::from_secs(seconds));
            meter.left().map(|left| left.as_secs())
        };
        assert_eq!(note(JobState::Mapping, 0, 0.0), None);
        assert_eq!(note(JobState::Mapping, 5, 0.5), Some(5));
        assert_eq!(note(JobState::Reducing, 6, 0.6), None);
        assert_eq!(note(JobState::Reducing, 8, 0.8), Some(2));
        assert_eq!(note(JobState::Committing, 9, 1.0), None);
        assert_eq!(note(JobState::Committing, 20, 1.0), None);
    }
}
