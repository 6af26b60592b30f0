//! Gives a reduce the values of its key, one at a time.

use std::marker::PhantomData;

use super::combine::Number;
use super::{Error, Job, OrderOf, Result};
use crate::model::escape;
use crate::record::{Key, SERDE_HINT, value};
use crate::shuffle::Group;

/// Maximum number of characters of a key that an error shows.
const KEY_CHARS_MAX: usize = 80;

#[derive(Debug, thiserror::Error)]
#[error(
    "the sum of the values of key `{key}` does not fit into {number}\nhint: use a wider value type, or \
     write your own combiner and reduce"
)]
struct Overflow {
    key: String,
    number: &'static str,
}

/// Error of a value that cannot be read back after it was written.
#[cold]
#[track_caller]
fn unread<J: Job>(error: value::Error) -> Error {
    Error::new(Unread { of: std::any::type_name::<J::Value<'static>>(), error })
}

#[derive(Debug, thiserror::Error)]
#[error(
    "a value of type `{of}` cannot be read back after it was emitted: {error}\nhint: {SERDE_HINT}"
)]
struct Unread {
    of: &'static str,
    error: value::Error,
}

/// The values of one key or, for a grouped key, of one group, sorted by key. Values of equal keys come in the order of
/// the input.
///
/// They are lent one at a time, since a key may have more values than fit into memory.
/// Values that the reduce does not read are skipped.
pub struct Values<'g, J: Job> {
    pub(crate) group: &'g mut (dyn Group + 'g),
    /// The group's bytes, for errors.
    pub(crate) key: &'g [u8],
    pub(crate) scratch: &'g mut Vec<u8>,
    pub(crate) job: PhantomData<fn() -> J>,
}

impl<J: Job> Values<'_, J> {
    /// Returns the next value, or `None` after the last. It may borrow from memory that the next call overwrites.
    ///
    /// To keep a value for longer, copy it:
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
    /// Keeping a borrowed value does not compile:
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
    /// If map output cannot be read or decoded. Pass the error on with `?`.
    #[expect(clippy::should_implement_trait, reason = "an `Iterator` cannot lend its items")]
    #[inline]
    #[track_caller]
    pub fn next(&mut self) -> Result<Option<J::Value<'_>>> {
        if !self.group.advance().map_err(Error::new)? {
            return Ok(None);
        }
        match value::decode(self.group.value()) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(unread::<J>(error)),
        }
    }

    /// Returns the next value, with the order part of its [`crate::record::Grouped`] key.
    ///
    /// # Errors
    ///
    /// As [`Values::next`].
    #[inline]
    #[track_caller]
    pub fn next_ordered(&mut self) -> Result<Option<(OrderOf<'_, J>, J::Value<'_>)>> {
        if !self.group.advance().map_err(Error::new)? {
            return Ok(None);
        }
        let order = match J::Key::decode_order(self.group.order(), self.scratch) {
            Ok(order) => order,
            Err(error) => return Err(Error::new(error)),
        };
        match value::decode(self.group.value()) {
            Ok(value) => Ok(Some((order, value))),
            Err(error) => Err(unread::<J>(error)),
        }
    }

    /// Calls `each` with every remaining value.
    ///
    /// # Errors
    ///
    /// The first error that `each` returns, or those of [`Values::next`].
    #[inline]
    #[track_caller]
    pub fn each(mut self, mut each: impl FnMut(J::Value<'_>) -> Result) -> Result {
        while let Some(value) = self.next()? {
            each(value)?;
        }
        Ok(())
    }

    /// Counts the remaining values.
    ///
    /// # Errors
    ///
    /// If map output cannot be read.
    pub fn count(self) -> Result<u64> {
        let mut count = 0;
        while self.group.advance().map_err(Error::new)? {
            count += 1;
        }
        Ok(count)
    }

    /// Sums the remaining values.
    ///
    /// # Errors
    ///
    /// If the total does not fit the type of the values (a partial sum may exceed it). Also the errors of
    /// [`Values::next`].
    #[inline]
    #[track_caller]
    pub fn sum<N: Number>(mut self) -> Result<N>
    where
        J: for<'v> Job<Value<'v> = N>,
    {
        let (mut sum, mut carries) = (N::ZERO, 0);
        while let Some(value) = self.next()? {
            let carry;
            (sum, carry) = sum.carrying_plus(value);
            carries += carry;
        }
        if carries == 0 { Ok(sum) } else { Err(self.overflow(std::any::type_name::<N>())) }
    }

    /// Error of a sum that does not fit.
    #[cold]
    #[track_caller]
    fn overflow(&self, number: &'static str) -> Error {
        let mut scratch = Vec::new();
        let key = J::Key::show_group(self.key, &mut scratch).unwrap_or_else(|_| "?".into());
        Error::new(Overflow { key: escape(key.as_bytes(), KEY_CHARS_MAX), number })
    }

    /// Collects all remaining values in memory. Use it only for keys that are known to have few values.
    ///
    /// # Errors
    ///
    /// As [`Values::next`].
    #[track_caller]
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
