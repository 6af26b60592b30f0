//! Runs one attempt of a reduce task: from the sorted sources of a partition to a part of the output.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{AttemptError, guard};
use super::fold::group_len;
use super::quarantine::Quarantine;
use crate::job::{self, Context, Job, PartBuffer, Values, Writer};
use crate::model::{HotKey, Hottest};
use crate::record::{Key, Text};
use crate::shuffle::{Cursor, Error, Fold, Groups, LoserTree, Source};

/// Records between two checks of whether the run must stop: a group may have any number of records.
const STOP_CHECK_RECORDS: u32 = 4096;

/// What a reduce has read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reduced {
    pub(super) groups: u64,
    pub(super) records: u64,
    /// The keys with the most records.
    pub(super) hottest: Vec<HotKey>,
}

/// Calls the job's reduce with every group of the sources, which are in the order of their map tasks. A failure
/// includes the key on which it occurred, formatted for people.
pub(super) fn reduce<J: Job, F: Fold>(
    job: &J,
    sources: Vec<Source<'_, F>>,
    part: &mut PartBuffer<J::Output>,
    context: &mut Context,
    quarantine: &mut Quarantine<'_>,
    stop: &AtomicBool,
) -> Result<Reduced, (AttemptError, Option<String>)> {
    let (fault, failed_key) = (RefCell::new(None), RefCell::new(None));
    let reduced = guard(|| {
        let source = LoserTree::new(sources);
        let source = Watched { source, stop, fault: &fault, left: STOP_CHECK_RECORDS };
        reduce_groups(job, source, part, context, quarantine, &failed_key)
    });
    // Checked even if the author's code ignored the error, because records are missing.
    let fault = fault.into_inner().map(AttemptError::from);
    let fault = fault.or_else(|| part.fault().or_else(|| context.fault()).map(AttemptError::Error));
    match (fault, reduced) {
        (Some(fault), _) => Err((fault, None)),
        (None, Err(attempt_error)) => {
            let key = failed_key.into_inner().filter(|_| attempt_error.is_users());
            Err((attempt_error, key))
        }
        (None, Ok(reduced)) => Ok(reduced),
    }
}

fn reduce_groups<J: Job, C: Cursor>(
    job: &J,
    sources: Watched<'_, C>,
    part: &mut PartBuffer<J::Output>,
    context: &mut Context,
    quarantine: &mut Quarantine<'_>,
    failed_key: &RefCell<Option<String>>,
) -> Result<Reduced, AttemptError> {
    let fault = sources.fault;
    let may_fail = quarantine.is_open();
    let mut groups = if <J::Key<'static> as Key<'static>>::GROUPED {
        Groups::by_beginning(sources, group_len::<J>)?
    } else {
        Groups::by_key(sources)?
    };
    let mut writer = Writer { part, context, path: Text::new(b"") };
    let (mut key_scratch, mut order_scratch) = (Vec::new(), Vec::new());
    let (mut count, mut hottest) = (0u64, Hottest::default());
    while groups.next_group()? {
        let before = groups.records();
        let held = may_fail && writer.part.begin_key()?;
        if held {
            writer.context.begin_key()?;
        }
        let (bytes, mut group) = groups.split();
        let mut call = || {
            let key = J::Key::decode_group(bytes, &mut key_scratch).map_err(job::Error::new)?;
            let scratch = &mut order_scratch;
            let values = Values { group: &mut group, key: bytes, scratch, job: PhantomData };
            Ok::<_, AttemptError>(job.reduce(key, values, &mut writer)?)
        };
        // No key needs to be set aside, so one guard around all keys is enough.
        let done = if held { guard(call) } else { call() };
        count += 1;
        if let Err(attempt_error) = done {
            let shown = J::Key::show_group(bytes, &mut Vec::new()).unwrap_or_default();
            let may_go_on = held
                && attempt_error.is_users()
                && fault.borrow().is_none()
                && writer.part.is_held()
                && writer.context.is_held();
            if !may_go_on {
                failed_key.replace(Some(shown));
                return Err(attempt_error);
            }
            writer.part.take_back();
            writer.context.take_back();
            quarantine.put_key(attempt_error, &shown).inspect_err(|_| {
                failed_key.replace(Some(shown));
            })?;
        }
        groups.skip_rest()?;
        hottest.note(groups.key(), groups.records() - before);
    }
    let hottest = hottest.into_keys(|key| J::Key::show_group(key, &mut Vec::new()).ok());
    Ok(Reduced { groups: count, records: groups.records(), hottest })
}

/// A source that fails once the run must stop, and keeps its first error.
struct Watched<'s, C> {
    source: C,
    stop: &'s AtomicBool,
    fault: &'s RefCell<Option<Error>>,
    /// Records until the next check.
    left: u32,
}

impl<C: Cursor> Watched<'_, C> {
    #[cold]
    fn fail(&self, error: Error) -> Error {
        self.fault.borrow_mut().get_or_insert(error);
        Error::Ended
    }
}

impl<C: Cursor> Cursor for Watched<'_, C> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        if self.left == 0 {
            if self.stop.load(Ordering::Relaxed) {
                return Err(self.fail(Error::Stopped));
            }
            self.left = STOP_CHECK_RECORDS;
        }
        self.left -= 1;
        self.source.advance().map_err(|error| self.fail(error))
    }

    #[inline]
    fn prefix(&self) -> u64 {
        self.source.prefix()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.source.key()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.source.value()
    }
}
