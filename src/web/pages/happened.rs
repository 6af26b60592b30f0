//! Describes a job's events in words, for its page.

use super::words::{clock, plain, plural};
use crate::clock::rfc3339;
use crate::master::{Event, What};

/// An event, and its time.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) what: String,
}

impl Line {
    pub(super) fn of(event: &Event) -> Self {
        let what = match &event.what {
            What::Submitted { .. } => "submitted".to_string(),
            What::Moved { state, .. } => state.to_string(),
            What::Forgotten { .. } => "removed from the history".to_string(),
            What::Started { attempt, worker } => format!("{attempt} started on {worker}"),
            What::Ended { attempt, state, cause } if state.to_string() == cause.to_string() => {
                format!("{attempt} {state}")
            }
            What::Ended { attempt, state, cause } => format!("{attempt} {state}: {}", plain(cause)),
            What::OutputLost { attempt } => format!("the output of {attempt} is lost"),
            What::Registered { worker, slots } => {
                let word = plural(u64::from(*slots), "slot", "slots");
                format!("{worker} registered with {slots} {word}")
            }
            What::Draining { worker } => format!("{worker} is draining"),
            What::Left { worker } => format!("{worker} left"),
            What::Lost { worker } => format!("{worker} is lost"),
        };
        Self { at: clock(&rfc3339(event.at_ms)), what }
    }
}
