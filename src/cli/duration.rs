//! Durations as people write them: `30s`, `10m`, `2h`, `500ms`.

use std::time::Duration;

use crate::spec::limits::TASK_TIMEOUT_MS;
use crate::spec::{TEXT_CHARS_MAX, escape};

/// Units and their milliseconds. `ms` comes before `s` and `m`, which are its suffix and its prefix.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
/// The longest duration: a week.
const MS_MAX: u64 = *TASK_TIMEOUT_MS.end();

/// Parses a whole number with its unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let refuse = |problem: &str| {
        let shown = escape(text.as_bytes(), TEXT_CHARS_MAX);
        Err(format!("`{shown}` {problem}\nhint: write 500ms, 30s, 10m or 2h"))
    };
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let Some((_, ms)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return refuse("is not a number with a unit of time");
    };
    let Ok(number) = number.parse::<u64>() else {
        return refuse("is not a number with a unit of time");
    };
    match number.checked_mul(*ms) {
        Some(0) => refuse("must be longer than zero"),
        Some(ms) if ms <= MS_MAX => Ok(Duration::from_millis(ms)),
        _ => refuse("is longer than a week"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_units() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("168h", MS_MAX)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for (text, said) in [
            ("", "not a number"),
            ("10", "not a number"),
            ("m", "not a number"),
            ("-1s", "not a number"),
            ("1.5s", "not a number"),
            ("1d", "not a number"),
            ("99999999999999999999s", "not a number"),
            ("0s", "must be longer than zero"),
            ("169h", "longer than a week"),
            ("18446744073709551615h", "longer than a week"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }
}
