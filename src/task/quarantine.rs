//! Sets aside the records for which the map fails, and the keys for which the reduce fails, up to the user's limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::failure::AttemptError;
use crate::format::Json;
use crate::job::{PartBuffer, Written};
use crate::model::{Failure, RecordRef, TEXT_CHARS_MAX, escape, split_hint};
use crate::storage::AttemptFolder;

/// The number of bad records that a run may still set aside, shared by all its attempts.
#[derive(Debug)]
pub struct BadRecords {
    max: u64,
    found: AtomicU64,
}

impl BadRecords {
    /// Allows this number of bad records. If it is 0, the first bad record fails the job.
    pub fn new(max: u64) -> Self {
        BadRecords { max, found: AtomicU64::new(0) }
    }

    /// The number of records that were set aside.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed).min(self.max)
    }
}

/// The bad records of one attempt.
pub(super) struct Quarantine<'q> {
    allowed: &'q BadRecords,
    folder: Arc<AttemptFolder>,
    name: String,
    part: Option<PartBuffer<Json>>,
    pub(super) found: u64,
}

/// One line of a file under `_bad/`.
#[derive(Serialize)]
struct BadRecord {
    #[serde(flatten)]
    of: Of,
    error: String,
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

/// What could not be processed: a record of the input, for a map, or a key with all its values, for a reduce.
#[derive(Serialize)]
#[serde(untagged)]
enum Of {
    Record { file: String, offset: u64 },
    Key { key: String },
}

impl<'q> Quarantine<'q> {
    pub(super) fn new(allowed: &'q BadRecords, folder: Arc<AttemptFolder>, suffix: &str) -> Self {
        Quarantine {
            allowed,
            folder,
            name: format!("_bad/part-{suffix}.jsonl"),
            part: None,
            found: 0,
        }
    }

    /// Whether any bad record may be set aside.
    pub(super) fn is_open(&self) -> bool {
        self.allowed.max > 0
    }

    /// Sets a record aside, or returns the error if there are too many bad records.
    pub(super) fn put(
        &mut self,
        attempt_error: AttemptError,
        record: RecordRef,
    ) -> Result<(), (AttemptError, Option<RecordRef>)> {
        if self.allowed.found.fetch_add(1, Ordering::Relaxed) >= self.allowed.max {
            return Err((attempt_error, Some(record)));
        }
        self.found += 1;
        let of = Of::Record { file: record.location.to_string(), offset: record.offset };
        let record = Some(escape(&record.excerpt, TEXT_CHARS_MAX));
        self.write(of, record, attempt_error.into_failure())
            .map_err(|attempt_error| (attempt_error, None))
    }

    /// Sets aside a key on which the reduce failed, or returns the error if there are too many bad records.
    pub(super) fn put_key(
        &mut self,
        attempt_error: AttemptError,
        key: &str,
    ) -> Result<(), AttemptError> {
        if self.allowed.found.fetch_add(1, Ordering::Relaxed) >= self.allowed.max {
            return Err(attempt_error);
        }
        self.found += 1;
        self.write(Of::Key { key: key.into() }, None, attempt_error.into_failure())
    }

    fn write(
        &mut self,
        of: Of,
        record: Option<String>,
        failure: Failure,
    ) -> Result<(), AttemptError> {
        let part = match &mut self.part {
            Some(part) => part,
            none => none.insert(PartBuffer::create(&self.folder, &self.name)?),
        };
        let error = split_hint(&failure.message).0.to_string();
        let line = BadRecord { of, error, at: failure.at, record };
        Ok(part.write(&line).map_err(|error| part.fault().unwrap_or(error))?)
    }

    pub(super) fn seal(self) -> Result<Option<Written>, AttemptError> {
        Ok(self.part.map(PartBuffer::seal).transpose()?)
    }
}
