//! Messages on standard error: an error, its hint, then indented details.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::time::Duration;

use crate::model::{escape, split_hint};

/// An error as a user sees it: `error: what is wrong: where`, `hint: what to do`, then indented details.
///
/// The caller must have cut foreign text in it. Characters that could move a cursor are escaped here, whatever their
/// source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The error without `error: `, and its hint after a line break.
    pub line: String,
    /// Further lines.
    pub details: Vec<String>,
}

impl Message {
    /// Creates a message without details.
    pub fn new(line: impl Into<String>) -> Self {
        Message { line: line.into(), details: Vec::new() }
    }

    /// Prints the message to standard error.
    pub fn say(&self) {
        say(&self.to_string());
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fit = |line: &str| escape(line.as_bytes(), usize::MAX);
        let (line, hint) = split_hint(&self.line);
        writeln!(f, "error: {}", fit(line))?;
        if let Some(hint) = hint {
            writeln!(f, "hint: {}", fit(&hint))?;
        }
        self.details.iter().try_for_each(|detail| {
            let (detail, hint) = split_hint(detail);
            writeln!(f, "  {}", fit(detail))?;
            hint.map_or(Ok(()), |hint| writeln!(f, "  hint: {}", fit(&hint)))
        })
    }
}

/// Writes text to standard error in one call, so that lines of several processes do not mix.
pub(crate) fn say(text: &str) {
    // If standard error is closed, this cannot be reported anywhere.
    let _heard_or_not = io::stderr().lock().write_all(text.as_bytes());
}

/// Formats a number of bytes or records for people: `1,234,567`.
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

/// Formats a number of things: `1 part`, `2 parts`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Formats a duration, such as `0:07`, `12:34` or `1:02:03`, rounded up to whole seconds: `0:00` would look finished.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_an_error_a_hint_and_indented_details() {
        let message =
            Message { line: "what: where\nhint: do".into(), details: vec!["more".into()] };
        assert_eq!(message.to_string(), "error: what: where\nhint: do\n  more\n");
        let message = Message { line: "a\x1b[2Jb".into(), details: vec!["c\u{202e}\nd".into()] };
        assert_eq!(message.to_string(), "error: a\\x1b[2Jb\n  c\\xe2\\x80\\xae\\nd\n");
    }

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(span(Duration::from_secs(3723)), "1:02:03");
        assert_eq!(span(Duration::from_millis(1)), "0:01");
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
