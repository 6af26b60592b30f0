//! Formats the message of a failed job: the source line and the error, then a hint, then the record and other details.

use super::message::Message;
use crate::model::{
    AttemptId, Cause, Failure, RecordRef, TEXT_CHARS_MAX, escape, escape_hint, escape_message,
    escape_what, with_hint,
};

/// Returns the message of a failed job that allowed `max_bad_records` bad records.
///
/// ```text
/// error: src/main.rs:14: invalid digit found in string: access.log at byte 1234
/// hint: fix it, or set such records aside with --max-bad-records N
///   record: `12x 200 /index.html`
///   attempt: j1/m3#1 (user_error)
/// ```
pub fn render_failure(attempt: AttemptId, failure: &Failure, max_bad_records: u64) -> Message {
    let (mut line, mut details) = (what(failure), Vec::new());
    let mut hints: Vec<String> = escape_hint(&failure.message).into_iter().collect();
    if let Some(RecordRef { location, offset, excerpt }) = &failure.record {
        // Messages of input formats already name the place.
        if failure.at.is_some() {
            line += &format!(": {location} at byte {offset}");
        }
        hints.push(of_record(max_bad_records));
        details.push(format!("record: `{}`", escape(excerpt, TEXT_CHARS_MAX)));
    } else if failure.at.is_some() {
        line += &format!(": in {}", attempt.task);
        if hints.is_empty() {
            hints.push("fix the job, or its input".into());
        }
    }
    details.extend(whole(failure));
    details.push(format!("attempt: {attempt} ({})", failure.cause));
    details.extend(failure.details.iter().map(|detail| escape_message(detail)));
    if !failure.log.is_empty() {
        details.push("printed last:".into());
        let lines = failure.log.iter().map(|line| escape(line.as_bytes(), TEXT_CHARS_MAX));
        details.extend(lines.map(|line| format!("  {line}")));
    }
    let hint = (!hints.is_empty()).then(|| hints.join("; or "));
    Message { line: with_hint(line, hint), details }
}

fn what(failure: &Failure) -> String {
    let Some(at) = &failure.at else { return escape_what(&failure.message) };
    let message = escape(escape_what(&failure.message).as_bytes(), TEXT_CHARS_MAX);
    let panicked = if failure.cause == Cause::Panic { "panicked: " } else { "" };
    format!("{}: {panicked}{message}", escape(at.as_bytes(), TEXT_CHARS_MAX))
}

/// Returns the message of user code at its stored length, if the first line shows only a part of it.
fn whole(failure: &Failure) -> Option<String> {
    let message = escape_what(&failure.message);
    let is_cut = failure.at.is_some() && message.chars().count() > TEXT_CHARS_MAX;
    is_cut.then(|| format!("the whole message: {message}"))
}

fn of_record(max_bad_records: u64) -> String {
    match max_bad_records {
        0 => "fix the record, or set such records aside with --max-bad-records N".into(),
        max => {
            format!("fix the bad records, or raise --max-bad-records: there are more than {max}")
        }
    }
}
