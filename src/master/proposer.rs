//! The one way to change the state: changes are proposed, and applied in the order of the log.
//!
//! With one master, what is proposed is agreed at once. With several, this is where an entry goes
//! into the log of all, and its results come back once this master has applied it.

use std::sync::{Mutex, MutexGuard};

use super::state::{Applied, Change, State};
use crate::rpc::refusal::Refusal;

/// Holds the state and applies what is proposed.
#[derive(Debug, Default)]
pub(super) struct Proposer {
    state: Mutex<State>,
}

impl Proposer {
    /// Has these changes applied as one entry, and gives what became of each.
    ///
    /// # Errors
    ///
    /// None with one master; with several, when nobody leads.
    pub(super) async fn propose(
        &self,
        at_ms: u64,
        changes: Vec<Change>,
    ) -> Result<Vec<Applied>, Refusal> {
        let mut state = self.state();
        Ok(changes.into_iter().map(|change| state.apply(at_ms, change)).collect())
    }

    /// Looks at the state as it is now.
    pub(super) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A change that was applied by half would be worse than a master that is gone.
        self.state.lock().expect("no change fails half-way")
    }
}
