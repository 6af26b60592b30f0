//! Adapts a job's combiner and partitioner, which take keys and values, to the shuffle, which
//! handles bytes.

use std::cmp::Ordering;
use std::marker::PhantomData;

use crate::job::{By, Combine, Error, Job, KeepApart, Partition, UserError};
use crate::record::{Key, hash, key, value};
use crate::shuffle::{Fold, FoldError, Partitioner};

/// A job's combiner, applied to bytes.
pub struct JobFold<'j, J, C> {
    combiner: &'j C,
    job: PhantomData<fn() -> J>,
}

impl<'j, J: Job, C: Combine<J>> JobFold<'j, J, C> {
    /// Wraps a combiner.
    pub fn new(combiner: &'j C) -> Self {
        JobFold { combiner, job: PhantomData }
    }
}

impl<J: Job, C: Combine<J>> Fold for JobFold<'_, J, C> {
    type Acc = C::Acc;

    // Which values meet depends on memory and on scheduling, and the result must depend on neither.
    const FOLDS: bool = C::COMBINES && C::EXACT;

    #[inline(always)]
    fn init(&self, bytes: &[u8]) -> Result<C::Acc, FoldError> {
        self.combiner.start(value::decode(bytes)?).map_err(UserError::boxed)
    }

    #[inline(always)]
    fn fold(&self, acc: &mut C::Acc, bytes: &[u8]) -> Result<(), FoldError> {
        self.combiner.fold(acc, value::decode(bytes)?).map_err(of_fold)
    }

    #[inline(always)]
    fn encode(&self, acc: &C::Acc, into: &mut Vec<u8>) -> Result<(), FoldError> {
        let value = self.combiner.value(acc).map_err(UserError::boxed)?;
        Ok(value::encode_into(&value, into)?)
    }

    #[inline(always)]
    fn heap_bytes(&self, acc: &C::Acc) -> usize {
        self.combiner.heap_bytes(acc)
    }
}

/// Converts the error of folding a value into the shuffle's.
#[cold]
fn of_fold(error: Error) -> FoldError {
    if error.cause().is::<KeepApart>() { error.into_cause() } else { UserError::boxed(error) }
}

/// A job's partitioner, applied to bytes.
pub struct JobPartitioner<'j, J, P> {
    partitioner: &'j P,
    parts: u32,
    /// For partitions by range: the first key of each partition except the first.
    cuts: &'j [Cut],
    job: PhantomData<fn() -> J>,
}

impl<'j, J: Job, P: Partition<J>> JobPartitioner<'j, J, P> {
    /// Wraps a partitioner for this number of partitions. For partitions by range, `cuts` are the first keys of all
    /// partitions except the first.
    pub fn new(partitioner: &'j P, parts: u32, cuts: &'j [Cut]) -> Self {
        JobPartitioner { partitioner, parts, cuts, job: PhantomData }
    }
}

impl<J: Job, P: Partition<J>> Partitioner for JobPartitioner<'_, J, P> {
    #[inline]
    fn partition(&self, bytes: &[u8], hash: u64) -> Result<u32, FoldError> {
        match P::BY {
            By::Hash if <J::Key<'static> as Key<'static>>::GROUPED => {
                let group = &bytes[..group_len::<J>(bytes)];
                Ok(hash::partition(hash::hash(group), self.parts))
            }
            By::Hash => Ok(hash::partition(hash, self.parts)),
            By::Range => {
                let group = &bytes[..group_len::<J>(bytes)];
                let prefix = key::prefix(group);
                let is_below = |cut: &Cut| match cut.prefix.cmp(&prefix) {
                    Ordering::Equal => cut.key.as_slice() <= group,
                    unequal => unequal.is_lt(),
                };
                Ok(self.cuts.partition_point(is_below) as u32)
            }
            By::Function => self.ask(bytes),
        }
    }
}

impl<J: Job, P: Partition<J>> JobPartitioner<'_, J, P> {
    fn ask(&self, bytes: &[u8]) -> Result<u32, FoldError> {
        let mut scratch = Vec::new();
        let key = J::Key::decode_key(bytes, &mut scratch)?;
        let partition = self.partitioner.partition(key, self.parts).map_err(UserError::boxed)?;
        if partition < self.parts {
            Ok(partition)
        } else {
            Err(Box::new(NoSuchPartition { partition, parts: self.parts }))
        }
    }
}

/// Returns the number of a key's bytes that belong to its group.
pub(super) fn group_len<J: Job>(bytes: &[u8]) -> usize {
    <J::Key<'static> as Key<'static>>::group_len(bytes).unwrap_or(bytes.len())
}

/// The first key of a partition by range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The key's first eight bytes, which decide nearly every comparison.
    prefix: u64,
    key: Vec<u8>,
}

impl Cut {
    /// The key, encoded.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

impl From<&[u8]> for Cut {
    fn from(key: &[u8]) -> Self {
        Cut { prefix: key::prefix(key), key: key.to_vec() }
    }
}

/// Chooses cut points, and shortens each as far as it still separates its neighbours.
///
/// `sample` are encoded group keys. The result has at most `parts - 1` different cuts, in ascending order.
pub(super) fn cut_points(mut sample: Vec<Vec<u8>>, parts: u32) -> Vec<Cut> {
    sample.sort_unstable();
    let mut cuts: Vec<Cut> = Vec::new();
    for part in 1..parts as usize {
        let at = part * sample.len() / parts as usize;
        let (Some(cut), Some(before)) =
            (sample.get(at), at.checked_sub(1).and_then(|at| sample.get(at)))
        else {
            continue;
        };
        // The shortest prefix of the cut that still sorts after the key before it.
        let common = cut.iter().zip(before).take_while(|(a, b)| a == b).count();
        let cut = &cut[..(common + 1).min(cut.len())];
        if cuts.last().is_none_or(|last| last.key.as_slice() < cut) {
            cuts.push(Cut::from(cut));
        }
    }
    cuts
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the partitioner chose partition {partition}, but the highest partition number is {} (parts: {parts})\nhint: \
     return a number below `parts`",
    parts.saturating_sub(1)
)]
struct NoSuchPartition {
    partition: u32,
    parts: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_short_ascending_and_separate_the_sample_evenly() {
        let sample: Vec<Vec<u8>> =
            (0..1000u32).map(|i| format!("key-{:04}", i * 7 % 1000).into_bytes()).collect();
        let cuts = cut_points(sample.clone(), 10);
        assert_eq!(cuts.len(), 9);
        assert!(cuts.iter().all(|cut| cut.key.len() <= 6), "{cuts:?}");
        for part in 0..10 {
            let count = sample
                .iter()
                .filter(|key| cuts.partition_point(|cut| cut.key <= **key) == part)
                .count();
            assert_eq!(count, 100, "partition {part}");
        }
    }

    #[test]
    fn a_sample_of_one_key_gives_one_cut() {
        assert_eq!(cut_points(vec![b"same".to_vec(); 50], 8).len(), 1);
        assert!(cut_points(Vec::new(), 8).is_empty());
    }
}
