//! Formats why a job failed: first the line of the author's code, then the record, then the rest.

use super::message::Message;
use crate::spec::failure::TEXT_CHARS_MAX;
use crate::spec::{AttemptId, Cause, Failure, RecordRef, escape};

/// Longest message of ours, in characters. Foreign text in it is already cut, and its hint stands at the end.
const OWN_CHARS_MAX: usize = 10 * TEXT_CHARS_MAX;

/// The message of a failed job that allowed `max_bad_records` bad records.
///
/// ```text
/// error: src/main.rs:14: invalid digit found in string; access.log at byte 1234; …
///   record: `12x 200 /index.html`
///   attempt: j1/m3#1 (user_error)
/// ```
pub fn render_failure(attempt: AttemptId, failure: &Failure, max_bad_records: u64) -> Message {
    let mut line = what(failure);
    let mut details = Vec::new();
    if let Some(RecordRef { location, offset, excerpt }) = &failure.record {
        // Messages of input formats already name the place.
        if failure.at.is_some() {
            line += &format!("; {location} at byte {offset}");
        }
        line += &way_out(max_bad_records);
        details.push(format!("record: `{}`", escape(excerpt, TEXT_CHARS_MAX)));
    } else if failure.at.is_some() {
        line += &format!("; in {}; fix the job, or its input", attempt.task);
    }
    details.push(format!("attempt: {attempt} ({})", failure.cause));
    details.extend(failure.details.iter().map(|detail| escape(detail.as_bytes(), OWN_CHARS_MAX)));
    if !failure.log.is_empty() {
        details.push("printed last:".into());
        let lines = failure.log.iter().map(|line| escape(line.as_bytes(), TEXT_CHARS_MAX));
        details.extend(lines.map(|line| format!("  {line}")));
    }
    Message { line, details }
}

fn what(failure: &Failure) -> String {
    let Some(at) = &failure.at else { return escape(failure.message.as_bytes(), OWN_CHARS_MAX) };
    let message = escape(failure.message.as_bytes(), TEXT_CHARS_MAX);
    let panicked = if failure.cause == Cause::Panic { "panicked: " } else { "" };
    format!("{}: {panicked}{message}", escape(at.as_bytes(), TEXT_CHARS_MAX))
}

fn way_out(max_bad_records: u64) -> String {
    match max_bad_records {
        0 => "; fix it, or set such records aside with --max-bad-records N".into(),
        max => {
            format!("; more bad records than --max-bad-records {max} allows: fix them, or raise it")
        }
    }
}
