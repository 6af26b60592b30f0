//! Runs one attempt of a map task: reads a split of the input, and passes pairs to a collector, or writes records to an
//! output part if the job is map-only.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Reading;
use super::failure::{AttemptError, guard};
use super::quarantine::Quarantine;
use super::sink::Sink;
use crate::format::{self, Input};
use crate::job::{Context, Emitter, Job, PartBuffer, RecordOf, Writer};
use crate::model::{FileRange, RecordRef, Split};
use crate::record::Text;
use crate::shuffle::{Batch, Collect as _, Mark};

/// Bytes of a record that a report may show.
const EXCERPT_BYTES: usize = 200;
/// Records between two checks of whether the run must stop: well under a millisecond.
const STOP_CHECK_RECORDS: u64 = 1024;

/// Receives the records of a split.
pub(super) trait Mapper<J: Job> {
    /// Maps one record.
    fn map(&mut self, record: RecordOf<'_, J>, path: &Text) -> Result<(), AttemptError>;
    /// Called before each record if bad records may be skipped.
    fn begin(&mut self) -> Result<(), AttemptError>;
    /// Removes what the failed record has emitted since `begin`.
    fn take_back(&mut self);
    /// Called after the last record.
    fn finish(&mut self, path: &Text) -> Result<(), AttemptError>;
    /// Returns the first failure of the collector or part, even if the author's code ignored the error.
    fn fault(&mut self) -> Option<AttemptError>;
}

/// Maps every record of a split. A failure includes the record on which it occurred.
pub(super) fn map_split<J: Job>(
    split: &Split,
    reading: &Reading,
    quarantine: &mut Quarantine<'_>,
    mapper: &mut impl Mapper<J>,
) -> Result<u64, (AttemptError, Option<RecordRef>)> {
    let mut records = 0;
    for range in &split.ranges {
        // Checked for each file too, because many small files may each have fewer records than there are between two
        // checks.
        if reading.stop.load(Ordering::Relaxed) {
            return Err((AttemptError::Stopped, None));
        }
        records += map_range::<J>(range, reading, quarantine, mapper)?;
    }
    let path = split.ranges.last().map_or(&b""[..], |range| range.location.as_bytes());
    let finished = guard(|| mapper.finish(Text::new(path)));
    match mapper.fault().map_or(finished, Err) {
        Ok(()) => Ok(records),
        Err(attempt_error) => Err((attempt_error, None)),
    }
}

fn map_range<J: Job>(
    range: &FileRange,
    reading: &Reading,
    quarantine: &mut Quarantine<'_>,
    mapper: &mut impl Mapper<J>,
) -> Result<u64, (AttemptError, Option<RecordRef>)> {
    let opened = format::Source::open(range, &reading.options).and_then(|mut source| {
        if J::Input::is_text(source.index()) {
            source.check_text()?;
        }
        J::Input::open(source)
    });
    let mut input = opened.map_err(|error| (error.into(), None))?;
    let mut records = 0;
    loop {
        let end = guard(|| {
            map_records::<J>(
                &mut input,
                range,
                reading.stop,
                quarantine.is_open(),
                mapper,
                &mut records,
            )
        });
        if let Some(fault) = mapper.fault() {
            return Err((fault, None));
        }
        let Err(attempt_error) = end else { return Ok(records) };
        let record = attempt_error.is_users().then(|| record_ref(&input, range));
        let (true, Some(record)) =
            (quarantine.is_open() && !attempt_error.is_stop(), record.clone())
        else {
            return Err((attempt_error, record));
        };
        mapper.take_back();
        quarantine.put(attempt_error, record)?;
    }
}

fn map_records<J: Job>(
    input: &mut J::Input,
    range: &FileRange,
    stop: &AtomicBool,
    hold: bool,
    mapper: &mut impl Mapper<J>,
    records: &mut u64,
) -> Result<(), AttemptError> {
    let path = Text::new(range.location.as_bytes());
    loop {
        if hold {
            // Called before the record is read, because reading may already find it bad. The pairs of the record
            // before are then final.
            mapper.begin()?;
        }
        let Some(record) = input.next()? else { return Ok(()) };
        *records += 1;
        mapper.map(record, path)?;
        if records.is_multiple_of(STOP_CHECK_RECORDS) {
            if stop.load(Ordering::Relaxed) {
                return Err(AttemptError::Stopped);
            }
            mapper.fault().map_or(Ok(()), Err)?;
        }
    }
}

fn record_ref(input: &impl Input, range: &FileRange) -> RecordRef {
    let last = input.last();
    let excerpt = &last.bytes[..last.bytes.len().min(EXCERPT_BYTES)];
    RecordRef { location: range.location.clone(), offset: last.offset, excerpt: excerpt.to_vec() }
}

/// Maps to a collector.
pub(super) struct ToCollector<'t, J> {
    pub(super) job: &'t J,
    pub(super) batch: Batch,
    pub(super) scratch: Vec<u8>,
    pub(super) sink: Sink<'t>,
    pub(super) context: &'t mut Context,
    /// Whether bad records may be skipped. If so, a record's pairs are held back until its map has succeeded.
    pub(super) hold: bool,
    pub(super) mark: Mark,
}

impl<J: Job> ToCollector<'_, J> {
    #[inline(always)]
    fn emitter<'e>(&'e mut self, path: &'e Text) -> Emitter<'e, J> {
        Emitter {
            batch: &mut self.batch,
            scratch: &mut self.scratch,
            collector: &mut self.sink,
            context: &mut *self.context,
            hold: self.hold,
            path,
            job: PhantomData,
        }
    }
}

impl<J: Job> Mapper<J> for ToCollector<'_, J> {
    #[inline(always)]
    fn map(&mut self, record: RecordOf<'_, J>, path: &Text) -> Result<(), AttemptError> {
        let job = self.job;
        Ok(job.map(record, &mut self.emitter(path))?)
    }

    fn begin(&mut self) -> Result<(), AttemptError> {
        if self.batch.is_full() {
            self.sink.accept(&mut self.batch)?;
        }
        self.mark = self.batch.mark();
        Ok(self.context.begin()?)
    }

    fn take_back(&mut self) {
        self.batch.roll_back(self.mark);
        self.context.take_back();
    }

    fn finish(&mut self, path: &Text) -> Result<(), AttemptError> {
        let job = self.job;
        job.cleanup(&mut self.emitter(path))?;
        Ok(self.sink.accept(&mut self.batch)?)
    }

    fn fault(&mut self) -> Option<AttemptError> {
        self.sink.fault().or_else(|| self.context.fault().map(AttemptError::Error))
    }
}

/// Maps to a part of the output, for jobs without a reduce.
pub(super) struct ToPart<'t, J: Job> {
    pub(super) job: &'t J,
    pub(super) part: PartBuffer<J::Output>,
    pub(super) context: &'t mut Context,
}

impl<J: Job> Mapper<J> for ToPart<'_, J> {
    #[inline(always)]
    fn map(&mut self, record: RecordOf<'_, J>, path: &Text) -> Result<(), AttemptError> {
        Ok(self
            .job
            .write_map(record, &mut Writer { part: &mut self.part, context: self.context, path })?)
    }

    fn begin(&mut self) -> Result<(), AttemptError> {
        self.part.begin()?;
        Ok(self.context.begin()?)
    }

    fn take_back(&mut self) {
        self.part.take_back();
        self.context.take_back();
    }

    fn finish(&mut self, path: &Text) -> Result<(), AttemptError> {
        Ok(self.job.write_cleanup(&mut Writer {
            part: &mut self.part,
            context: self.context,
            path,
        })?)
    }

    fn fault(&mut self) -> Option<AttemptError> {
        self.part.fault().or_else(|| self.context.fault()).map(AttemptError::Error)
    }
}
