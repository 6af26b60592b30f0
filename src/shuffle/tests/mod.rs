//! Helpers that the shuffle tests share, and tests that combine several modules of the shuffle.

mod collecting;
mod damage;
mod gathering;
mod merging;

use std::path::Path;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{Cursor, Error, Fold, FoldError, ReadProgress, SpillHeader, SpillIndex, SpillWriter};
use crate::record::block::Codec;
use crate::record::key;

pub(super) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Records in memory.
pub(super) struct Run {
    records: Records,
    next: usize,
}

impl Run {
    pub(super) fn new(records: Records) -> Self {
        Run { records, next: 0 }
    }
}

impl Cursor for Run {
    fn advance(&mut self) -> Result<bool, Error> {
        self.next += usize::from(self.next <= self.records.len());
        Ok(self.next <= self.records.len())
    }

    fn prefix(&self) -> u64 {
        key::prefix(self.key())
    }

    fn key(&self) -> &[u8] {
        &self.records[self.next - 1].0
    }

    fn value(&self) -> &[u8] {
        &self.records[self.next - 1].1
    }
}

/// A combiner of counts.
pub(super) struct Sum;

impl Fold for Sum {
    type Acc = u64;

    const FOLDS: bool = true;

    fn init(&self, value: &[u8]) -> Result<u64, FoldError> {
        Ok(u64::from_le_bytes(value.try_into()?))
    }

    fn fold(&self, acc: &mut u64, value: &[u8]) -> Result<(), FoldError> {
        *acc += self.init(value)?;
        Ok(())
    }

    fn encode(&self, acc: &u64, into: &mut Vec<u8>) -> Result<(), FoldError> {
        into.extend(acc.to_le_bytes());
        Ok(())
    }
}

/// The share of all reading that was done at the last check.
#[derive(Default)]
pub(super) struct ProgressCheck(f64);

impl ProgressCheck {
    /// Checks that the share has not fallen, and is at most one.
    pub(super) fn check(&mut self, progress: &ReadProgress) {
        let bytes = progress.bytes.load(Ordering::Relaxed);
        let total = progress.total.load(Ordering::Relaxed);
        assert!(bytes <= total, "{bytes} of {total}");
        let part = if total == 0 { 0.0 } else { bytes as f64 / total as f64 };
        assert!(part >= self.0, "{part} after {}", self.0);
        self.0 = part;
    }

    /// Checks that everything was read.
    pub(super) fn end(&mut self, progress: &ReadProgress) {
        self.check(progress);
        assert!(self.0 == 1.0 || progress.total.load(Ordering::Relaxed) == 0, "{}", self.0);
    }
}

/// Everything that is left in a cursor.
pub(super) fn all(mut cursor: impl Cursor) -> Result<Records, Error> {
    let mut records = Vec::new();
    while cursor.advance()? {
        assert_eq!(cursor.prefix(), key::prefix(cursor.key()));
        records.push((cursor.key().to_vec(), cursor.value().to_vec()));
    }
    Ok(records)
}

/// Keys that are often equal, often share a prefix of eight bytes, and often end in the bytes used for padding.
pub(super) fn any_key() -> impl Strategy<Value = Vec<u8>> {
    let byte = || prop_oneof![Just(0_u8), Just(b'a'), Just(255)];
    prop_oneof![
        proptest::collection::vec(byte(), 0..3),
        proptest::collection::vec(byte(), 7..11),
        (byte(), 0_usize..20).prop_map(|(byte, n)| vec![byte; n]),
    ]
}

pub(super) fn header(codec: Codec, partitions: u32) -> SpillHeader {
    SpillHeader {
        codec,
        nonce: 0x0123_4567_89ab_cdef_1122_3344_5566_7788,
        map: 7,
        attempt: 2,
        partitions,
    }
}

/// Writes partitions of sorted records.
pub(super) fn spill(
    path: &Path,
    codec: Codec,
    partitions: &[Records],
) -> Result<SpillIndex, Error> {
    let mut writer = SpillWriter::create(path, header(codec, partitions.len() as u32))?;
    for (partition, records) in (0..).zip(partitions) {
        for (key, value) in records {
            writer.push(partition, key, value)?;
        }
    }
    writer.finish()
}
