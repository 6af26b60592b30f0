//! Shows on standard error how far a job on a cluster is.

use std::io::IsTerminal;

use crate::launch::say;
use crate::rpc::jobs::{JobStatus, State, Tally};
use crate::spec::escape;
use crate::spec::failure::TEXT_CHARS_MAX;

/// Plain lines of a job in one state at most.
const PLAIN_STEPS: f64 = 20.0;

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Redrawn,
    Plain,
    Hadoop,
    Never,
}

/// What was shown last.
#[derive(Debug)]
pub(super) struct Progress {
    style: Style,
    /// Whether what the job does may be said at all.
    is_quiet: bool,
    last: String,
    /// State and step of the last plain line.
    last_step: Option<(State, u64)>,
}

impl Progress {
    /// As the flags of the job ask for: `auto`, `always`, `never`, `hadoop`.
    pub(super) fn new(report: &[(String, String)]) -> Self {
        let flag = |name: &str| {
            report.iter().find(|(flag, _)| flag == name).map_or("", |(_, value)| value.as_str())
        };
        let is_dumb = || std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let is_quiet = flag("quiet") == "true";
        let style = match flag("progress") {
            _ if is_quiet => Style::Never,
            "never" => Style::Never,
            "hadoop" => Style::Hadoop,
            "always" => Style::Redrawn,
            _ if std::io::stderr().is_terminal() && !is_dumb() => Style::Redrawn,
            _ => Style::Plain,
        };
        Self { style, is_quiet, last: String::new(), last_step: None }
    }

    /// Whether notes that are not errors are wanted.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Shows a status, if it looks other than the last one.
    pub(super) fn show(&mut self, status: &JobStatus) {
        let line = match self.style {
            Style::Never => return,
            Style::Hadoop => hadoop(status),
            Style::Redrawn | Style::Plain => line(status),
        };
        // A log is not flooded by a job of many tasks.
        let step = Some((status.state, (PLAIN_STEPS * status.progress) as u64));
        if line == self.last || self.style == Style::Plain && step == self.last_step {
            return;
        }
        self.last_step = step;
        match self.style {
            // Drawn over with blanks rather than escape codes: right on every terminal, and in every log.
            Style::Redrawn => {
                let blanks = self.last.chars().count().saturating_sub(line.chars().count());
                say(&format!("\r{line}{:blanks$}", ""));
            }
            _ => say(&format!("{line}\n")),
        }
        self.last = line;
    }

    /// Leaves the line that was drawn, so that others can follow.
    pub(super) fn end(&mut self) {
        if self.style == Style::Redrawn && !self.last.is_empty() {
            say("\n");
        }
        self.last = String::new();
    }
}

fn line(status: &JobStatus) -> String {
    let reason = match status.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({})", escape(reason.as_bytes(), TEXT_CHARS_MAX)),
    };
    format!(
        "{} {}{reason}  maps {}/{}  reduces {}/{}  {:.0} %",
        status.id,
        status.state,
        status.maps.done,
        status.maps.total,
        status.reduces.done,
        status.reduces.total,
        100.0 * status.progress
    )
}

/// As Hadoop says it, for programs that read that.
fn hadoop(status: &JobStatus) -> String {
    let percent = |tally: &Tally| (100.0 * tally.progress) as u64;
    format!(" map {}% reduce {}%", percent(&status.maps), percent(&status.reduces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::JobId;

    #[test]
    fn a_status_is_one_line() {
        let mut status = JobStatus {
            id: JobId(7),
            name: "wordcount".into(),
            state: State::Mapping,
            reason: String::new(),
            progress: 0.5,
            maps: Tally { total: 4, done: 3, running: 1, progress: 0.875, ..Tally::default() },
            reduces: Tally::default(),
            output: "/out".into(),
            error: None,
            failure: None,
            submitted: String::new(),
            finished: None,
            version: 1,
        };
        assert_eq!(line(&status), "j7 mapping  maps 3/4  reduces 0/0  50 %");
        assert_eq!(hadoop(&status), " map 87% reduce 0%");
        status.reason = "waits for\na slot".into();
        assert!(line(&status).starts_with(r"j7 mapping (waits for\na slot)  maps"));
    }
}
