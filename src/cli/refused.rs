//! Errors of the `gristmill` command: a message and an exit code.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::exit;
use crate::client;
use crate::launch::{Message, say};
use crate::model::{Location, escape_message, split_hint, with_hint};
use crate::rpc::refusal::Refusal;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Refused {
    /// The exit code.
    pub(super) code: u8,
    /// The message.
    pub(super) message: Message,
}

impl Refused {
    /// Creates the error of a mistake in the command line.
    pub(super) fn usage(line: impl Into<String>) -> Self {
        Self { code: exit::USAGE, message: Message::new(line) }
    }

    /// Creates the error of a failure of this machine or this program.
    pub(super) fn failed(line: impl Into<String>) -> Self {
        Self { code: exit::FAILED, message: Message::new(line) }
    }

    /// Prints the message and returns the exit code.
    pub(super) fn say(self) -> u8 {
        say(&self.message.to_string());
        self.code
    }
}

impl From<Message> for Refused {
    fn from(message: Message) -> Self {
        Self { code: exit::USAGE, message }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Invalid { .. } => exit::USAGE,
            Refusal::NotFound { .. } => exit::NOT_FOUND,
            Refusal::Unavailable { .. } | Refusal::NotLeader { .. } | Refusal::NotYet { .. } => {
                exit::UNAVAILABLE
            }
            Refusal::Limit { .. } => exit::LIMIT,
            Refusal::Internal { .. } => exit::FAILED,
        };
        Self { code, message: Message::new(escape_message(&refusal.to_string())) }
    }
}

/// Returns the path of the executable that a shell would find for this name. `submit` looks only in the current folder.
/// `None` if the name contains a slash or is a file in the current folder.
fn on_path(name: &Path) -> Option<PathBuf> {
    if name.is_file() || name.as_os_str().as_bytes().contains(&b'/') {
        return None;
    }
    let is_executable = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    };
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(is_executable)
}

impl From<client::Error> for Refused {
    fn from(error: client::Error) -> Self {
        let mut line = escape_message(&error.to_string());
        if let client::Error::Executable { executable, .. } = &error
            && let Some(found) = on_path(executable.path())
        {
            let hint = format!("submit {}, which was found in PATH", Location::from(&found));
            line = with_hint(split_hint(&line).0.into(), Some(hint));
        }
        let (code, details) = match error {
            client::Error::Refused { cause } => return cause.into(),
            client::Error::Unknown { .. } => (exit::UNKNOWN, Vec::new()),
            client::Error::NotAJob { said, .. } => (exit::USAGE, said),
            client::Error::Arguments { details, .. } => {
                (exit::USAGE, details.iter().map(|detail| escape_message(detail)).collect())
            }
            client::Error::Executable { cause, .. } | client::Error::SideFile { cause, .. } => {
                let is_limit = cause.kind() == ErrorKind::FileTooLarge;
                (if is_limit { exit::LIMIT } else { exit::USAGE }, Vec::new())
            }
            client::Error::Version { .. } | client::Error::Unfit { .. } => {
                (exit::USAGE, Vec::new())
            }
        };
        Self { code, message: Message { line, details } }
    }
}
