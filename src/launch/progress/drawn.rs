//! The progress line that is currently on the terminal. It is cleared before other messages are written.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::launch::message::say;

/// The redrawn line, as the number of columns that it covers. It is overwritten with spaces rather than by escape
/// codes, which works on every terminal and in every log.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    covered: Mutex<usize>,
}

impl Drawn {
    /// Draws a line, shorter than `columns`, over the previous one.
    pub(super) fn draw(&self, line: &str, columns: usize) {
        let mut covered = self.covered();
        say(&over(&mut covered, line, columns));
    }

    /// Clears the line; nothing is drawn while the guard is held.
    pub(crate) fn clear(&self) -> MutexGuard<'_, usize> {
        let mut covered = self.covered();
        if *covered > 0 {
            let columns = super::columns();
            say(&(over(&mut covered, "", columns) + "\r"));
        }
        covered
    }

    fn covered(&self) -> MutexGuard<'_, usize> {
        // The number is valid even if another thread has panicked.
        self.covered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what to write to replace a line of `covered` columns with `line`.
fn over(covered: &mut usize, line: &str, columns: usize) -> String {
    let length = line.chars().count();
    // A terminal that became narrower has wrapped the old line into rows that cannot be reached, so a new row is
    // used.
    let start = if *covered >= columns { "\n" } else { "\r" };
    let blanks = if *covered >= columns { 0 } else { covered.saturating_sub(length) };
    *covered = length;
    format!("{start}{line}{:blanks$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_covers_the_one_before() {
        let mut covered = 0;
        let table = [
            ("map 9%", 80, "\rmap 9%"),
            ("map 10%", 80, "\rmap 10%"),
            ("plan", 80, "\rplan   "),
            ("", 80, "\r    "),
            ("", 80, "\r"),
        ];
        for (line, columns, written) in table {
            assert_eq!(over(&mut covered, line, columns), written);
        }
    }

    #[test]
    fn a_terminal_that_became_narrower_gets_a_new_row() {
        let mut covered = 60;
        assert_eq!(over(&mut covered, "map 10%", 40), "\nmap 10%");
        assert_eq!(over(&mut covered, "map", 40), "\rmap    ");
    }
}
