//! Lists as tables for people, or as JSON for programs.

use clap::ValueEnum;
use serde::Serialize;

use super::refused::Refused;
use crate::launch::print;
use crate::spec::escape;
use crate::spec::failure::TEXT_CHARS_MAX;

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for people.
    Table,
    /// JSON, whose keys do not change.
    Json,
}

/// Prints lines of columns, or the values as JSON; on standard output.
pub(super) fn list<T: Serialize>(
    format: Format,
    values: &T,
    head: &[&str],
    rows: impl FnOnce(&T) -> Vec<Vec<String>>,
) -> Result<u8, Refused> {
    Ok(match format {
        Format::Table => print(&table(head, &rows(values))),
        Format::Json => print(&json(values)?),
    })
}

/// A value as JSON, on lines of its own.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Refused> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| Refused::failed(format!("cannot be written as JSON: {error}")))?;
    Ok(json + "\n")
}

/// Columns as wide as what is in them, two blanks between them, the last one as it is.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.iter().map(|cell| shown(cell)).collect())
        .collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let blanks = width - cell.chars().count() + 2;
            line += cell;
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Names and reasons come from users: none of it may move the cursor.
fn shown(cell: &str) -> String {
    if cell.is_empty() { "-".into() } else { escape(cell.as_bytes(), TEXT_CHARS_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_hold_nothing_dangerous() {
        let rows = [
            vec!["j1".into(), "größer".into(), String::new()],
            vec!["j1000".into(), "a\x1b[2J".into(), "waits for a slot".into()],
        ];
        let text = table(&["JOB", "NAME", "REASON"], &rows);
        let wanted = "JOB    NAME      REASON\n\
                      j1     größer    -\n\
                      j1000  a\\x1b[2J  waits for a slot\n";
        assert_eq!(text, wanted);
    }
}
