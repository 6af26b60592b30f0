//! Prints lists as tables for people, or as JSON for programs.

use clap::ValueEnum;
use serde::Serialize;

use super::refused::Refused;
use super::terminal::{Colour, Terminal, columns, cut};
use crate::launch::print;
use crate::model::{TEXT_CHARS_MAX, escape, is_unsafe};

/// Minimum width of a text column.
const TEXT_COLUMNS_MIN: usize = 8;
/// Blanks between two columns.
const BETWEEN: usize = 2;

/// Output format of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people.
    Table,
    /// JSON with stable keys.
    Json,
}

/// A column, with its heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Ids, numbers, addresses, times: never cut.
    Whole(&'static str),
    /// States: never cut, and coloured.
    State(&'static str),
    /// Text: may be cut.
    Text(&'static str),
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Whole(head) | Self::State(head) | Self::Text(head) => head,
        }
    }
}

/// Prints a table, or the values as JSON, to standard output.
pub(super) fn list<T: Serialize>(
    format: Format,
    values: &T,
    head: &[Column],
    rows: impl FnOnce(&T) -> Vec<Vec<String>>,
) -> Result<u8, Refused> {
    Ok(match format {
        Format::Table => print(&table(head, &rows(values), Terminal::of(&std::io::stdout()))),
        Format::Json => print(&json(values)?),
    })
}

/// Formats a value as indented JSON. Characters that could move a cursor are written as escapes such as `\u009b`,
/// which mean the same.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Refused> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| Refused::failed(format!("cannot write JSON: {error}")))?;
    Ok(harmless(&json) + "\n")
}

fn harmless(json: &str) -> String {
    let mut shown = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        match character {
            // JSON escapes control characters within strings; only those between values are left.
            '\n' => shown.push(character),
            _ if is_unsafe(character) => shown += &format!("\\u{:04x}", u32::from(character)),
            _ => shown.push(character),
        }
    }
    shown
}

/// Formats columns as wide as their contents, separated by two spaces. On a terminal, text columns are cut until the
/// table fits; other output is never cut.
fn table(head: &[Column], rows: &[Vec<String>], terminal: Option<Terminal>) -> String {
    let heads: Vec<String> = head.iter().map(|column| column.head().into()).collect();
    let shown = |row: &Vec<String>| row.iter().map(|cell| shown(cell)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows.iter().map(shown)).collect();
    let widest = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| columns(cell)).max()
    };
    let mut widths: Vec<usize> =
        (0..head.len()).map(|column| widest(column).unwrap_or(0)).collect();
    if let Some(terminal) = terminal {
        narrow(&mut widths, head, terminal.columns);
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        // Each cell pads the previous one, so lines have no trailing spaces.
        let mut blanks = 0;
        for ((cell, &width), column) in row.iter().zip(&widths).zip(head) {
            let cell = cut(cell, width);
            line.extend(std::iter::repeat_n(' ', blanks));
            blanks = width - columns(&cell) + BETWEEN;
            line += &match (column, Colour::of(&cell)) {
                (Column::State(_), Some(colour)) if terminal.is_some_and(|it| it.has_colours) => {
                    colour.paint(&cell)
                }
                _ => cell,
            };
        }
        text += &line;
        text.push('\n');
    }
    text
}

/// Shortens the widest text column step by step until all columns fit or no text is left to cut.
fn narrow(widths: &mut [usize], head: &[Column], room: usize) {
    let whole =
        |widths: &[usize]| widths.iter().sum::<usize>() + BETWEEN * (widths.len().max(1) - 1);
    while whole(widths) > room {
        let may_be_cut = |column: &usize| {
            matches!(head[*column], Column::Text(_)) && widths[*column] > TEXT_COLUMNS_MIN
        };
        let text = (0..widths.len()).filter(may_be_cut);
        let Some(widest) = text.max_by_key(|&column| widths[column]) else { return };
        widths[widest] -= 1;
    }
}

/// Escapes a cell, since users choose names and reasons: no text may move the cursor.
fn shown(cell: &str) -> String {
    if cell.is_empty() { "-".into() } else { escape(cell.as_bytes(), TEXT_CHARS_MAX) }
}

#[cfg(test)]
mod tests {
    use super::Column::{State, Text, Whole};
    use super::*;

    const HEAD: [Column; 4] = [Whole("JOB"), Text("NAME"), State("STATE"), Text("REASON")];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(String::from).to_vec();
        vec![
            row(["j1", "größer", "failed", ""]),
            row(["j1000", "a\x1b[2J", "waiting", "waiting for slots, 0 of 12 maps done"]),
            row(["j1001", "日本語", "mapping", "x"]),
        ]
    }

    fn terminal(columns: usize, has_colours: bool) -> Option<Terminal> {
        Some(Terminal { columns, rows: 24, has_colours })
    }

    #[test]
    fn columns_fit_their_cells_and_are_escaped() {
        let wanted = "JOB    NAME      STATE    REASON\n\
                      j1     größer    failed   -\n\
                      j1000  a\\x1b[2J  waiting  waiting for slots, 0 of 12 maps done\n\
                      j1001  日本語    mapping  x\n";
        for terminal in [None, terminal(200, false), terminal(62, false)] {
            assert_eq!(table(&HEAD, &rows(), terminal), wanted, "{terminal:?}");
        }
    }

    #[test]
    fn terminal_cuts_the_widest_text_but_no_number_or_id() {
        let wanted = "JOB    NAME      STATE    REASON\n\
                      j1     größer    failed   -\n\
                      j1000  a\\x1b[2J  waiting  waiting for …\n\
                      j1001  日本語    mapping  x\n";
        assert_eq!(table(&HEAD, &rows(), terminal(39, false)), wanted);
        let least = "JOB    NAME      STATE    REASON\n\
                     j1     größer    failed   -\n\
                     j1000  a\\x1b[2J  waiting  waiting…\n\
                     j1001  日本語    mapping  x\n";
        for columns in [0, 10, 34] {
            assert_eq!(table(&HEAD, &rows(), terminal(columns, false)), least, "{columns}");
        }
        for columns in 34..80 {
            let text = table(&HEAD, &rows(), terminal(columns, false));
            assert!(text.lines().all(|line| super::columns(line) <= columns), "{columns}: {text}");
        }
    }

    #[test]
    fn json_holds_the_same_values_escaped() {
        let value = vec!["a\x1b[2J\u{9b}\u{7f}\u{202e}\nb".to_string(), "größer".into()];
        let json = json(&value).unwrap();
        assert!(!json.contains(|character| character != '\n' && is_unsafe(character)), "{json}");
        assert!(
            json.contains(r"a\u001b[2J\u009b\u007f\u202e\nb") && json.contains("größer"),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), value);
    }

    #[test]
    fn states_are_in_colour_and_nothing_else_is() {
        let text = table(&HEAD, &rows(), terminal(80, true));
        let plain = table(&HEAD, &rows(), terminal(80, false));
        assert!(text.contains("j1     größer    \x1b[31mfailed\x1b[0m   -\n"), "{text}");
        assert!(text.contains("  \x1b[33mwaiting\x1b[0m  waiting for slots"), "{text}");
        let mut without = text.replace("\x1b[0m", "");
        for code in ["\x1b[31m", "\x1b[33m"] {
            assert_eq!(without.matches(code).count(), 1, "{code}");
            without = without.replace(code, "");
        }
        assert_eq!(without, plain);
        assert!(!plain.contains('\x1b'));
    }
}
