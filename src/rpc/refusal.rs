//! The error type of requests: why a request was refused or not answered.

use serde::{Deserialize, Serialize};

/// Why a request was refused or not answered. The class decides the exit code of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The request is wrong in itself: exit code 2.
    #[error("{message}")]
    Invalid {
        /// What was wrong, with the value, where, and what to do.
        message: String,
    },
    /// The job, task, worker or artifact does not exist: exit code 3.
    #[error("{message}")]
    NotFound {
        /// What does not exist.
        message: String,
    },
    /// No answer came within the deadline, or no master leads: exit code 4. The request may have taken effect.
    #[error("{message}")]
    Unavailable {
        /// The master that was asked, and what happened.
        message: String,
    },
    /// The work is in progress, and takes longer than an answer may. Ask again to wait for the same work. Exit code 4.
    #[error("{message}")]
    NotYet {
        /// The work.
        message: String,
    },
    /// A limit or a policy: exit code 5.
    #[error("{message}")]
    Limit {
        /// The limit, and the value.
        message: String,
    },
    /// A fault of the server: exit code 1.
    #[error("{message}")]
    Internal {
        /// What happened.
        message: String,
    },
    /// The master that was asked does not lead.
    #[error("this master does not lead; {leader} does")]
    NotLeader {
        /// The leader's address; empty if there is none at the moment.
        leader: String,
    },
}
