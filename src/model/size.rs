//! Parses and formats sizes such as `256MiB`.

use super::{Error, TEXT_CHARS_MAX, escape};

/// Every accepted unit and its bytes, the binary ones first.
const UNITS: [(&str, u64); 11] = [
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Number of [`UNITS`] that are binary.
const BINARY_UNITS: usize = 5;

/// Maximum number of digits after the decimal point. Further ones would be far less than a byte, even in PiB.
const FRACTION_DIGITS_MAX: usize = 18;

/// Parses a size such as `256MiB`, `1.5GB` or `10B` into bytes. A fraction of a byte is cut off.
///
/// Units are `B`, `KB` to `PB` (powers of 1000) and `KiB` to `PiB` (powers of 1024), in upper or
/// lower case.
///
/// # Errors
/// Why the text is not a size: no unit, an unknown unit, not a number, negative, too many digits or too large.
pub fn parse(text: &str) -> Result<u64, Error> {
    let refuse = |problem| Error::Size { text: escape(text.as_bytes(), TEXT_CHARS_MAX), problem };
    if text.starts_with('-') {
        return Err(refuse("is negative"));
    }
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(refuse("is not a number with a unit, such as 256MiB"));
    }
    if unit.is_empty() {
        return Err(refuse("has no unit\nhint: add one, for example 256MiB, 1GB or 10B"));
    }
    let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let &(_, factor) =
        known.ok_or_else(|| refuse("has an unknown unit\nhint: use B, KB to PB, or KiB to PiB"))?;
    if fraction.len() > FRACTION_DIGITS_MAX {
        return Err(refuse("has more than 18 digits after the decimal point"));
    }
    bytes(whole, fraction, factor)
        .ok_or_else(|| refuse("is too large\nhint: write at most 16383PiB"))
}

/// Multiplies `whole.fraction` by `factor`; `None` if the result is too large.
fn bytes(whole: &str, fraction: &str, factor: u64) -> Option<u64> {
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole = u128::from(whole.parse::<u64>().ok()?) * u128::from(factor);
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor) / scale;
    u64::try_from(whole + part).ok()
}

/// Formats a number of bytes for people, in the largest binary unit that fits, with at most one decimal (cut, not
/// rounded).
pub fn format(bytes: u64) -> String {
    in_tenths(bytes, |tenths, factor| tenths / factor)
}

/// Formats the least number of bytes that suffices: as [`format()`], but rounded up, so that the shown size suffices too.
pub fn format_least(bytes: u64) -> String {
    in_tenths(bytes, u128::div_ceil)
}

/// Formats a number of bytes in tenths of the largest binary unit that fits, divided in this way.
fn in_tenths(bytes: u64, divide: fn(u128, u128) -> u128) -> String {
    let unit = UNITS[..BINARY_UNITS].iter().find(|(_, factor)| bytes >= *factor);
    let Some(&(name, factor)) = unit else { return format!("{bytes}B") };
    let tenths = divide(u128::from(bytes) * 10, factor.into());
    let (whole, tenth) = (tenths / 10, tenths % 10);
    if tenth == 0 { format!("{whole}{name}") } else { format!("{whole}.{tenth}{name}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_with_units_are_read() {
        let table = [
            ("10B", 10),
            ("64KiB", 64 << 10),
            ("256MiB", 256 << 20),
            ("256mib", 256 << 20),
            ("1GB", 1_000_000_000),
            ("1.5GiB", 3 << 29),
            ("0.1KiB", 102),
            ("0B", 0),
            ("18446744073709551615B", u64::MAX),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let table = [
            ("", "is not a number"),
            ("10", "has no unit"),
            ("10G", "has an unknown unit"),
            ("10 GiB", "has an unknown unit"),
            ("-1GiB", "is negative"),
            ("1e99B", "has an unknown unit"),
            ("NaN", "is not a number"),
            ("1.GiB", "is not a number"),
            (".5GiB", "is not a number"),
            ("1.2.3GiB", "is not a number"),
            ("16384PiB", "is too large"),
            ("18446744073709551616B", "is too large"),
            ("0.1234567890123456789GiB", "has more than 18 digits after the decimal point"),
        ];
        for (text, expected) in table {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn sizes_are_shown_for_people() {
        let table = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (256 << 20, "256MiB"),
            (3 << 29, "1.5GiB"),
            (u64::MAX, "16383.9PiB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(format(bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn a_shown_size_is_at_most_a_tenth_of_its_unit_short(bytes: u64) {
            let read = parse(&format(bytes)).unwrap();
            prop_assert!(read <= bytes && bytes - read <= bytes / 10 + 1);
        }
    }

    #[test]
    fn least_sizes_suffice() {
        for (bytes, shown) in [
            (0, "0B"),
            (1023, "1023B"),
            (1152 << 20, "1.2GiB"),
            (1500 << 20, "1.5GiB"),
            (1 << 30, "1GiB"),
        ] {
            assert_eq!(format_least(bytes), shown);
            assert!(parse(&format_least(bytes)).unwrap() >= bytes, "{shown}");
        }
    }
}
