//! Sets bad records aside instead of failing, up to the number that the user allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::failure::Trouble;
use crate::format::Json;
use crate::job::{PartBuffer, Written};
use crate::spec::failure::TEXT_CHARS_MAX;
use crate::spec::{Failure, RecordRef, escape};
use crate::storage::AttemptFolder;

/// The number of bad records that a run may still set aside, shared by its attempts.
#[derive(Debug)]
pub struct BadRecords {
    max: u64,
    found: AtomicU64,
}

impl BadRecords {
    /// Allows this number of bad records; with 0 the first one fails the job.
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
    file: String,
    offset: u64,
    error: String,
    at: Option<String>,
    record: String,
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

    /// Sets a record aside, or returns the trouble if there were too many.
    pub(super) fn put(
        &mut self,
        trouble: Trouble,
        record: RecordRef,
    ) -> Result<(), (Trouble, Option<RecordRef>)> {
        if self.allowed.found.fetch_add(1, Ordering::Relaxed) >= self.allowed.max {
            return Err((trouble, Some(record)));
        }
        self.found += 1;
        self.write(trouble.into_failure(), &record).map_err(|trouble| (trouble, None))
    }

    fn write(&mut self, failure: Failure, record: &RecordRef) -> Result<(), Trouble> {
        let part = match &mut self.part {
            Some(part) => part,
            none => none.insert(PartBuffer::create(&self.folder, &self.name)?),
        };
        let line = BadRecord {
            file: record.location.to_string(),
            offset: record.offset,
            error: failure.message,
            at: failure.at,
            record: escape(&record.excerpt, TEXT_CHARS_MAX),
        };
        Ok(part.write(&line).map_err(|error| part.fault().unwrap_or(error))?)
    }

    pub(super) fn seal(self) -> Result<Option<Written>, Trouble> {
        Ok(self.part.map(PartBuffer::seal).transpose()?)
    }
}
