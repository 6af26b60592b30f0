//! Durations as people write them: `30s`, `10m`, `1h30m`, `500ms`.

use std::time::Duration;

use humantime::{DurationError, parse_duration};

use crate::model::limits::TASK_TIMEOUT_MS;
use crate::model::{TEXT_CHARS_MAX, escape};

/// The longest duration: a week.
const MAX: Duration = Duration::from_millis(*TASK_TIMEOUT_MS.end());

/// Most bytes of a text. The crate `humantime` panics on some sums that overflow, which need more bytes than this.
const TEXT_BYTES_MAX: usize = 20;

/// Parses one or more numbers, each with its unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let is_short = text.len() <= TEXT_BYTES_MAX;
    let parsed = if is_short { parse_duration(text) } else { Err(DurationError::NumberOverflow) };
    let problem = match parsed {
        Ok(Duration::ZERO) => "must be longer than zero",
        Ok(span) if span.subsec_nanos() % 1_000_000 != 0 => "is not a whole number of milliseconds",
        Ok(span) if span > MAX => "is longer than a week",
        Ok(span) => return Ok(span),
        Err(DurationError::NumberOverflow) => "is too long or too precise",
        Err(_) => "is not a number with a unit of time",
    };
    let shown = escape(text.as_bytes(), TEXT_CHARS_MAX);
    Err(format!("`{shown}` {problem}\nhint: write 500ms, 30s, 10m or 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_units() {
        for (text, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("168h", 604_800_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (text, said) in [
            ("", "not a number"),
            ("10", "not a number"),
            ("m", "not a number"),
            ("-1s", "not a number"),
            ("1parsec", "not a number"),
            ("99999999999999999999s", "too long"),
            ("0s", "must be longer than zero"),
            ("999us", "not a whole number of milliseconds"),
            ("1s 1ns", "not a whole number of milliseconds"),
            ("169h", "longer than a week"),
            ("18446744073709551615s1000ms", "too long"),
            ("18446744073709551615h", "too long"),
            ("1w1ms", "longer than a week"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }
}
