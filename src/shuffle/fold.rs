//! Folds the values of equal keys into one value, when spills and merges bring the keys together.

use super::error::{FoldError, blame};
use super::{Cursor, Error};

/// What a combiner returns for a value that cannot be folded in: both values are kept, and the reduce receives both.
///
/// The accumulator must be unchanged. [`crate::job::Sum`] returns this when a partial sum does not fit its type: later
/// values may bring the total back into range, and only the total decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, thiserror::Error)]
#[error("these two values cannot be combined; both must be kept")]
pub struct KeepApart;

/// Folds the values of equal keys in spills and merges. This is all that the shuffle knows of a combiner.
///
/// The output of [`Fold::encode`] is itself a value: a later merge may fold it again. A single value of a key is
/// passed on without being folded.
pub trait Fold: Sync {
    /// Values folded into one, in memory.
    type Acc;

    /// Whether values are folded wherever they meet. False without a combiner, and for a combiner whose result depends
    /// on the grouping. Then only [`super::BlockCollector`] folds, and everything else passes values through.
    const FOLDS: bool;

    /// Begins an accumulator with its first value.
    ///
    /// # Errors
    ///
    /// The combiner's own error, or an error of decoding the value.
    fn init(&self, value: &[u8]) -> Result<Self::Acc, FoldError>;

    /// Folds one more value into an accumulator.
    ///
    /// # Errors
    ///
    /// [`KeepApart`] if the value cannot be folded in and must be kept beside the accumulator, which is unchanged.
    /// Otherwise the combiner's own error, or an error of decoding the value.
    fn fold(&self, acc: &mut Self::Acc, value: &[u8]) -> Result<(), FoldError>;

    /// Appends the accumulator, encoded as a value, to `into`.
    ///
    /// # Errors
    ///
    /// An error of encoding.
    fn encode(&self, acc: &Self::Acc, into: &mut Vec<u8>) -> Result<(), FoldError>;

    /// Approximate number of bytes that the accumulator holds on the heap.
    fn heap_bytes(&self, acc: &Self::Acc) -> usize {
        let _ = acc;
        0
    }
}

/// No combiner: every value stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFold;

impl Fold for NoFold {
    type Acc = ();

    const FOLDS: bool = false;

    fn init(&self, _value: &[u8]) -> Result<(), FoldError> {
        Ok(())
    }

    fn fold(&self, _acc: &mut (), _value: &[u8]) -> Result<(), FoldError> {
        Ok(())
    }

    fn encode(&self, _acc: &(), _into: &mut Vec<u8>) -> Result<(), FoldError> {
        Ok(())
    }
}

/// A sorted source in which each distinct key occurs once, with its values folded into one value, or into as few as
/// the combiner can. Without a combiner it is the source itself.
pub struct Folded<'f, C, F> {
    source: C,
    fold: &'f F,
    prefix: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Position in the source, which is always read one record ahead of what was returned.
    ahead: Ahead,
}

enum Ahead {
    Unread,
    Record,
    End,
}

impl<'f, C: Cursor, F: Fold> Folded<'f, C, F> {
    /// Folds the values of `source`, which must be before its first record.
    pub fn new(source: C, fold: &'f F) -> Self {
        Folded { source, fold, prefix: 0, key: Vec::new(), value: Vec::new(), ahead: Ahead::Unread }
    }

    #[inline]
    fn look_ahead(&mut self) -> Result<(), Error> {
        self.ahead = if self.source.advance()? { Ahead::Record } else { Ahead::End };
        Ok(())
    }

    #[inline]
    fn same_key_ahead(&self) -> bool {
        matches!(self.ahead, Ahead::Record)
            && self.source.prefix() == self.prefix
            && self.source.key() == self.key
    }

    /// Folds further values of the current key into the first one: all of them, or as many as fit.
    fn fold_equal_keys(&mut self) -> Result<(), Error> {
        let mut acc = self.fold.init(&self.value).map_err(|source| blame(&self.key, source))?;
        while self.same_key_ahead() {
            match self.fold.fold(&mut acc, self.source.value()) {
                Ok(()) => self.look_ahead()?,
                // That value becomes a record of its own, with the same key.
                Err(error) if error.is::<KeepApart>() => break,
                Err(source) => return Err(blame(&self.key, source)),
            }
        }
        self.value.clear();
        let encoded = self.fold.encode(&acc, &mut self.value);
        encoded.map_err(|source| blame(&self.key, source))
    }
}

impl<C: Cursor, F: Fold> Cursor for Folded<'_, C, F> {
    #[inline]
    fn advance(&mut self) -> Result<bool, Error> {
        if !F::FOLDS {
            return self.source.advance();
        }
        if matches!(self.ahead, Ahead::Unread) {
            self.look_ahead()?;
        }
        if matches!(self.ahead, Ahead::End) {
            return Ok(false);
        }
        self.prefix = self.source.prefix();
        self.key.clear();
        self.key.extend_from_slice(self.source.key());
        self.value.clear();
        self.value.extend_from_slice(self.source.value());
        self.look_ahead()?;
        if self.same_key_ahead() {
            self.fold_equal_keys()?;
        }
        Ok(true)
    }

    #[inline]
    fn prefix(&self) -> u64 {
        if F::FOLDS { self.prefix } else { self.source.prefix() }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        if F::FOLDS { &self.key } else { self.source.key() }
    }

    #[inline]
    fn value(&self) -> &[u8] {
        if F::FOLDS { &self.value } else { self.source.value() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::shuffle::tests::{Run, Sum, all, any_key};

    proptest! {
        #[test]
        fn each_key_comes_once_with_its_sum(
            mut records in proptest::collection::vec((any_key(), any::<u32>()), 0..100)
        ) {
            records.sort();
            let mut sums = BTreeMap::new();
            for (key, n) in &records {
                *sums.entry(key.clone()).or_insert(0) += u64::from(*n);
            }
            let encoded = |n: u64| n.to_le_bytes().to_vec();
            let run = records.into_iter().map(|(key, n)| (key, encoded(n.into()))).collect();
            let expected: Vec<_> = sums.into_iter().map(|(key, n)| (key, encoded(n))).collect();
            prop_assert_eq!(all(Folded::new(Run::new(run), &Sum)).unwrap(), expected);
        }
    }

    #[test]
    fn without_a_combiner_the_source_passes_through() {
        let records = vec![(b"a".to_vec(), b"1".to_vec()), (b"a".to_vec(), b"2".to_vec())];
        assert_eq!(all(Folded::new(Run::new(records.clone()), &NoFold)).unwrap(), records);
    }

    #[test]
    fn a_failing_combiner_keeps_its_error_and_names_the_key() {
        let key = b"k\n".repeat(100);
        let run = Run::new(vec![(key.clone(), b"1".to_vec()), (key, b"2".to_vec())]);
        let Err(Error::Fold { key, source }) = all(Folded::new(run, &Sum)) else {
            panic!("values of one byte are no sums")
        };
        assert_eq!(key, b"k\n".repeat(32));
        assert!(source.is::<std::array::TryFromSliceError>());
    }
}
