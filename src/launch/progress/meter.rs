//! Computes percentage, rate and remaining time from a run's progress.

use std::time::{Duration, Instant};

use crate::embedded::{Phase, Progress};

/// Time since the start of a phase before which its speed is not known.
const TOO_EARLY: Duration = Duration::from_millis(50);

/// Progress of a run, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) phase: Phase,
    /// Percentage of the phase; `None` if its end is unknown.
    pub(super) percent: Option<u64>,
    /// Bytes of input read.
    pub(super) bytes: u64,
    /// Bytes per second: of input during the maps, then of map output, including merges before the reduces.
    pub(super) rate: Option<u64>,
    /// Remaining time of the phase.
    pub(super) left: Option<Duration>,
    /// Percentage of the maps, whatever the phase.
    pub(super) maps: u64,
    /// Percentage of the reduces, whatever the phase.
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
        let (shuffled, shuffled_total) = progress.shuffled();
        let (read, reduced) = (part(bytes, total), part(shuffled, shuffled_total));
        let (done, moved) = match phase {
            Phase::Mapping => (read, Some(bytes)),
            Phase::Reducing => (reduced, Some(shuffled)),
            _ => (None, None),
        };
        let past_reduces = matches!(phase, Phase::Committing | Phase::Done);
        let past_maps = past_reduces || phase == Phase::Reducing;
        let (_, reduces) = progress.reduces();
        Sight {
            phase,
            percent: done.map(percent),
            bytes,
            rate: moved.and_then(|bytes| per_second(bytes, elapsed)),
            left: done.and_then(|done| left(done, elapsed)),
            maps: if past_maps { 100 } else { read.map_or(0, percent) },
            reduces: match reduced {
                // If no map emitted anything, the reduces have nothing to read.
                _ if past_reduces => 100 * u64::from(reduces.min(1)),
                reduced => reduced.map_or(0, percent),
            },
        }
    }
}

/// Returns the finished share, from 0 to 1; `None` if the total is zero.
fn part(done: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| (done as f64 / total as f64).min(1.0))
}

fn percent(part: f64) -> u64 {
    (part * 100.0) as u64
}

/// Returns the bytes per second; `None` until there is enough to estimate from.
fn per_second(bytes: u64, elapsed: Duration) -> Option<u64> {
    let seconds = elapsed.as_secs_f64();
    (bytes > 0 && elapsed > TOO_EARLY).then(|| (bytes as f64 / seconds) as u64)
}

fn left(part: f64, elapsed: Duration) -> Option<Duration> {
    let seconds = elapsed.as_secs_f64() * (1.0 - part) / part;
    (elapsed > TOO_EARLY && part > 0.01 && part < 1.0 && seconds.is_finite())
        .then(|| Duration::from_secs_f64(seconds.min(1e9)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn remaining_time_is_proportional_to_elapsed_time() {
        let table = [
            (0.5, 10, Some(10)),
            (0.25, 10, Some(30)),
            (1.0, 10, None),
            (0.0, 10, None),
            (0.001, 10, None),
            (0.5, 0, None),
        ];
        for (part, elapsed, expected) in table {
            let left = left(part, Duration::from_secs(elapsed));
            assert_eq!(left, expected.map(Duration::from_secs), "{part}");
        }
    }

    #[test]
    fn progress_of_reduces_follows_their_bytes() {
        let (progress, begun) = (Progress::default(), Clock::system().now());
        let mut meter = Meter::new(begun);
        let mut look = |phase, seconds| {
            progress.set_phase(phase);
            meter.look(&progress, begun + Duration::from_secs(seconds))
        };
        let sight = look(Phase::Reducing, 10);
        assert_eq!((sight.percent, sight.rate, sight.left, sight.reduces), (None, None, None, 0));
        progress.shuffling().expect(4_000);
        progress.shuffling().bytes.store(1_000, Ordering::Relaxed);
        let sight = look(Phase::Reducing, 12);
        let left = Some(Duration::from_secs(6));
        assert_eq!((sight.percent, sight.rate, sight.left), (Some(25), Some(500), left));
        assert_eq!((sight.maps, sight.reduces), (100, 25));
        assert_eq!(look(Phase::Committing, 13).percent, None);
    }

    #[test]
    fn share_of_zero_is_undefined() {
        assert_eq!(part(0, 0), None);
        assert_eq!(part(7, 5), Some(1.0));
        assert_eq!(part(1, 4).map(percent), Some(25));
    }
}
