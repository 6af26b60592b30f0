//! Slots in use and bytes read over the last few minutes, sampled while this master leads.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::master::Master;

/// Pause between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// Samples that are kept: ten minutes.
const SAMPLES_MAX: usize = 300;
/// If there was no sample for this long, a rate over the gap would mean nothing.
const GAP_MS_MAX: u64 = 10_000;

/// One moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// Slots of all workers that are not lost.
    pub(super) slots: u64,
    /// Slots that an attempt holds.
    pub(super) in_use: u64,
    /// Bytes per second that maps and reduces have read since the sample before.
    pub(super) bytes_per_s: f64,
}

/// The samples, oldest first. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    samples: VecDeque<Sample>,
    /// Bytes read in all, as of the last sample.
    bytes_read: u64,
}

impl History {
    /// All samples, oldest first.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).samples.iter().copied().collect()
    }

    /// The rate of the last sample, if it is recent.
    pub(super) fn bytes_per_s(&self, now_ms: u64) -> Option<f64> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.samples.back()?;
        (now_ms.saturating_sub(last.at_ms) <= GAP_MS_MAX).then_some(last.bytes_per_s)
    }

    /// Takes samples while it is polled.
    pub(super) fn follow(&self, master: Master, clock: Clock) -> impl Future<Output = ()> + use<> {
        let history = self.clone();
        async move {
            let mut ticks = interval(SAMPLE_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let figures = master.figures();
                if figures.leads {
                    let slots = (figures.slots, figures.running);
                    history.add(clock.wall_ms(), slots, figures.bytes_read);
                }
            }
        }
    }

    /// Adds a sample; `bytes_read` is the sum since this master began.
    fn add(&self, at_ms: u64, (slots, in_use): (u64, u64), bytes_read: u64) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let passed_ms = kept.samples.back().map(|last| at_ms.saturating_sub(last.at_ms));
        let bytes_per_s = match passed_ms {
            // If an attempt fails, what it has read is subtracted, so the sum may fall.
            Some(ms @ 1..=GAP_MS_MAX) => {
                bytes_read.saturating_sub(kept.bytes_read) as f64 * 1_000.0 / ms as f64
            }
            _ => 0.0,
        };
        if kept.samples.len() == SAMPLES_MAX {
            kept.samples.pop_front();
        }
        kept.samples.push_back(Sample { at_ms, slots, in_use, bytes_per_s });
        kept.bytes_read = bytes_read;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between_two_samples() {
        let history = History::default();
        for (at_ms, bytes_read) in [(1_000, 500), (3_000, 4_500), (5_000, 4_000), (60_000, 9_000)] {
            history.add(at_ms, (4, 2), bytes_read);
        }
        let rates: Vec<f64> = history.samples().iter().map(|it| it.bytes_per_s).collect();
        assert_eq!(rates, [0.0, 2_000.0, 0.0, 0.0], "neither the first, a fall, nor a gap has one");
        assert_eq!(history.bytes_per_s(61_000), Some(0.0));
        assert_eq!(history.bytes_per_s(90_000), None);
    }

    #[test]
    fn oldest_samples_are_forgotten() {
        let history = History::default();
        (0..1_000).for_each(|n| history.add(n * 2_000, (1, 0), 0));
        let samples = history.samples();
        assert_eq!((samples.len(), samples[0].at_ms), (SAMPLES_MAX, 700 * 2_000));
    }
}
