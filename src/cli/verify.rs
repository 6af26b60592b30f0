//! `gristmill verify DIR`: checks an output against its manifest.

use std::path::Path;

use crate::launch::{Message, count, exit, print};
use crate::model::{Location, escape_what};
use crate::storage;

/// Checks the output in a folder, and prints one line per finding.
pub(super) fn verify(dir: &Path) -> Result<u8, Message> {
    if !dir.exists() {
        return Err(missing(dir));
    }
    let verified = storage::verify(dir).map_err(|error| Message::new(error.to_string()))?;
    if verified.findings.is_empty() {
        let storage::Verified { job, parts, records, bytes, bad_records, .. } = verified;
        let (parts, records, bytes) =
            (count(parts, "part"), count(records, "record"), count(bytes, "byte"));
        let bad = match bad_records {
            0 => String::new(),
            bad => format!(", and {} set aside", count(bad, "bad record")),
        };
        return Ok(print(&format!(
            "ok: {}, {parts}, {records}, {bytes}{bad}\n",
            escape_what(&job)
        )));
    }
    let shown = Location::from(dir);
    let line = format!("the output is not what was published: {shown}\nhint: run the job again");
    let details = verified.findings.iter().map(ToString::to_string).collect();
    Message { line, details }.say();
    Ok(exit::NOT_WHOLE)
}

/// Returns the error of an output folder that does not exist.
pub(super) fn missing(dir: &Path) -> Message {
    Message::new(format!(
        "the output folder does not exist: {}\nhint: check the spelling",
        Location::from(dir)
    ))
}
