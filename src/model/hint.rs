//! Error messages with hints, as one text: what is wrong and where, and on a second line `hint: what to do`.

use super::escape::{TEXT_CHARS_MAX, escape};

/// Separates a message from its hint.
const HINT: &str = "\nhint: ";

/// Maximum number of characters of our own message, and of its hint, that is shown. Foreign text in it was already cut
/// when it was inserted.
const OWN_CHARS_MAX: usize = 10 * TEXT_CHARS_MAX;

/// Splits a message from its hint. Joins several hints, from nested errors, into one.
pub fn split_hint(text: &str) -> (&str, Option<String>) {
    match text.split_once(HINT) {
        Some((message, hint)) => (message, Some(hint.replace(HINT, "; "))),
        None => (text, None),
    }
}

/// Returns the message without its hint, escaped for a terminal or a page like [`escape`].
pub fn escape_what(text: &str) -> String {
    escape(split_hint(text).0.as_bytes(), OWN_CHARS_MAX)
}

/// Returns the hint of a message, if any, escaped for a terminal or a page like [`escape`].
pub fn escape_hint(text: &str) -> Option<String> {
    split_hint(text).1.map(|hint| escape(hint.as_bytes(), OWN_CHARS_MAX))
}

/// Escapes a message for a terminal or a page like [`escape`], with its hint on a line of its own. Each is cut
/// separately, so a long message never loses its hint.
pub fn escape_message(text: &str) -> String {
    with_hint(escape_what(text), escape_hint(text))
}

/// Inserts a place between a message and its hint.
pub fn add_place(text: &str, place: impl std::fmt::Display) -> String {
    let (message, hint) = split_hint(text);
    with_hint(format!("{message}: {place}"), hint)
}

/// Appends the hint, if any, to a message.
pub fn with_hint(message: String, hint: Option<String>) -> String {
    match hint {
        Some(hint) => message + HINT + &hint,
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_hint_are_cut_each_by_itself() {
        assert_eq!(escape_message("a\tb: c\nhint: d\x1b"), "a\\tb: c\nhint: d\\x1b");
        assert_eq!(escape_message("a\nb"), "a\\nb");
        let long = format!("{}\nhint: name another folder", "x".repeat(3_000));
        let shown = escape_message(&long);
        assert!(shown.ends_with("x…\nhint: name another folder"), "{shown}");
        assert_eq!(escape_what(&long).chars().count(), OWN_CHARS_MAX);
    }

    #[test]
    fn place_stands_before_the_hint_and_hints_become_one() {
        assert_eq!(add_place("no answer", "m1"), "no answer: m1");
        assert_eq!(add_place("no answer\nhint: ask again", "m1"), "no answer: m1\nhint: ask again");
        let nested = "a\nhint: b\nhint: c";
        assert_eq!(split_hint(nested), ("a", Some("b; c".into())));
        assert_eq!(escape_hint(nested).as_deref(), Some("b; c"));
        assert_eq!(escape_hint("a"), None);
    }
}
