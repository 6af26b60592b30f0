//! The states of jobs, tasks, attempts and workers, with one name each in JSON, on the command line and on the pages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;
use super::escape::{TEXT_CHARS_MAX, escape};

/// Defines the states of one kind of thing.
macro_rules! states {
    (
        $(#[$doc:meta])*
        $states:ident of $of:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $states {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $states {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name, as in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $states {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $states {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let found = Self::ALL.iter().find(|state| state.name() == text);
                found.copied().ok_or_else(|| {
                    let names: Vec<&str> = Self::ALL.iter().map(|state| state.name()).collect();
                    let text = escape(text.as_bytes(), TEXT_CHARS_MAX);
                    Error::State { text, of: $of, names: names.join(", ") }
                })
            }
        }
    };
}

states! {
    /// The state of a job, by progress.
    JobState of "a job" {
        /// Nothing has started yet.
        Waiting = "waiting",
        /// Its input is being listed and cut into splits.
        Planning = "planning",
        /// Some map has no output.
        Mapping = "mapping",
        /// All maps have output, some reduce has none.
        Reducing = "reducing",
        /// All parts are sealed and are being published.
        Committing = "committing",
        /// Its output is published.
        Succeeded = "succeeded",
        /// It failed, and nothing was published.
        Failed = "failed",
        /// It was cancelled, and nothing was published.
        Cancelled = "cancelled",
    }
}

impl JobState {
    /// Whether the job has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

states! {
    /// The state of a task.
    TaskState of "a task" {
        /// No attempt runs, and none has won.
        Idle = "idle",
        /// At least one attempt runs.
        InProgress = "in_progress",
        /// An attempt has won.
        Completed = "completed",
        /// It made its job fail.
        Failed = "failed",
    }
}

states! {
    /// The state of an attempt.
    AttemptState of "an attempt" {
        /// It holds a slot.
        Running = "running",
        /// It won its task, even if its output was lost later.
        Succeeded = "succeeded",
        /// It failed on its own.
        Failed = "failed",
        /// It was stopped: a backup won, its job ended, or it had to give back its slot.
        Killed = "killed",
        /// It died with its worker.
        Lost = "lost",
    }
}

states! {
    /// The state of a worker.
    WorkerState of "a worker" {
        /// It gets attempts.
        Alive = "alive",
        /// It has failed too often and gets no attempts for a while.
        Excluded = "excluded",
        /// It is draining, and still needed.
        Draining = "draining",
        /// It is no longer needed and may leave.
        Drained = "drained",
        /// It was asked to end, and has left.
        Left = "left",
        /// Its lease ended without a poll.
        Lost = "lost",
    }
}

impl WorkerState {
    /// Whether it is no longer registered.
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Left | Self::Lost)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use serde::de::DeserializeOwned;

    use super::*;

    fn check<S>(all: &[S], names: &str)
    where
        S: Copy + Ord + Debug + Display + FromStr<Err = Error> + Serialize + DeserializeOwned,
    {
        assert!(all.is_sorted(), "{all:?}");
        let shown: Vec<String> = all.iter().map(S::to_string).collect();
        assert_eq!(shown.join(" "), names);
        for (state, name) in all.iter().zip(&shown) {
            assert_eq!(name.parse(), Ok(*state));
            let json = format!("\"{name}\"");
            assert_eq!(serde_json::to_string(state).unwrap(), json);
            assert_eq!(serde_json::from_str::<S>(&json).unwrap(), *state);
        }
        for other in ["", "Idle", "idle ", "gone"] {
            assert!(other.parse::<S>().is_err(), "{other}");
        }
    }

    #[test]
    fn each_state_has_one_name_everywhere() {
        check(
            JobState::ALL,
            "waiting planning mapping reducing committing succeeded failed cancelled",
        );
        check(TaskState::ALL, "idle in_progress completed failed");
        check(AttemptState::ALL, "running succeeded failed killed lost");
        check(WorkerState::ALL, "alive excluded draining drained left lost");
        let error = "\u{1b}[2J".parse::<TaskState>().unwrap_err().to_string();
        let names = "idle, in_progress, completed, failed";
        assert_eq!(
            error,
            format!("`\\x1b[2J` is not the state of a task; expected one of: {names}")
        );
    }

    /// Masters store these numbers, so they must never change.
    #[test]
    fn stored_states_keep_their_numbers() {
        let number = |bytes: Vec<u8>| u32::from_le_bytes(bytes.try_into().unwrap());
        for (expected, state) in (0..).zip(JobState::ALL) {
            assert_eq!(number(bincode::serialize(state).unwrap()), expected, "{state}");
        }
        for (expected, state) in (0..).zip(AttemptState::ALL) {
            assert_eq!(number(bincode::serialize(state).unwrap()), expected, "{state}");
        }
        assert_eq!((JobState::Cancelled as u32, AttemptState::Lost as u32), (7, 4));
    }

    #[test]
    fn ended_jobs_and_gone_workers_are_told_from_others() {
        let ended = JobState::ALL.iter().filter(|state| state.is_terminal());
        assert!(ended.eq(&[JobState::Succeeded, JobState::Failed, JobState::Cancelled]));
        let gone = WorkerState::ALL.iter().filter(|state| state.is_gone());
        assert!(gone.eq(&[WorkerState::Left, WorkerState::Lost]));
    }
}
