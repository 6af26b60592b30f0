//! Compares results byte by byte, or, if floats are summed, with a small tolerance for numbers.

/// Numbers that differ by at most this are equal, whatever their ratio: such differences remain when floats cancel out.
const NOTHING: f64 = 1e-12;

/// Returns whether two results are equal.
///
/// With a tolerance, numbers in text may differ by this fraction of the larger one, and results that are not text are
/// compared by their lengths only.
pub(super) fn same(left: &[u8], right: &[u8], tolerance: f64) -> bool {
    if left == right || tolerance <= 0.0 {
        return left == right;
    }
    match (text(left), text(right)) {
        (Some(left), Some(right)) => same_text(left, right, tolerance),
        _ => left.len() == right.len(),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let binary = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    (!text.contains(binary)).then_some(text)
}

fn same_text(left: &str, right: &str, tolerance: f64) -> bool {
    let (mut left, mut right) = (tokens(left), tokens(right));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if left == right || close(left, right, tolerance) => {}
            _ => return false,
        }
    }
}

/// Splits text before and after everything that may be a number.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let numeric = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let inside = numeric(first);
        let end = rest.find(|c| numeric(c) != inside).unwrap_or(rest.len());
        let (token, behind) = rest.split_at(end);
        rest = behind;
        Some(token)
    })
}

fn close(left: &str, right: &str, tolerance: f64) -> bool {
    let (Ok(left), Ok(right)) = (left.parse::<f64>(), right.parse::<f64>()) else { return false };
    let larger = left.abs().max(right.abs());
    left == right || (left - right).abs() <= (tolerance * larger).max(NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_differ_by_the_tolerance_and_nothing_else_may() {
        let table: [(&str, &str, f64, bool); 9] = [
            ("a\t1\n", "a\t1\n", 0.0, true),
            ("a\t1.0\n", "a\t1\n", 0.0, false),
            ("a\t0.30000000000000004\n", "a\t0.3\n", 1e-9, true),
            ("a\t0.30000000000000004\n", "b\t0.3\n", 1e-9, false),
            ("a\t1e300\n", "a\t1.0000000000001e+300\n", 1e-9, true),
            ("a\t2.25\n", "a\t1.75\n", 1e-9, false),
            ("1e-17", "0", 1e-9, true),
            ("1 2", "1", 1e-9, false),
            ("a\0b", "a\0c", 1e-9, true),
        ];
        for (left, right, tolerance, expected) in table {
            assert_eq!(
                same(left.as_bytes(), right.as_bytes(), tolerance),
                expected,
                "{left:?} {right:?}"
            );
        }
    }
}
