//! Finds the size of a terminal, and whether it can redraw lines.

use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// Size of a terminal that does not report one: columns and rows.
const COLUMNS: usize = 80;
const ROWS: usize = 24;

/// Returns the terminal's current columns and rows, or the default size if there is no terminal.
pub(crate) fn size(stream: impl AsFd) -> (usize, usize) {
    let size = tcgetwinsize(stream).ok();
    let known = |number: u16, usual| if number > 0 { usize::from(number) } else { usual };
    (
        size.map_or(COLUMNS, |size| known(size.ws_col, COLUMNS)),
        size.map_or(ROWS, |size| known(size.ws_row, ROWS)),
    )
}

/// Whether the terminal, if any, is too simple for anything but lines of text.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
