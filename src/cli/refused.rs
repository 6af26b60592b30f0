//! Errors of the command: a message, and the exit code.

use std::io::ErrorKind;

use super::exit;
use crate::client;
use crate::launch::{Message, say};
use crate::rpc::refusal::Refusal;
use crate::spec::escape_message;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Refused {
    /// The exit code.
    pub(super) code: u8,
    /// The message.
    pub(super) message: Message,
}

impl Refused {
    /// A mistake in the command line.
    pub(super) fn usage(line: impl Into<String>) -> Self {
        Self { code: exit::USAGE, message: Message::new(line) }
    }

    /// A failure of this machine or this program.
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

impl From<client::Error> for Refused {
    fn from(error: client::Error) -> Self {
        let line = escape_message(&error.to_string());
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
