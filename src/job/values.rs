//! Lends a reduce the values of its key, one at a time.

use std::marker::PhantomData;

use super::combine::{Number, overflow};
use super::{Error, Job, OrderOf, Result};
use crate::record::{Key, value};
use crate::shuffle::Group;

/// The values of one key, in the order of the key, and for equal keys of the input.
///
/// They are lent one at a time, since a key may have more of them than memory holds.
/// What is not asked for is skipped.
pub struct Values<'g, J: Job> {
    pub(crate) group: &'g mut (dyn Group + 'g),
    pub(crate) scratch: &'g mut Vec<u8>,
    pub(crate) job: PhantomData<fn() -> J>,
}

impl<J: Job> Values<'_, J> {
    /// The next value, which may borrow from memory that the one after it overwrites.
    ///
    /// What is kept for longer is copied:
    ///
    /// ```
    /// # use gristmill::prelude::*;
    /// # #[derive(Args, Serialize, Deserialize)]
    /// # struct Count {}
    /// # impl Job for Count {
    /// #     type Input = Lines;
    /// #     type Key<'a> = &'a Text;
    ///     type Value<'a> = &'a Text;
    /// #     type Output = Tsv;
    /// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
    /// #         line.words().try_for_each(|word| out.emit(word, line))
    /// #     }
    ///     fn reduce(&self, word: &Text, mut counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
    ///         let mut kept = Vec::new();
    ///         while let Some(line) = counts.next()? {
    ///             kept.push(line.to_owned());
    ///         }
    ///         out.write((word, kept.len() as u64))
    ///     }
    /// # }
    /// ```
    ///
    /// since what is borrowed is gone with the next value:
    ///
    /// ```compile_fail,E0499
    /// # use gristmill::prelude::*;
    /// # #[derive(Args, Serialize, Deserialize)]
    /// # struct Count {}
    /// # impl Job for Count {
    /// #     type Input = Lines;
    /// #     type Key<'a> = &'a Text;
    ///     type Value<'a> = &'a Text;
    /// #     type Output = Tsv;
    /// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
    /// #         line.words().try_for_each(|word| out.emit(word, line))
    /// #     }
    ///     fn reduce(&self, word: &Text, mut counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
    ///         let mut kept = Vec::new();
    ///         while let Some(line) = counts.next()? {
    ///             kept.push(line);
    ///         }
    ///         out.write((word, kept.len() as u64))
    ///     }
    /// # }
    /// ```
    /// # Errors
    ///
    /// When map output cannot be read or decoded. Pass it on with `?`.
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<J::Value<'_>>> {
        if !self.group.advance().map_err(Error::new)? {
            return Ok(None);
        }
        value::decode(self.group.value()).map(Some).map_err(Error::new)
    }

    /// The next value with its place in the order of a [`crate::record::Grouped`] key.
    ///
    /// # Errors
    ///
    /// As [`Values::next`].
    #[inline]
    pub fn next_ordered(&mut self) -> Result<Option<(OrderOf<'_, J>, J::Value<'_>)>> {
        if !self.group.advance().map_err(Error::new)? {
            return Ok(None);
        }
        let order = J::Key::decode_order(self.group.order(), self.scratch).map_err(Error::new)?;
        let value = value::decode(self.group.value()).map_err(Error::new)?;
        Ok(Some((order, value)))
    }

    /// Calls `each` with every value that is left.
    ///
    /// # Errors
    ///
    /// The first that `each` returns; else as [`Values::next`].
    #[inline]
    pub fn each(mut self, mut each: impl FnMut(J::Value<'_>) -> Result) -> Result {
        while let Some(value) = self.next()? {
            each(value)?;
        }
        Ok(())
    }

    /// How many values are left.
    ///
    /// # Errors
    ///
    /// When map output cannot be read.
    pub fn count(self) -> Result<u64> {
        let mut count = 0;
        while self.group.advance().map_err(Error::new)? {
            count += 1;
        }
        Ok(count)
    }

    /// The sum of the values that are left.
    ///
    /// # Errors
    ///
    /// When it does not fit the values' type; else as [`Values::next`].
    #[inline]
    pub fn sum<N: Number>(mut self) -> Result<N>
    where
        J: for<'v> Job<Value<'v> = N>,
    {
        let mut sum = N::ZERO;
        while let Some(value) = self.next()? {
            sum = sum.checked_plus(value).ok_or_else(|| overflow(sum, value))?;
        }
        Ok(sum)
    }

    /// All values that are left, in memory: only for keys that are known to have few.
    ///
    /// # Errors
    ///
    /// As [`Values::next`].
    pub fn to_vec<V>(mut self) -> Result<Vec<V>>
    where
        J: for<'v> Job<Value<'v> = V>,
    {
        let mut all = Vec::new();
        while let Some(value) = self.next()? {
            all.push(value);
        }
        Ok(all)
    }
}
