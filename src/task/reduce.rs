//! One attempt of a reduce task: from the sorted sources of a partition to a part of the output.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::Trouble;
use super::fold::group_len;
use crate::job::{Context, Job, PartBuffer, Values, Writer};
use crate::record::{Key, Text};
use crate::shuffle::{Cursor, Error, Fold, Groups, LoserTree, Source};

/// Records between two looks at whether the run is to stop: a group may have any number of them.
const STOP_CHECK_RECORDS: u32 = 4096;

/// What a reduce read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reduced {
    pub(super) groups: u64,
    pub(super) records: u64,
}

/// Calls the job's reduce with every group of the sources, which are in the order of the map tasks they come from.
pub(super) fn reduce<J: Job, F: Fold>(
    job: &J,
    sources: Vec<Source<'_, F>>,
    part: &mut PartBuffer<J::Output>,
    context: &mut Context,
    stop: &AtomicBool,
) -> Result<Reduced, Trouble> {
    let sources = Stoppable { source: LoserTree::new(sources), stop, left: STOP_CHECK_RECORDS };
    let mut groups = if <J::Key<'static> as Key<'static>>::GROUPED {
        Groups::by_beginning(sources, group_len::<J>)?
    } else {
        Groups::by_key(sources)?
    };
    let mut writer = Writer { part, context, path: Text::new(b"") };
    let (mut key_scratch, mut order_scratch) = (Vec::new(), Vec::new());
    let mut count = 0u64;
    while groups.next_group()? {
        let (key, mut group) = groups.split();
        let key = J::Key::decode_group(key, &mut key_scratch).map_err(crate::job::Error::new)?;
        let values = Values { group: &mut group, scratch: &mut order_scratch, job: PhantomData };
        job.reduce(key, values, &mut writer)?;
        count += 1;
    }
    Ok(Reduced { groups: count, records: groups.records() })
}

/// A source that ends with an error once the run is to stop.
struct Stoppable<'s, C> {
    source: C,
    stop: &'s AtomicBool,
    /// Records until the next look.
    left: u32,
}

impl<C: Cursor> Cursor for Stoppable<'_, C> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        if self.left == 0 {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            self.left = STOP_CHECK_RECORDS;
        }
        self.left -= 1;
        self.source.advance()
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
