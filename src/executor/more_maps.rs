//! Asks the worker for more maps to run in the current attempt.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::reporter::Reporter;
use crate::clock::Clock;
use crate::frame::{FromExecutor, Run};
use crate::task::More;

/// How long after its start an attempt may ask for more maps. If the attempt fails, the work of all its maps is lost.
const GROWING_MAX: Duration = Duration::from_secs(10);
/// How long the maps of one request should take at most, so that the slot is soon free if another job waits for it.
const ASKED_MAX: Duration = Duration::from_millis(500);
/// How long it waits for an answer, which takes long while the worker cannot reach a master. After that the attempt
/// ends with the maps that it has.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Asks for one attempt.
pub(super) struct MoreMaps<'a> {
    reporter: &'a Reporter,
    given: &'a Receiver<Vec<u32>>,
    clock: &'a Clock,
    began: Instant,
    /// False if each map may skip some bad records, and after an answer without maps.
    may_ask: bool,
    is_asked: bool,
}

impl<'a> MoreMaps<'a> {
    pub(super) fn new(
        run: &Run,
        reporter: &'a Reporter,
        given: &'a Receiver<Vec<u32>>,
        clock: &'a Clock,
    ) -> Self {
        // Drops a late answer that was meant for the previous attempt.
        given.try_iter().for_each(drop);
        let may_ask = run.spec.max_bad_records == 0;
        MoreMaps { reporter, given, clock, began: clock.now(), may_ask, is_asked: false }
    }
}

impl More for MoreMaps<'_> {
    fn ask(&mut self, done: u32) {
        let took = self.clock.now().saturating_duration_since(self.began);
        if self.may_ask && took < GROWING_MAX {
            let message = FromExecutor::Wants { maps: as_many(done, took) };
            self.is_asked = self.reporter.send(&message).is_ok();
        }
    }

    fn take(&mut self) -> Vec<u32> {
        if !std::mem::take(&mut self.is_asked) {
            return Vec::new();
        }
        let maps = self.given.recv_timeout(ANSWER_MAX).unwrap_or_default();
        self.may_ask = !maps.is_empty();
        maps
    }
}

/// Returns how many maps to ask for: as many as are done, or fewer if they would take longer than [`ASKED_MAX`] at the
/// same rate.
fn as_many(done: u32, took: Duration) -> u32 {
    let each = took.as_micros() / u128::from(done.max(1));
    let fit = ASKED_MAX.as_micros() / each.max(1);
    u32::try_from(fit).unwrap_or(u32::MAX).min(done).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requested_maps_double_until_half_a_second() {
        let ms = Duration::from_millis;
        let table = [
            (0, ms(0), 1),
            (1, ms(50), 1),
            (2, ms(100), 2),
            (8, ms(400), 8),
            (32, ms(1_600), 10),
            (4, ms(8_000), 1),
            (5_000, ms(400), 5_000),
        ];
        for (done, took, expected) in table {
            assert_eq!(as_many(done, took), expected, "{done} in {took:?}");
        }
    }
}
