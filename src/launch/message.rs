//! What is said on standard error: an error is one line, then indented details.

use std::fmt::{self, Display};
use std::io::{self, Write};

/// An error as a user sees it: `error: what; where; what to do`, then indented details.
///
/// Whoever makes one has escaped and cut the foreign text in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The line, without `error: `.
    pub line: String,
    /// Further lines.
    pub details: Vec<String>,
}

impl Message {
    /// A message without details.
    pub fn new(line: impl Into<String>) -> Self {
        Message { line: line.into(), details: Vec::new() }
    }

    /// Writes it to standard error.
    pub fn say(&self) {
        say(&self.to_string());
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.line)?;
        self.details.iter().try_for_each(|detail| writeln!(f, "  {detail}"))
    }
}

/// Writes text to standard error, in one call, so that lines of several processes do not mix.
pub(crate) fn say(text: &str) {
    // When nobody listens any more there is nobody to tell.
    let _heard_or_not = io::stderr().lock().write_all(text.as_bytes());
}

/// A number of bytes or records for people: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 part`, `2 parts`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_indented_details() {
        let message =
            Message { line: "what; where; what to do".into(), details: vec!["more".into()] };
        assert_eq!(message.to_string(), "error: what; where; what to do\n  more\n");
    }

    #[test]
    fn numbers_are_grouped_and_counted() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, shown) in table {
            assert_eq!(grouped(number), shown);
        }
        assert_eq!((count(1, "part"), count(2, "part")), ("1 part".into(), "2 parts".into()));
    }
}
