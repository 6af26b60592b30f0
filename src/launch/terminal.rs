//! What is known of the terminal that a stream leads to.

use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// Columns and rows of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
const ROWS: usize = 24;

/// Columns and rows of the terminal now; the usual ones where there is none.
pub(crate) fn size(stream: impl AsFd) -> (usize, usize) {
    let size = tcgetwinsize(stream).ok();
    let known = |number: u16, usual| if number > 0 { usize::from(number) } else { usual };
    (
        size.map_or(COLUMNS, |size| known(size.ws_col, COLUMNS)),
        size.map_or(ROWS, |size| known(size.ws_row, ROWS)),
    )
}

/// Whether the terminal, if there is one, knows nothing but lines of text.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
