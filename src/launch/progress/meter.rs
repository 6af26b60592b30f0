//! Makes percent, rate and remaining time of what a run says about itself.

use std::time::{Duration, Instant};

use crate::embedded::{Phase, Progress};

/// How far a run is, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) phase: Phase,
    /// Of the phase; none where the end is not known.
    pub(super) percent: Option<u64>,
    /// Bytes of input that were read.
    pub(super) bytes: u64,
    /// Bytes of input per second, while it is read.
    pub(super) rate: Option<u64>,
    /// Until the phase ends.
    pub(super) left: Option<Duration>,
    /// Percent of the maps, whatever the phase.
    pub(super) maps: u64,
    /// Percent of the reduces, whatever the phase.
    pub(super) reduces: u64,
}

/// Remembers when the current phase began.
pub(super) struct Meter {
    phase: Phase,
    since: Instant,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Meter { phase: Phase::Planning, since: now }
    }

    pub(super) fn look(&mut self, progress: &Progress, now: Instant) -> Sight {
        let phase = progress.phase();
        if phase != self.phase {
            (self.phase, self.since) = (phase, now);
        }
        let elapsed = now.saturating_duration_since(self.since);
        let (bytes, total) = progress.bytes();
        let (reduced, reduces) = progress.reduces();
        let (read, reduced) = (part(bytes, total), part(reduced.into(), reduces.into()));
        let done = match phase {
            Phase::Mapping => read,
            Phase::Reducing => reduced,
            _ => None,
        };
        let past_maps = matches!(phase, Phase::Reducing | Phase::Committing | Phase::Done);
        Sight {
            phase,
            percent: done.map(percent),
            bytes,
            rate: (phase == Phase::Mapping).then(|| per_second(bytes, elapsed)).flatten(),
            left: done.and_then(|done| left(done, elapsed)),
            maps: if past_maps { 100 } else { read.map_or(0, percent) },
            reduces: reduced.map_or(0, percent),
        }
    }
}

/// The part that is done, 0 to 1; none of nothing.
fn part(done: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| (done as f64 / total as f64).min(1.0))
}

fn percent(part: f64) -> u64 {
    (part * 100.0) as u64
}

/// None before there is anything to go by.
fn per_second(bytes: u64, elapsed: Duration) -> Option<u64> {
    let seconds = elapsed.as_secs_f64();
    (bytes > 0 && seconds > 0.05).then(|| (bytes as f64 / seconds) as u64)
}

fn left(part: f64, elapsed: Duration) -> Option<Duration> {
    let seconds = elapsed.as_secs_f64() * (1.0 - part) / part;
    (part > 0.01 && part < 1.0 && seconds.is_finite())
        .then(|| Duration::from_secs_f64(seconds.min(1e9)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done_did_in_proportion() {
        let table = [
            (0.5, 10, Some(10)),
            (0.25, 10, Some(30)),
            (1.0, 10, None),
            (0.0, 10, None),
            (0.001, 10, None),
        ];
        for (part, elapsed, expected) in table {
            let left = left(part, Duration::from_secs(elapsed));
            assert_eq!(left, expected.map(Duration::from_secs), "{part}");
        }
    }

    #[test]
    fn nothing_of_nothing_is_no_part() {
        assert_eq!(part(0, 0), None);
        assert_eq!(part(7, 5), Some(1.0));
        assert_eq!(part(1, 4).map(percent), Some(25));
    }
}
