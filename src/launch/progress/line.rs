//! Formats the lines that show progress: plain text, without colours or escape codes.

use super::meter::Sight;
use crate::embedded::Phase;
use crate::launch::message::span;
use crate::model::size;

/// Maximum columns between the bar's brackets. Narrower terminals get a shorter bar or none.
const BAR_COLUMNS_MAX: usize = 40;
/// The widest text beside the bar, so that the bar keeps its length:
/// ` 1023.9MiB/s 59:59 left`.
const BESIDE_COLUMNS: usize = 23;
/// Minimum columns of a useful bar.
const BAR_COLUMNS_MIN: usize = 8;

/// Renders the redrawn line. It leaves the last column free, because terminals differ in when they wrap.
pub(super) fn redrawn(sight: &Sight, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let mut line = sight.phase.name().to_string();
    let add = |line: &mut String, piece: String| {
        if line.len() + 1 + piece.len() <= room {
            *line += " ";
            *line += &piece;
        }
    };
    if let Some(percent) = sight.percent {
        add(&mut line, format!("{percent:>3}%"));
        let columns = room.saturating_sub(line.len() + 3 + BESIDE_COLUMNS).min(BAR_COLUMNS_MAX);
        if columns >= BAR_COLUMNS_MIN {
            let full = columns * percent.min(100) as usize / 100;
            add(&mut line, format!("[{}{}]", "#".repeat(full), "-".repeat(columns - full)));
        }
    }
    if let Some(left) = sight.left {
        add(&mut line, format!("{} left", span(left)));
    }
    if sight.phase == Phase::Mapping && sight.percent.is_none() {
        add(&mut line, size::format(sight.bytes));
    }
    if let Some(rate) = sight.rate {
        add(&mut line, format!("{}/s", size::format(rate)));
    }
    line.truncate(room);
    line
}

/// Renders a plain line.
pub(super) fn plain(sight: &Sight) -> String {
    let mut line = sight.phase.name().to_string();
    match sight.percent {
        Some(percent) => line += &format!(" {percent}%"),
        None if sight.phase == Phase::Mapping => line += &format!(" {}", size::format(sight.bytes)),
        None => {}
    }
    if let Some(rate) = sight.rate {
        line += &format!(", {}/s", size::format(rate));
    }
    if let Some(left) = sight.left {
        line += &format!(", {} left", span(left));
    }
    line
}

/// Renders a line in Hadoop's format.
pub(super) fn hadoop(sight: &Sight) -> String {
    format!(" map {}% reduce {}%", sight.maps, sight.reduces)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SIGHT: Sight = Sight {
        phase: Phase::Mapping,
        percent: Some(43),
        bytes: 430 << 20,
        rate: Some(512 << 20),
        left: Some(Duration::from_secs(72)),
        maps: 43,
        reduces: 0,
    };

    #[test]
    fn the_line_fits_every_terminal() {
        for columns in 0..200 {
            let line = redrawn(&SIGHT, columns);
            assert!(line.is_empty() || line.len() < columns, "{columns}: {line}");
        }
        let table = [
            (80, "map  43% [#################-----------------------] 1:12 left 512MiB/s"),
            (50, "map  43% [######---------] 1:12 left 512MiB/s"),
            (40, "map  43% 1:12 left 512MiB/s"),
            (20, "map  43% 1:12 left"),
            (10, "map  43%"),
            (3, "ma"),
        ];
        for (columns, expected) in table {
            assert_eq!(redrawn(&SIGHT, columns), expected);
        }
    }

    #[test]
    fn input_without_a_known_end_shows_how_much_was_read() {
        let sight = Sight { percent: None, left: None, ..SIGHT };
        assert_eq!(redrawn(&sight, 80), "map 430MiB 512MiB/s");
        assert_eq!(plain(&sight), "map 430MiB, 512MiB/s");
    }

    #[test]
    fn other_lines_are_for_logs_and_for_programs() {
        assert_eq!(plain(&SIGHT), "map 43%, 512MiB/s, 1:12 left");
        assert_eq!(hadoop(&SIGHT), " map 43% reduce 0%");
    }
}
