//! Writes user bytes: unchanged to a pipe or a file, escaped to a terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
#[cfg(feature = "cluster")]
use std::io::{StdoutLock, stdout};

#[cfg(feature = "cluster")]
use super::standard::output;
use crate::model::escape_text;

/// The longest character, in bytes.
const CHARACTER_BYTES_MAX: usize = 4;

/// Standard output, or a buffer in a test. A write may end in the middle of a character; [`Foreign::end`] marks the
/// end.
#[derive(Debug)]
pub(crate) struct Foreign<W> {
    to: W,
    is_terminal: bool,
    /// The first bytes of a character that is not complete yet.
    rest: Vec<u8>,
}

#[cfg(feature = "cluster")]
impl Foreign<StdoutLock<'static>> {
    /// Standard output.
    ///
    /// # Errors
    /// If standard output is closed, or open for reading only.
    pub(crate) fn stdout() -> io::Result<Self> {
        Ok(Foreign::new(output()?, stdout().is_terminal()))
    }
}

impl Foreign<File> {
    /// The standard output that was set aside for the result.
    pub(crate) fn aside(output: File) -> Self {
        let is_terminal = output.is_terminal();
        Foreign::new(output, is_terminal)
    }
}

impl<W: Write> Foreign<W> {
    pub(crate) fn new(to: W, is_terminal: bool) -> Self {
        Foreign { to, is_terminal, rest: Vec::new() }
    }

    /// Flushes an incomplete character.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        self.to.write_all(escape_text(&rest).as_bytes())?;
        self.to.flush()
    }
}

impl<W: Write> Write for Foreign<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.to.write(bytes);
        }
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() - unfinished(&self.rest);
        let text = escape_text(&self.rest[..whole]);
        self.rest.drain(..whole);
        self.to.write_all(text.as_bytes()).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Counts the bytes at the end that may begin a character.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(CHARACTER_BYTES_MAX - 1)..];
    let begins = (0..tail.len()).find(|&at| {
        let read = str::from_utf8(&tail[at..]);
        read.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    });
    begins.map_or(0, |at| tail.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is written for these pieces.
    fn written(pieces: &[&[u8]], is_terminal: bool) -> Vec<u8> {
        let mut out = Foreign::new(Vec::new(), is_terminal);
        for piece in pieces {
            out.write_all(piece).unwrap();
        }
        out.end().unwrap();
        out.to
    }

    #[test]
    fn a_pipe_gets_bytes_and_a_terminal_text() {
        let pieces: [&[u8]; 3] = [b"a\x1b[2J\tb\n\xff", "gr\u{202e}".as_bytes(), b"\xc3"];
        assert_eq!(written(&pieces, false), pieces.concat());
        let shown = b"a\\x1b[2J\tb\n\\xffgr\\xe2\\x80\\xae\\xc3";
        assert_eq!(written(&pieces, true), shown);
    }

    #[test]
    fn characters_that_come_in_pieces_are_whole() {
        let text = "größer 日本 🦀, und aus\n".as_bytes();
        for at in 0..=text.len() {
            let pieces = [&text[..at], &text[at..]];
            assert_eq!(written(&pieces, true), text, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(written(&bytes, true), text);
    }
}
