//! What a terminal is told: how wide text is there, how it is cut, and the few words that have a colour.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::launch::{is_dumb, size};

/// The terminal that a stream leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) has_colours: bool,
}

impl Terminal {
    /// Of this stream, if it leads to one.
    pub(super) fn of(stream: &(impl AsFd + IsTerminal)) -> Option<Self> {
        stream.is_terminal().then(|| Self::sized(stream))
    }

    /// The same, also where there is none: as it would be there, without colours.
    pub(super) fn sized(stream: &(impl AsFd + IsTerminal)) -> Self {
        let (columns, rows) = size(stream);
        let no_color = std::env::var_os("NO_COLOR");
        let has_colours = stream.is_terminal() && wants_colours(no_color.as_deref(), is_dumb());
        Self { columns, rows, has_colours }
    }
}

/// As <https://no-color.org> has it: a variable that is there and not empty is a no.
fn wants_colours(no_color: Option<&OsStr>, is_dumb: bool) -> bool {
    !is_dumb && no_color.is_none_or(OsStr::is_empty)
}

/// A colour that every terminal has, whatever its background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
}

impl Colour {
    /// Of the word for how something stands: bad, done, or waiting; all that is in order has none.
    pub(super) fn of(state: &str) -> Option<Self> {
        match state {
            "failed" | "lost" | "unreachable" => Some(Self::Red),
            "succeeded" | "completed" => Some(Self::Green),
            "waiting" | "draining" | "excluded" => Some(Self::Yellow),
            _ => None,
        }
    }

    /// The text in this colour.
    pub(super) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Ranges of characters that take two columns: those of East Asian scripts, and pictures.
const WIDE: [(char, char); 10] = [
    ('\u{1100}', '\u{115f}'),
    ('\u{2e80}', '\u{303e}'),
    ('\u{3041}', '\u{a4cf}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff00}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{1f300}', '\u{1faff}'),
    ('\u{20000}', '\u{3fffd}'),
];

/// Columns that a text takes which has no control characters.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(character: char) -> usize {
    match character {
        // Marks that stand on the character before.
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        _ if WIDE.iter().any(|(first, last)| (first..=last).contains(&&character)) => 2,
        _ => 1,
    }
}

/// As much of a text as so many columns hold; where that is not all of it, `…` stands at its end.
pub(super) fn cut(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.into();
    }
    let mut left = room.saturating_sub(1);
    let fits = |character: &char| {
        let fits = columns_of(*character) <= left;
        left = left.saturating_sub(columns_of(*character));
        fits
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.extend((room > 0).then_some('…'));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns() {
        let table = [
            ("plain", 5, "plain"),
            ("plain", 4, "pla…"),
            ("größer", 6, "größer"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("e\u{301}e\u{301}", 2, "e\u{301}e\u{301}"),
            ("🦀x", 2, "…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ];
        for (text, room, wanted) in table {
            assert_eq!(cut(text, room), wanted, "{text} in {room}");
            assert!(columns(&cut(text, room)) <= room, "{text} in {room}");
        }
    }

    #[test]
    fn colours_are_for_terminals_that_have_them_and_for_who_wants_them() {
        let table = [
            (None, false, true),
            (Some(""), false, true),
            (Some("1"), false, false),
            (Some("0"), false, false),
            (None, true, false),
        ];
        for (no_color, is_dumb, wanted) in table {
            assert_eq!(wants_colours(no_color.map(OsStr::new), is_dumb), wanted, "{no_color:?}");
        }
        assert_eq!(Colour::of("failed"), Some(Colour::Red));
        assert_eq!(Colour::of("mapping"), None);
        assert_eq!(Colour::Red.paint("failed"), "\x1b[31mfailed\x1b[0m");
    }
}
