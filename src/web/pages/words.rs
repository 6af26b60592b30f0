//! Formats numbers, times and sizes for people.

use std::fmt::Display;

use super::axis;

/// Milliseconds as a span of time, such as `1.2 s`.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        10_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => two(seconds, 60, ("min", "s")),
        3_600_000..86_400_000 => two(seconds / 60, 60, ("h", "min")),
        _ => two(seconds / 3_600, 24, ("d", "h")),
    }
}

/// A whole number of a unit and of the next smaller one, such as `1 min 08 s`. A zero of the smaller unit is left out.
fn two(small: u64, of_large: u64, (large_unit, unit): (&str, &str)) -> String {
    match (small / of_large, small % of_large) {
        (large, 0) => format!("{large} {large_unit}"),
        (large, rest) => format!("{large} {large_unit} {rest:02} {unit}"),
    }
}

/// The word for a number of things: the first one for 1, otherwise the second.
pub(super) fn plural(number: u64, one: &'static str, many: &'static str) -> &'static str {
    if number == 1 { one } else { many }
}

/// A name of the API in words, such as `user error` for `user_error`.
pub(super) fn plain(name: impl Display) -> String {
    name.to_string().replace('_', " ")
}

/// A time of RFC 3339 in UTC without the letters `T` and `Z`, such as `2026-11-28 18:09:23`.
pub(super) fn clock(time: &str) -> String {
    time.trim_end_matches('Z').replacen('T', " ", 1)
}

/// The time of day of such a time, such as `18:09:23.120`, for places where the day is known.
pub(super) fn time_of_day(time: &str) -> String {
    time.trim_end_matches('Z').rsplit('T').next().unwrap_or_default().to_string()
}

/// How much of something is in use, such as `3.0 of 24.0 GiB`; empty if unknown.
pub(super) fn used(free: u64, all: u64) -> String {
    if all == 0 {
        return String::new();
    }
    let (whole, used) = (bytes(all), bytes(all.saturating_sub(free)));
    match (used.split_once(' '), whole.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {whole}"),
        _ => format!("{used} of {whole}"),
    }
}

/// Bytes, such as `4.2 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes as f64 / 1_024.0;
    if size < 1.0 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Bytes that are usually a round number, such as `64 KiB`.
pub(super) fn exact(size: u64) -> String {
    let whole = axis::bytes(size);
    // More digits could not be read at a glance.
    if whole.len() <= "1023 KiB".len() { whole } else { bytes(size) }
}

/// A rate per second, such as `53.1 MiB/s`; empty if there is none.
pub(super) fn rate(bytes_done: u64, ms: u64) -> String {
    if ms == 0 || bytes_done == 0 {
        return String::new();
    }
    // Positive, and at most a thousand times the bytes.
    format!("{}/s", bytes((bytes_done as f64 * 1_000.0 / ms as f64) as u64))
}

/// A count with narrow spaces between thousands, such as `200 000`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A hint with a capital letter.
pub(super) fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().map(char::to_uppercase);
    first.map_or_else(String::new, |first| {
        format!("{}{}", first.collect::<String>(), letters.as_str())
    })
}

/// A hint with a capital letter, and separately the command at its end; empty if it has none.
pub(super) fn step(hint: &str) -> (String, String) {
    match hint.split_once(": gristmill ") {
        Some((step, command)) => (format!("{}:", sentence(step)), format!("gristmill {command}")),
        None => (sentence(hint), String::new()),
    }
}

/// A share of 0 to 1 in whole percent, rounded down, so that 100 means all.
pub(super) fn percent(share: f64) -> u64 {
    // Between 0 and 100.
    (share.clamp(0.0, 1.0) * 100.0).floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (59_999, "59 s"),
            (61_000, "1 min 01 s"),
            (600_999, "10 min"),
            (3_660_000, "1 h 01 min"),
            (86_400_000, "1 d"),
            (90_000_000, "1 d 01 h"),
        ] {
            assert_eq!(span(ms), text);
        }
        for (size, text) in [(1_023, "1023 B"), (1_024, "1.0 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(used(21 << 30, 24 << 30), "3.0 of 24.0 GiB");
        assert_eq!((used(1, 2 << 20), used(0, 0)), ("2.0 of 2.0 MiB".into(), String::new()));
        assert_eq!(used((2 << 30) - (7 << 20), 2 << 30), "7.0 MiB of 2.0 GiB");
        assert_eq!(clock("2026-11-28T18:09:23.120Z"), "2026-11-28 18:09:23.120");
        assert_eq!(time_of_day("2026-11-28T18:09:23.120Z"), "18:09:23.120");
        for (number, text) in [(7, "7"), (1_000, "1\u{202f}000"), (200_000, "200\u{202f}000")] {
            assert_eq!(count(number), text);
        }
        assert_eq!((exact(1 << 30), exact(64 << 10)), ("1 GiB".into(), "64 KiB".into()));
        assert_eq!((exact(1_000_000), exact(700)), ("976.6 KiB".into(), "700 B".into()));
        assert_eq!([0, 1, 2].map(|n| plural(n, "map", "maps")), ["maps", "map", "maps"]);
        assert_eq!(plain("in_progress"), "in progress");
        assert_eq!((rate(3 << 20, 1_500), rate(1, 0)), ("2.0 MiB/s".into(), String::new()));
        assert_eq!(
            (sentence("start it again"), sentence("")),
            ("Start it again".into(), String::new())
        );
        let told = step("start a worker: gristmill worker --cluster a:1");
        assert_eq!(told, ("Start a worker:".into(), "gristmill worker --cluster a:1".into()));
        assert_eq!(step("wait"), ("Wait".into(), String::new()));
        assert_eq!([percent(0.0), percent(0.999), percent(1.0), percent(7.0)], [0, 99, 100, 100]);
    }
}
