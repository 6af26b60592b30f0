//! What several attempts have printed, with lines between that say whose it is.

use std::io::{self, StdoutLock, Write};

use crate::launch::Foreign;
use crate::spec::AttemptId;

/// Standard output, or something else in a test.
#[derive(Debug)]
pub(super) struct Out<W> {
    to: Foreign<W>,
    /// Whose it was last, if it was said whose.
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

    /// Prints bytes that more may follow.
    pub(super) fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(last) = bytes.last() {
            self.is_line_begun = *last != b'\n';
            self.to.write_all(bytes)?;
        }
        self.to.flush()
    }

    /// The same, below a line that says whose they are, unless those before are of the same.
    pub(super) fn print_of(&mut self, attempt: AttemptId, bytes: &[u8]) -> io::Result<()> {
        if self.whose != Some(attempt) {
            self.to.end()?;
            let end = if self.is_line_begun { "\n" } else { "" };
            self.to.write_all(format!("{end}==> {attempt} <==\n").as_bytes())?;
            (self.whose, self.is_line_begun) = (Some(attempt), false);
        }
        self.print(bytes)
    }

    /// No more comes of what was printed last.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.to.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{JobId, TaskKind};

    #[test]
    fn it_is_said_whose_lines_they_are_when_that_changes() {
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
