//! Chooses the ticks of an axis and their labels: 1, 2 or 5 times a power of ten, or round durations.

/// Round spans of time above a second, in milliseconds.
const SPANS_MS: [u64; 24] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_200_000,
    1_800_000,
    3_600_000,
    7_200_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    1_209_600_000,
    2_592_000_000,
    5_184_000_000,
    15_552_000_000,
    31_104_000_000,
];
const UNITS: [(&str, u64); 6] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

/// The smallest round step that fits into the value at most this many times: 1, 2 or 5 times a power of ten.
pub(super) fn step(value: u64, most: u64) -> u64 {
    let least = value.div_ceil(most.max(1)).max(1);
    let mut power = 1u64;
    loop {
        let round = [1, 2, 5].map(|factor| power.saturating_mul(factor));
        if let Some(step) = round.into_iter().find(|step| *step >= least) {
            return step;
        }
        power = power.saturating_mul(10);
    }
}

/// The same for a span of time, in milliseconds: 1, 2, 5 … ms, then 1 s, 2 s, 5 s, 10 s, 20 s, 30 s, 1 min …
pub(super) fn step_ms(span_ms: u64, most: u64) -> u64 {
    let least = span_ms.div_ceil(most.max(1)).max(1);
    match SPANS_MS.iter().find(|step| **step >= least) {
        Some(_) if least <= 500 => step(span_ms, most),
        Some(step) => *step,
        None => step(span_ms, most),
    }
}

/// The same for bytes: 1, 2 or 5 times a power of ten of the largest unit that does not exceed the value.
pub(super) fn step_bytes(bytes: u64, most: u64) -> u64 {
    let (_, unit) = unit(bytes.max(1));
    let whole = bytes / unit;
    // Below a few units the step is of the next smaller unit, so that there is more than one tick.
    let unit = if whole < 2 && unit > 1 { unit >> 10 } else { unit };
    unit * step(bytes.div_ceil(unit), most)
}

/// The ticks of an axis: multiples of the step, up to and including the value.
pub(super) fn ticks(value: u64, step: u64) -> impl Iterator<Item = u64> {
    (0..=value / step.max(1)).map(move |n| n * step)
}

/// A tick of a time axis, such as `200 ms`, `10 s`, `1:30 min`.
pub(super) fn time(ms: u64) -> String {
    let parts = |whole: u64, part: u64, unit: &str| match part {
        0 => format!("{whole} {unit}"),
        _ => format!("{whole}:{part:02} {unit}"),
    };
    match ms {
        0 => "0".to_string(),
        1..1_000 => format!("{ms} ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{} s", ms / 1_000),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        60_000..3_600_000 => parts(ms / 60_000, ms / 1_000 % 60, "min"),
        3_600_000..86_400_000 => parts(ms / 3_600_000, ms / 60_000 % 60, "h"),
        _ => format!("{} d", ms / 86_400_000),
    }
}

/// A tick of an axis of bytes, such as `200 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    if bytes == 0 {
        return "0".to_string();
    }
    let exact = UNITS.iter().rev().find(|(_, unit)| bytes.is_multiple_of(*unit));
    let (name, unit) = exact.copied().unwrap_or(UNITS[0]);
    format!("{} {name}", bytes / unit)
}

fn unit(bytes: u64) -> (&'static str, u64) {
    let fitting = UNITS.iter().rev().find(|(_, unit)| *unit <= bytes);
    fitting.copied().unwrap_or(UNITS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_one_two_or_five_times_a_power_of_ten() {
        for (value, wanted) in [(1, 1), (5, 1), (6, 2), (11, 5), (42, 10), (99, 20), (1_234, 500)] {
            assert_eq!(step(value, 5), wanted, "{value}");
        }
        assert_eq!(ticks(42, 10).collect::<Vec<_>>(), [0, 10, 20, 30, 40]);
        assert!(step(u64::MAX, 5) >= u64::MAX / 5);
    }

    #[test]
    fn times_are_in_steps_that_people_use() {
        for (span_ms, wanted) in [
            (3, "1 ms"),
            (900, "200 ms"),
            (4_000, "1 s"),
            (11_000, "5 s"),
            (100_000, "20 s"),
            (200_000, "1 min"),
            (6_000_000, "20 min"),
            (7_000_000, "30 min"),
            (90_000_000, "6 h"),
        ] {
            assert_eq!(time(step_ms(span_ms, 5)), wanted, "{span_ms}");
        }
        assert_eq!((time(90_000), time(5_400_000)), ("1:30 min".into(), "1:30 h".into()));
        assert_eq!((time(0), time(172_800_000)), ("0".into(), "2 d".into()));
    }

    #[test]
    fn bytes_are_in_whole_units() {
        for (value, wanted) in [
            (700, "200 B"),
            (3 << 10, "1 KiB"),
            (300 << 20, "100 MiB"),
            (3 << 29, "500 MiB"),
            (9 << 30, "2 GiB"),
        ] {
            assert_eq!(bytes(step_bytes(value, 5)), wanted, "{value}");
        }
        assert_eq!((bytes(0), bytes(1_500)), ("0".into(), "1500 B".into()));
    }
}
