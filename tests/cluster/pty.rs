//! A pseudo-terminal: runs a command there, and reads the screen.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::commands::{Commands, GRISTMILL, Result};
use crate::until::until_within;

/// How long a command may take.
const SECONDS_MAX: u32 = 120;

/// A command on a terminal.
pub(crate) struct Pty {
    child: Child,
    said: PathBuf,
}

/// Quotes an argument for the shell.
fn quoted(argument: &str) -> String {
    format!("'{}'", argument.replace('\'', r"'\''"))
}

impl Pty {
    /// Starts `gristmill` with these arguments on a terminal of this many columns, with these variables.
    pub(crate) fn start(
        commands: &Commands,
        columns: u32,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<Self> {
        let line: Vec<String> =
            std::iter::once(&GRISTMILL).chain(arguments).map(|argument| quoted(argument)).collect();
        let line = format!("stty cols {columns} rows 30; exec {}", line.join(" "));
        let number = fs::read_dir(commands.path(""))?.count();
        let said = commands.path(&format!("screen-{number}.txt"));
        let mut command = commands.script(&line);
        command.env("TERM", "xterm").env_remove("NO_COLOR").envs(variables.iter().copied());
        let child = command.stdout(File::create(&said)?).stderr(Stdio::inherit()).spawn()?;
        Ok(Self { child, said })
    }

    /// Returns everything that was sent to the terminal so far.
    pub(crate) fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.said)?).into_owned())
    }

    /// Returns the rows of the screen, without trailing blanks.
    pub(crate) fn screen(&self) -> Result<Vec<String>> {
        Ok(screen(&self.output()?))
    }

    /// Waits until a row of the screen begins with this text, and returns the screen.
    pub(crate) fn until_row(&self, begin: &str) -> Result<Vec<String>> {
        let is_there = || Ok(self.screen()?.iter().any(|row| row.starts_with(begin)));
        until_within(SECONDS_MAX, begin, is_there)
            .map_err(|error| format!("{error}: {:?}", self.output()))?;
        self.screen()
    }

    /// Returns the process that holds the terminal. The command is its child.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process ends, and returns its exit code.
    pub(crate) fn ended(&mut self) -> Result<Option<i32>> {
        until_within(SECONDS_MAX, "it ends", || Ok(self.child.try_wait()?.is_some()))?;
        Ok(self.child.wait()?.code())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _gone_or_not = self.child.kill();
        let _reaped_or_not = self.child.wait();
    }
}

/// Returns the screen of a terminal that received this text. It understands only the cursor movements that we use.
fn screen(text: &str) -> Vec<String> {
    let (mut rows, mut row, mut column) = (vec![Vec::new()], 0, 0);
    let mut text = text.chars();
    while let Some(character) = text.next() {
        let line: &mut Vec<char> = &mut rows[row];
        match character {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                rows.resize(rows.len().max(row + 1), Vec::new());
            }
            '\x1b' => {
                // `[`, a number, and a letter.
                let mut number = String::new();
                let letter = text.by_ref().skip(1).find(|it| {
                    number.extend(it.is_ascii_digit().then_some(*it));
                    it.is_alphabetic()
                });
                match letter {
                    Some('A') => row -= number.parse::<usize>().unwrap_or(1).min(row),
                    Some('K') => line.truncate(column),
                    Some('J') => {
                        line.truncate(column);
                        rows.truncate(row + 1);
                    }
                    _ => {}
                }
            }
            _ => {
                line.resize(line.len().max(column + 1), ' ');
                line[column] = character;
                column += 1;
            }
        }
    }
    rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn screen_shows_overwritten_text() {
    let text = "one\r\ntwo\r\nthree\r\n\r\x1b[3Afour\x1b[K\r\n\x1b[31mx\x1b[0m\x1b[K\r\n\x1b[J";
    assert_eq!(screen(text), ["four", "x", ""]);
}
