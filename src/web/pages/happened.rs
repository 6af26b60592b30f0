//! What has happened to a job, in words.

use super::words::clock;
use crate::clock::rfc3339;
use crate::master::{Event, What};

/// Something that has happened, and when.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) what: String,
}

impl Line {
    pub(super) fn of(event: &Event) -> Self {
        let what = match &event.what {
            What::Submitted { .. } => "submitted".to_string(),
            What::Moved { state, .. } => state.to_string(),
            What::Forgotten { .. } => "out of the history".to_string(),
            What::Started { attempt, worker } => format!("{attempt} started on {worker}"),
            What::Ended { attempt, state, cause } => format!("{attempt} {state}: {cause}"),
            What::OutputLost { attempt } => format!("the output of {attempt} is lost"),
            What::Registered { worker, slots } => format!("{worker} came with {slots} slots"),
            What::Draining { worker } => format!("{worker} takes no more"),
            What::Left { worker } => format!("{worker} left"),
            What::Lost { worker } => format!("{worker} is lost"),
        };
        Self { at: clock(&rfc3339(event.at_ms)), what }
    }
}
