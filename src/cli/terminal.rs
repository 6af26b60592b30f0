//! Terminal output: the width of text, how it is cut, and colours.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use unicode_width::UnicodeWidthChar;

use crate::launch::{is_dumb, size};

/// The terminal of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) has_colours: bool,
}

impl Terminal {
    /// Returns the terminal of this stream, if it is one.
    pub(super) fn of(stream: &(impl AsFd + IsTerminal)) -> Option<Self> {
        stream.is_terminal().then(|| Self::sized(stream))
    }

    /// Returns the terminal of this stream, or a standard one without colours if there is none.
    pub(super) fn sized(stream: &(impl AsFd + IsTerminal)) -> Self {
        let (columns, rows) = size(stream);
        let no_color = std::env::var_os("NO_COLOR");
        let has_colours = stream.is_terminal() && wants_colours(no_color.as_deref(), is_dumb());
        Self { columns, rows, has_colours }
    }
}

/// Follows <https://no-color.org>: any non-empty value turns colours off.
fn wants_colours(no_color: Option<&OsStr>, is_dumb: bool) -> bool {
    !is_dumb && no_color.is_none_or(OsStr::is_empty)
}

/// A colour that every terminal has and that is readable on any background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
}

impl Colour {
    /// Returns the colour of a state: failed, finished or waiting. Other states have none.
    pub(super) fn of(state: &str) -> Option<Self> {
        match state {
            "failed" | "lost" | "unreachable" => Some(Self::Red),
            "succeeded" | "completed" => Some(Self::Green),
            "waiting" | "draining" | "excluded" => Some(Self::Yellow),
            _ => None,
        }
    }

    /// Returns the text in this colour.
    pub(super) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Returns the number of columns of a text without control characters.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Returns the columns of a character on its own: many terminals do not join the parts of an emoji.
fn columns_of(character: char) -> usize {
    character.width().unwrap_or(1)
}

/// Cuts a text to this many columns; a cut text ends in `…`.
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
            ("👩\u{200d}🚀", 4, "👩\u{200d}🚀"),
            ("ส\u{e35}ส\u{e35}ส", 2, "ส\u{e35}…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ];
        for (text, room, wanted) in table {
            assert_eq!(cut(text, room), wanted, "{text} in {room}");
            assert!(columns(&cut(text, room)) <= room, "{text} in {room}");
        }
    }

    #[test]
    fn colours_need_a_terminal_and_no_no_color() {
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
