//! Replaces the previous lines on the terminal with new ones in a single write, so that nothing flickers.

use super::bars::Line;
use crate::cli::terminal::{Terminal, columns};

/// The lines on the terminal, above the cursor.
#[derive(Debug, Default)]
pub(super) struct Screen {
    lines: Vec<Line>,
    columns: usize,
}

impl Screen {
    /// Returns what to write so that these lines replace the old ones; empty if they are the same.
    ///
    /// Each line is written first, and then the rest of the old line behind it is erased, never the other way round.
    /// On a terminal that became narrower, old lines take several rows.
    pub(super) fn draw(&mut self, mut lines: Vec<Line>, terminal: Terminal) -> Option<String> {
        // The cursor needs a row too, and rows that have left the screen cannot be redrawn.
        lines.truncate(terminal.rows.saturating_sub(1).max(1));
        if lines == self.lines && terminal.columns == self.columns {
            return None;
        }
        let rows = |line: &Line| columns(&line.text).div_ceil(terminal.columns.max(1)).max(1);
        let up: usize = self.lines.iter().map(rows).sum();
        let mut text = String::from("\r");
        if up > 0 {
            text += &format!("\x1b[{up}A");
        }
        for line in &lines {
            text += &line.painted(terminal.has_colours);
            text += "\x1b[K\n";
        }
        if up > lines.len() {
            text += "\x1b[J";
        }
        (self.lines, self.columns) = (lines, terminal.columns);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bars::{Sight, lines};
    use super::*;
    use crate::model::JobState;
    use crate::rpc::jobs::JobStatus;

    fn terminal(columns: usize, rows: usize) -> Terminal {
        Terminal { columns, rows, has_colours: false }
    }

    fn drawn(status: &JobStatus, below: Option<&str>, columns: usize) -> Vec<Line> {
        let below = below.map(String::from);
        lines(&Sight { status, rate: None, left: None, reruns: 0, backups: 0, below }, columns)
    }

    #[test]
    fn lines_are_drawn_over_the_last_ones() {
        let (status, mut screen) = (JobStatus::in_state(JobState::Waiting), Screen::default());
        let first = screen.draw(drawn(&status, Some("no workers"), 80), terminal(80, 24)).unwrap();
        assert!(first.starts_with("\rj7 wordcount  waiting  0 %\x1b[K\nplan "), "{first:?}");
        assert!(first.ends_with("\nno workers\x1b[K\n"), "{first:?}");
        assert_eq!(screen.draw(drawn(&status, Some("no workers"), 80), terminal(80, 24)), None);
        // One line fewer: the last old line is erased.
        let second = screen.draw(drawn(&status, None, 80), terminal(80, 24)).unwrap();
        assert!(second.starts_with("\r\x1b[6Aj7 "), "{second:?}");
        assert!(second.ends_with("\x1b[K\n\x1b[J"), "{second:?}");
        // As many lines as before: there is nothing to erase below.
        let third = screen.draw(drawn(&status, None, 90), terminal(90, 24)).unwrap();
        assert!(third.starts_with("\r\x1b[5Aj7 ") && third.ends_with("\x1b[K\n"), "{third:?}");
    }

    #[test]
    fn shrunken_terminal_is_redrawn_within_its_rows() {
        let (status, mut screen) = (JobStatus::in_state(JobState::Waiting), Screen::default());
        screen.draw(drawn(&status, None, 80), terminal(80, 24)).unwrap();
        // A head of 26 columns and four bars of 32 to 36, in rows of 20.
        let narrow = screen.draw(drawn(&status, None, 20), terminal(20, 24)).unwrap();
        assert!(narrow.starts_with("\r\x1b[10A") && narrow.ends_with("\x1b[J"), "{narrow:?}");
        let low = screen.draw(drawn(&status, None, 20), terminal(20, 3)).unwrap();
        assert_eq!(low.matches('\n').count(), 2, "{low:?}");
    }
}
