//! One attempt of a reduce task: from the sorted sources of a partition to a part of the output.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::Trouble;
use super::fold::group_len;
use crate::job::{Context, Job, PartBuffer, Values, Writer};
use crate::record::{Key, Text};
use crate::shuffle::{Fold, Groups, LoserTree, Source};

/// Groups between two looks at whether the run is to stop.
const STOP_CHECK_GROUPS: u64 = 1024;

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
    let sources = LoserTree::new(sources);
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
        if count.is_multiple_of(STOP_CHECK_GROUPS) && stop.load(Ordering::Relaxed) {
            return Err(Trouble::Stopped);
        }
    }
    Ok(Reduced { groups: count, records: groups.records() })
}
