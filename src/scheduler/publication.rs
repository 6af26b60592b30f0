//! The state of a job's publication: whether its output may already be visible, and whether a user
//! has cancelled the job.

use crate::model::{AttemptState, Cause};
use serde::{Deserialize, Serialize};

/// Decides whether a job that commits can still be cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Publication {
    /// A user has cancelled the job while it was committing.
    pub(super) is_unwanted: bool,
    /// A commit ended without a report, so it may have published before it died.
    pub(super) may_be_visible: bool,
}

impl Publication {
    /// Records how a commit attempt ended. An attempt that reports a failure, or that never started, has published
    /// nothing.
    pub(super) fn commit_ended(&mut self, state: AttemptState, cause: Cause) {
        let has_published_nothing = state == AttemptState::Failed
            && matches!(
                cause,
                Cause::None
                    | Cause::UserError
                    | Cause::Disk
                    | Cause::WorkerError
                    | Cause::MasterError
            );
        self.may_be_visible |= !has_published_nothing;
    }
}
