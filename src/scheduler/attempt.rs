//! One attempt at a task, how it ended, and what a backup achieved.
//!
//! ```text
//!              Complete, and it is the first
//!   Running ──────────────────────────────────▶ Succeeded
//!      │  Fail, TimeOut ──────────────────────▶ Failed
//!      │  no longer wanted ───────────────────▶ Killed
//!      └─ its worker is lost ─────────────────▶ Lost
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{AttemptState, Cause, WorkerId};

/// One try at a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// Where it runs or ran.
    pub worker: WorkerId,
    /// Its state.
    pub state: AttemptState,
    /// Why it ended without winning; `None` for a winner, and while it runs.
    pub cause: Cause,
    /// When the command that started it was applied, in milliseconds.
    pub started_ms: u64,
    /// When the command that ended it was applied, in milliseconds.
    pub ended_ms: Option<u64>,
    /// For a backup: why it was started, and its outcome.
    pub backup: Option<Box<Backup>>,
}

/// A second attempt at a task whose first one is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Why it was started.
    pub straggler: Straggler,
    /// Its outcome; `None` while it runs.
    pub worth: Option<Worth>,
}

/// Why an attempt was considered slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Straggler {
    /// How long it had run.
    pub running_ms: u64,
    /// The share of its work that was done, in thousandths.
    pub permille: u32,
    /// How much longer it would have run at its own rate.
    pub remaining_ms: u64,
    /// How long other attempts of its kind take.
    pub usual_ms: u64,
}

impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { running_ms, permille, remaining_ms, usual_ms } = self;
        let (percent, tenth) = (permille / 10, permille % 10);
        write!(
            f,
            "{percent}.{tenth} % done after {running_ms} ms, {remaining_ms} ms \
             remaining; other attempts take {usual_ms} ms"
        )
    }
}

/// What a backup achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Worth {
    /// It won, this much earlier than the straggler was expected to end.
    Saved {
        /// Milliseconds.
        ms: u64,
    },
    /// It did not win, and held a slot for this long.
    Wasted {
        /// Milliseconds.
        ms: u64,
    },
}

impl Attempt {
    pub(super) fn new(
        number: u32,
        worker: WorkerId,
        now_ms: u64,
        straggler: Option<Straggler>,
    ) -> Self {
        let backup = straggler.map(|straggler| Box::new(Backup { straggler, worth: None }));
        let (state, cause) = (AttemptState::Running, Cause::None);
        Self { number, worker, state, cause, started_ms: now_ms, ended_ms: None, backup }
    }

    /// Records how it ended. Returns the outcome if it was a backup.
    pub(super) fn close(
        &mut self,
        state: AttemptState,
        cause: Cause,
        now_ms: u64,
    ) -> Option<Worth> {
        // The clocks of two masters may differ.
        let now_ms = now_ms.max(self.started_ms);
        (self.state, self.cause, self.ended_ms) = (state, cause, Some(now_ms));
        let backup = self.backup.as_mut()?;
        let worth = match state {
            AttemptState::Succeeded => {
                let expected = self.started_ms.saturating_add(backup.straggler.remaining_ms);
                Worth::Saved { ms: expected.saturating_sub(now_ms) }
            }
            _ => Worth::Wasted { ms: now_ms.saturating_sub(self.started_ms) },
        };
        backup.worth = Some(worth);
        backup.worth
    }
}
