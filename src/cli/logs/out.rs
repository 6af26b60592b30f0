//! Prints the output of several attempts, with header lines that name the attempt.

use std::io::{self, StdoutLock, Write};

use crate::launch::Foreign;
use crate::model::AttemptId;

/// Standard output, or a buffer in a test.
#[derive(Debug)]
pub(super) struct Out<W> {
    to: Foreign<W>,
    /// The attempt that the last header named.
    whose: Option<AttemptId>,
    is_line_begun: bool,
}

impl Out<StdoutLock<'static>> {
    pub(super) fn stdout() -> io::Result<Self> {
        Ok(Out::new(Foreign::stdout()?))
    }
}

impl<W: Write> Out<W> {
    fn new(to: Foreign<W>) -> Self {
        Out { to, whose: None, is_line_begun: false }
    }

    /// Prints bytes that a later call may continue.
    pub(super) fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(last) = bytes.last() {
            self.is_line_begun = *last != b'\n';
            self.to.write_all(bytes)?;
        }
        self.to.flush()
    }

    /// Prints bytes below a header that names their attempt, unless the preceding bytes belong to the same attempt.
    pub(super) fn print_of(&mut self, attempt: AttemptId, bytes: &[u8]) -> io::Result<()> {
        if self.whose != Some(attempt) {
            self.to.end()?;
            let end = if self.is_line_begun { "\n" } else { "" };
            self.to.write_all(format!("{end}==> {attempt} <==\n").as_bytes())?;
            (self.whose, self.is_line_begun) = (Some(attempt), false);
        }
        self.print(bytes)
    }

    /// Ends the text that was printed last: nothing follows it.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.to.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobId, TaskKind};

    #[test]
    fn header_is_printed_when_the_attempt_changes() {
        let attempt = |map| JobId(7).task(TaskKind::Map, map).attempt(1);
        let mut written = Vec::new();
        let mut out = Out::new(Foreign::new(&mut written, false));
        for (map, bytes) in [(1, "a\n"), (1, "b"), (2, "c\n"), (1, "d\n")] {
            out.print_of(attempt(map), bytes.as_bytes()).unwrap();
        }
        let wanted = "==> j7/m1#1 <==\na\nb\n==> j7/m2#1 <==\nc\n==> j7/m1#1 <==\nd\n";
        assert_eq!(String::from_utf8(written).unwrap(), wanted);
    }
}
