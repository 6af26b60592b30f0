//! The only file that may read the clock: all other code receives a [`Clock`] or a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The last millisecond of the year 9999. The crate `humantime` cannot format later times, and panics.
const RFC3339_MS_MAX: u64 = 253_402_300_799_999;

/// A source of time: the machine's own clock, or a [`Manual`] one that a test moves by hand.
///
/// Cheap to clone; clones of one manual clock always agree.
#[derive(Clone, Debug)]
pub struct Clock {
    manual: Option<Arc<Hands>>,
}

impl Clock {
    /// Returns the machine's clock.
    pub const fn system() -> Self {
        Self { manual: None }
    }

    /// Returns a point on the monotonic clock, for measuring spans and keeping deadlines.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the source of the time for all other \
                                                   code"
    )]
    pub fn now(&self) -> Instant {
        match &self.manual {
            None => Instant::now(),
            Some(hands) => hands.start + hands.elapsed(),
        }
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z, for showing to people and writing into files.
    ///
    /// This value can jump either way when the machine's time is set, so do not use it to measure a span. It is 0 if
    /// the machine's time is before 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the source of the time for all other \
                                                   code"
    )]
    pub fn wall_ms(&self) -> u64 {
        match &self.manual {
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, whole_ms),
            Some(hands) => hands.wall_ms(),
        }
    }
}

/// A clock that moves only when a test moves it.
#[derive(Clone, Debug)]
pub struct Manual {
    hands: Arc<Hands>,
}

impl Manual {
    /// Creates a clock that shows `wall_ms` milliseconds since 1970 until it is advanced.
    pub fn at(wall_ms: u64) -> Self {
        let start = Clock::system().now();
        Self {
            hands: Arc::new(Hands {
                start,
                start_wall_ms: AtomicU64::new(wall_ms),
                elapsed_ns: AtomicU64::new(0),
            }),
        }
    }

    /// Returns the clock to pass to the code under test.
    pub fn clock(&self) -> Clock {
        Clock { manual: Some(Arc::clone(&self.hands)) }
    }

    /// Moves both the monotonic and the wall clock forward by `span`, in total by at most 584 years.
    pub fn advance(&self, span: Duration) {
        let span_ns = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.hands.elapsed_ns.fetch_add(span_ns, Ordering::SeqCst);
    }

    /// Sets the wall clock back by `span`, as a user might, but not before 1970. Durations are unaffected.
    pub fn set_back(&self, span: Duration) {
        let back = |start_ms: u64| Some(start_ms.saturating_sub(whole_ms(span)));
        let start_wall_ms = &self.hands.start_wall_ms;
        let _always_set = start_wall_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, back);
    }
}

/// State that the clones of a manual clock share.
#[derive(Debug)]
struct Hands {
    start: Instant,
    start_wall_ms: AtomicU64,
    elapsed_ns: AtomicU64,
}

impl Hands {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_ns.load(Ordering::SeqCst))
    }

    fn wall_ms(&self) -> u64 {
        self.start_wall_ms.load(Ordering::SeqCst).saturating_add(whole_ms(self.elapsed()))
    }
}

/// Returns the span in whole milliseconds; a fraction is cut off.
fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Formats a wall-clock time, in milliseconds since 1970, as RFC 3339 in UTC: `2026-11-23T09:00:00Z`.
///
/// The milliseconds are cut off. RFC 3339 ends with the year 9999; later times are written as its last moment.
pub fn rfc3339(wall_ms: u64) -> String {
    humantime::format_rfc3339_seconds(system_time(wall_ms)).to_string()
}

/// Formats a wall-clock time like [`rfc3339`], but with milliseconds, for events that take less than a second:
/// `2026-11-23T09:00:00.042Z`.
pub fn rfc3339_ms(wall_ms: u64) -> String {
    humantime::format_rfc3339_millis(system_time(wall_ms)).to_string()
}

/// Parses a time that [`rfc3339`] or [`rfc3339_ms`] has written, and returns it as milliseconds since 1970.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(whole_ms)
}

fn system_time(wall_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(wall_ms.min(RFC3339_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_rfc_3339() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_000_000_000_999, "2001-09-09T01:46:40Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (1_795_424_400_000, "2026-11-23T09:00:00Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59Z"),
        ];
        for (wall_ms, written) in table {
            assert_eq!(rfc3339(wall_ms), written);
        }
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
        for (wall_ms, written) in table {
            assert_eq!(parse_rfc3339(written), Some(wall_ms / 1000 * 1000), "{written}");
        }
        assert_eq!(parse_rfc3339(&rfc3339_ms(1_795_424_400_042)), Some(1_795_424_400_042));
        for text in
            ["", "Z", "1970-01-01", "1969-12-31T00:00:00Z", "2026-02-30T00:00:00Z", "2026-1T0Z"]
        {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
        assert_eq!(rfc3339_ms(1_000_000_000_999), "2001-09-09T01:46:40.999Z");
        assert_eq!(rfc3339_ms(4_107_542_400_007), "2100-03-01T00:00:00.007Z");
    }

    #[test]
    fn manual_clock_and_its_clones_move_only_when_set() {
        let manual = Manual::at(1_500);
        let (clock, other) = (manual.clock(), manual.clock());
        let before = clock.now();
        assert_eq!((clock.now(), clock.wall_ms()), (before, 1_500));
        manual.advance(Duration::from_micros(2_500_999));
        assert_eq!(other.now() - before, Duration::from_micros(2_500_999));
        assert_eq!(other.wall_ms(), 4_000);
        let before = clock.now();
        manual.set_back(Duration::from_secs(1));
        assert_eq!((other.now(), other.wall_ms()), (before, 3_000));
    }

    #[test]
    fn the_machines_clock_goes_forward_and_is_past_the_year_2025() {
        let clock = Clock::system();
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(clock.wall_ms() > 1_735_689_600_000);
    }
}
