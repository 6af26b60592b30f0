//! Asks the worker for more maps that may share an attempt's output.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::voice::Voice;
use crate::clock::Clock;
use crate::frame::{FromExecutor, Run};
use crate::task::More;

/// How long an attempt takes more maps. All of it is lost if it fails.
const GROWING_MAX: Duration = Duration::from_secs(10);
/// How long what it asks for at a time should take: so soon its slot is free if somebody else waits for one.
const ASKED_MAX: Duration = Duration::from_millis(500);
/// How long it waits for an answer, while its worker reaches no master; then it ends with what it has.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Asks for one attempt.
pub(super) struct Asking<'a> {
    voice: &'a Voice,
    given: &'a Receiver<Vec<u32>>,
    clock: &'a Clock,
    began: Instant,
    /// Not where each map may skip so many bad records, nor when there was nothing the last time.
    may_ask: bool,
    is_asked: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        run: &Run,
        voice: &'a Voice,
        given: &'a Receiver<Vec<u32>>,
        clock: &'a Clock,
    ) -> Self {
        // An answer that came too late for the attempt before is not for this one.
        given.try_iter().for_each(drop);
        let may_ask = run.spec.max_bad_records == 0;
        Asking { voice, given, clock, began: clock.now(), may_ask, is_asked: false }
    }
}

impl More for Asking<'_> {
    fn ask(&mut self, done: u32) {
        let took = self.clock.now().saturating_duration_since(self.began);
        if self.may_ask && took < GROWING_MAX {
            let message = FromExecutor::Wants { maps: as_many(done, took) };
            self.is_asked = self.voice.say(&message).is_ok();
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

/// How many maps to ask for after so many that took so long: as many again, unless that takes too long.
fn as_many(done: u32, took: Duration) -> u32 {
    let each = took.as_micros() / u128::from(done.max(1));
    let fit = ASKED_MAX.as_micros() / each.max(1);
    u32::try_from(fit).unwrap_or(u32::MAX).min(done).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_doubles_until_it_takes_half_a_second() {
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
