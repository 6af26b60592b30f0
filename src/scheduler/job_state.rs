//! The states of a job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a job.
///
/// ```text
///            plan started      PlanDone       all maps won       all reduces won
///   Waiting ────────────▶ Planning ───▶ Mapping ───────▶ Reducing ───────▶ Committing ──▶ Succeeded
///                                          ▲  map output lost │                 │
///                                          └──────────────────┘                 │
///   any of them but Committing: Cancel ──▶ Cancelled                            │
///   any of them: a task out of attempts, or failed for good ──▶ Failed ◀────────┘
///                                                                 failed for good
/// ```
///
/// A map-only job goes from `Mapping` to `Committing`. The last three states are terminal. The decision that
/// everything will be published leads to `Committing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Nothing has started yet.
    Waiting,
    /// Its input is being listed and cut into splits.
    Planning,
    /// Some map has no output.
    Mapping,
    /// All maps have output, some reduce has none.
    Reducing,
    /// All parts are sealed and are being published.
    Committing,
    /// Its output is published.
    Succeeded,
    /// It failed, and nothing was published.
    Failed,
    /// It was cancelled, and nothing was published.
    Cancelled,
}

impl JobState {
    /// Whether the job has ended.
    pub fn is_terminal(self) -> bool {
        self >= Self::Succeeded
    }
}

impl fmt::Display for JobState {
    /// Its name in JSON, such as `mapping`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Planning => "planning",
            Self::Mapping => "mapping",
            Self::Reducing => "reducing",
            Self::Committing => "committing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    Succeeded,
    Failed,
    Cancelled,
}

impl From<End> for JobState {
    fn from(end: End) -> Self {
        match end {
            End::Succeeded => Self::Succeeded,
            End::Failed => Self::Failed,
            End::Cancelled => Self::Cancelled,
        }
    }
}
