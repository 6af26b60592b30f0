//! Sums up what a job's tasks have read: total bytes, the largest partitions and the keys with the
//! most records.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::model::{HotKey, TaskId, TaskKind, Volume};

/// Most partitions and keys that are listed.
const NAMED_MAX: usize = 10;

/// How much a job's tasks have read, counting each task's first winner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Bytes of all input, according to the plan; 0 if unknown.
    pub input_bytes: u64,
    /// Bytes that maps have read.
    pub mapped_bytes: u64,
    /// Number of reduces counted here.
    pub partitions: u32,
    /// Bytes that they have read.
    pub reduced_bytes: u64,
    /// Records that they have read.
    pub reduced_records: u64,
    /// The largest of them, largest first.
    pub largest: Vec<Partition>,
    /// The keys with the most records, hottest first, each with its reduce.
    pub hottest: Vec<(u32, HotKey)>,
}

/// A large partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The reduce.
    pub index: u32,
    /// Bytes that it has read.
    pub bytes: u64,
    /// Records that it has read.
    pub records: u64,
}

impl Sizes {
    /// A task has won for the first time.
    pub(super) fn note(&mut self, task: TaskId, volume: &Volume) {
        match task.kind {
            TaskKind::Map => {
                self.mapped_bytes = self.mapped_bytes.saturating_add(volume.usage.bytes_in)
            }
            TaskKind::Reduce => self.note_reduce(task.index, volume),
            TaskKind::Plan | TaskKind::Commit => {}
        }
    }

    fn note_reduce(&mut self, index: u32, volume: &Volume) {
        let (bytes, records) = (volume.usage.bytes_in, volume.usage.records_in);
        self.partitions += 1;
        self.reduced_bytes = self.reduced_bytes.saturating_add(bytes);
        self.reduced_records = self.reduced_records.saturating_add(records);
        // The result does not depend on the order of arrival.
        self.largest.push(Partition { index, bytes, records });
        self.largest.sort_by_key(|partition| (Reverse(partition.bytes), partition.index));
        self.largest.truncate(NAMED_MAX);
        self.hottest.extend(volume.hottest.iter().map(|hot| (index, hot.clone())));
        self.hottest.sort_by(|(index, a), (other, b)| {
            (Reverse(a.records), &a.shown, index).cmp(&(Reverse(b.records), &b.shown, other))
        });
        self.hottest.truncate(NAMED_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobId, Usage};

    #[test]
    fn the_largest_partitions_and_the_hottest_keys_are_the_same_in_any_order() {
        let volume = |index: u32| {
            let hot =
                |n: u32| HotKey { shown: n.to_string(), records: u64::from(index % 7 * 10 + n) };
            let bytes_in = u64::from(index * 37 % 50);
            let usage = Usage { bytes_in, records_in: 3, ..Usage::default() };
            Volume { usage, hottest: (1..4).map(hot).collect() }
        };
        let noted = |indices: Vec<u32>| {
            let mut sizes = Sizes::default();
            for index in indices {
                sizes.note(JobId(1).task(TaskKind::Reduce, index), &volume(index));
            }
            sizes
        };
        let sizes = noted((0..100).collect());
        assert_eq!(sizes, noted((0..100).rev().collect()));
        assert_eq!((sizes.partitions, sizes.reduced_records), (100, 300));
        assert_eq!((sizes.largest.len(), sizes.hottest.len()), (NAMED_MAX, NAMED_MAX));
        assert_eq!((sizes.largest[0].bytes, sizes.largest[9].bytes), (49, 45));
        assert_eq!((sizes.hottest[0].0, sizes.hottest[0].1.records), (6, 63));
    }
}
