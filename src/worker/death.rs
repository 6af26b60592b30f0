//! Turns the death of an executor into the failure of its attempt.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use signal_hook::low_level::signal_name;

use super::CappedLog;
use crate::model::{Cause, Failure, TEXT_CHARS_MAX, escape, size};

/// Last lines of an attempt's log that a failure includes.
const LINES_MAX: usize = 20;

/// The death of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// How the process ended.
    pub ending: Ending,
    /// Set if it was killed for exceeding its memory limit.
    pub memory: Option<OverMemory>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code.
    Exited {
        /// 0 to 255.
        code: i32,
    },
    /// A signal killed it.
    Signaled {
        /// Its number.
        signal: i32,
    },
}

/// Facts about an executor that exceeded its memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverMemory {
    /// Memory that it used; with a control group, at most the limit.
    pub used_bytes: u64,
    /// Its limit.
    pub limit_bytes: u64,
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Ending::Signaled { signal },
            None => Ending::Exited { code: status.code().unwrap_or(-1) },
        }
    }
}

impl fmt::Display for Ending {
    /// Describes the death, such as `died of SIGSEGV (signal 11)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ending::Exited { code } => write!(f, "exited with code {code}"),
            Ending::Signaled { signal } => match signal_name(signal) {
                Some(name) => write!(f, "died of {name} (signal {signal})"),
                None => write!(f, "died of signal {signal}"),
            },
        }
    }
}

impl Death {
    /// Returns the failure of the executor's attempt, with the last lines of its log.
    pub(super) fn failure(&self, log: &CappedLog) -> Failure {
        let (cause, message) = match (self.memory, self.ending) {
            (Some(over), _) => {
                let (used, limit) = (size::format(over.used_bytes), size::format(over.limit_bytes));
                let message = format!(
                    "the executor was killed for using too much memory: it used {used}, but an \
                     attempt may use at most {limit}\nhint: lower the job's --memory, or raise the worker's --memory"
                );
                (Cause::Memory, message)
            }
            (None, ending @ Ending::Exited { .. }) => {
                (Cause::Exit, format!("the executor {ending} before the attempt ended"))
            }
            (None, ending @ Ending::Signaled { .. }) => {
                (Cause::Signal, format!("the executor {ending}"))
            }
        };
        Failure { log: last_lines(log), ..Failure::new(cause, message) }
    }
}

/// Returns the last lines of a log, escaped.
pub(super) fn last_lines(log: &CappedLog) -> Vec<String> {
    let bytes = log.to_bytes();
    let mut lines: Vec<String> = bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .rev()
        .take(LINES_MAX)
        .map(|line| escape(line, TEXT_CHARS_MAX))
        .collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_death_has_its_cause_and_the_last_lines_of_the_log() {
        let mut log = CappedLog::new();
        log.append(b"first\n\nthread 'main' panicked\x1b[0m\n");
        let dead = |ending, memory| Death { ending, memory }.failure(&log);
        let exited = dead(Ending::Exited { code: 0 }, None);
        assert_eq!(exited.message, "the executor exited with code 0 before the attempt ended");
        assert_eq!(exited.log, ["first", "thread 'main' panicked\\x1b[0m"]);
        let signaled = dead(Ending::Signaled { signal: 11 }, None);
        assert_eq!(signaled.cause, Cause::Signal);
        assert_eq!(signaled.message, "the executor died of SIGSEGV (signal 11)");
        let unnamed = dead(Ending::Signaled { signal: 40 }, None);
        assert_eq!(unnamed.message, "the executor died of signal 40");
        let over = OverMemory { used_bytes: 3 << 20, limit_bytes: 2 << 20 };
        let memory = dead(Ending::Signaled { signal: 9 }, Some(over));
        assert_eq!(memory.cause, Cause::Memory);
        assert!(
            memory.message.contains("used 3MiB, but an attempt may use at most 2MiB"),
            "{}",
            memory.message
        );
    }
}
