//! How the state of a job changes.
//!
//! ```text
//!            plan started      PlanDone       all maps won       all reduces won
//!   Waiting ────────────▶ Planning ───▶ Mapping ───────▶ Reducing ───────▶ Committing ──▶ Succeeded
//!                                          ▲  map output lost │                 │
//!                                          └──────────────────┘                 │
//!   any of them but Committing: Cancel ──▶ Cancelled                            │
//!   any of them: a task out of attempts, or failed for good ──▶ Failed ◀────────┘
//!                                                                 failed for good
//! ```
//!
//! A map-only job goes from `Mapping` to `Committing`. The last three states are terminal. The decision that
//! everything will be published leads to `Committing`.

use serde::{Deserialize, Serialize};

use crate::model::JobState;

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
