//! Combiners: fold the values of equal keys in the map task's memory, before the pairs are sorted and sent.

use super::{Error, Job, Result};
pub use crate::shuffle::KeepApart;

/// A combiner: folds the values of equal keys into one accumulator, in place.
///
/// The framework may apply it to any part of a key's values, zero, one or many times, and to its own results. So `fold`
/// must be associative and, if [`Combine::EXACT`] is true, also commutative. [`crate::testing`] checks this.
///
/// The job's method `combiner` returns it:
///
/// ```
/// # use gristmill::prelude::*;
/// # #[derive(Args, Serialize, Deserialize)]
/// # struct Count {}
/// # impl Job for Count {
/// #     type Input = Lines;
/// #     type Key<'a> = &'a Text;
/// #     type Value<'a> = u64;
/// #     type Output = Tsv;
/// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
/// #         line.words().try_for_each(|word| out.emit(word, 1))
/// #     }
///     fn combiner(&self) -> impl Combine<Self> {
///         Sum
///     }
/// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
/// #         out.write((word, counts.sum()?))
/// #     }
/// # }
/// ```
///
/// With a semicolon, the method returns nothing, and does not compile:
///
/// ```compile_fail,E0277
/// # use gristmill::prelude::*;
/// # #[derive(Args, Serialize, Deserialize)]
/// # struct Count {}
/// # impl Job for Count {
/// #     type Input = Lines;
/// #     type Key<'a> = &'a Text;
/// #     type Value<'a> = u64;
/// #     type Output = Tsv;
/// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
/// #         line.words().try_for_each(|word| out.emit(word, 1))
/// #     }
///     fn combiner(&self) -> impl Combine<Self> {
///         Sum;
///     }
/// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
/// #         out.write((word, counts.sum()?))
/// #     }
/// # }
/// ```
///
/// In the next example, the value is a struct, and the reduce uses the combiner too:
///
/// ```
/// use gristmill::prelude::*;
///
/// #[derive(Serialize, Deserialize, Clone, Copy)]
/// struct Tally {
///     requests: u64,
///     bytes: u64,
/// }
///
/// struct Add;
///
/// impl Combine<Traffic> for Add {
///     type Acc = Tally;
///
///     // Sums of integers do not depend on the order.
///     const EXACT: bool = true;
///
///     fn start(&self, value: Tally) -> Result<Tally> {
///         Ok(value)
///     }
///
///     fn fold(&self, acc: &mut Tally, value: Tally) -> Result {
///         acc.requests += value.requests;
///         acc.bytes += value.bytes;
///         Ok(())
///     }
///
///     fn value(&self, acc: &Tally) -> Result<Tally> {
///         Ok(*acc)
///     }
/// }
///
/// #[derive(Args, Serialize, Deserialize)]
/// struct Traffic {}
///
/// impl Job for Traffic {
///     type Input = Lines;
///     type Key<'a> = u16;
///     type Value<'a> = Tally;
///     type Output = Tsv;
///
///     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
///         let (status, bytes) = line.split_once(b' ').ok_or("a line is a status and a length")?;
///         let bytes = bytes.to_str()?.parse()?;
///         out.emit(status.to_str()?.parse()?, Tally { requests: 1, bytes })
///     }
///
///     fn combiner(&self) -> impl Combine<Self> {
///         Add
///     }
///
///     fn reduce(&self, status: u16, mut tallies: Values<Self>, out: &mut Writer<Tsv>) -> Result {
///         let mut all = Tally { requests: 0, bytes: 0 };
///         while let Some(tally) = tallies.next()? {
///             Add.fold(&mut all, tally)?;
///         }
///         out.write((status, all.requests, all.bytes))
///     }
/// }
/// # gristmill::testing::check(Traffic {}).input("200 5\n404 1\n200 7\n200 1\n").run();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a combiner of `{J}`",
    label = "`combiner` must return `Sum`, `Min`, `Max` or a type with `impl Combine<{J}>`",
    note = "write `fn combiner(&self) -> impl Combine<Self> {{ Sum }}`, without a semicolon after the combiner"
)]
pub trait Combine<J: Job>: Sync {
    /// The accumulator into which the values of one key are folded. It is stored in the map task's table, so a small
    /// type without heap memory is fastest.
    type Acc: Send + Sync + 'static;

    /// Whether there is a combiner at all; false only for [`NoCombiner`].
    const COMBINES: bool = true;

    /// Whether the result never depends on how values are ordered and grouped. Sums of integers are exact, sums of
    /// floats are not. Set it to true if your combiner is exact: the job is then faster.
    ///
    /// If false, as it is by default, values are folded in groups that do not depend on memory or threads, so the output
    /// has the same bytes with any memory, any number of threads, and on any cluster. To achieve this, the pairs that a
    /// map task emits are cut into blocks. A block ends after a fixed number of keys (about ten thousand) or bytes. Within a block, the values of a key are folded in the order in which they were emitted. The
    /// reduce gets one value for each block, in the order of the input. Such a combiner saves less than an exact one:
    /// keys that repeat within a block are combined, but not across blocks, spills and map tasks. [`crate::testing`]
    /// does not require it to be commutative, and accepts results that differ by up to a billionth.
    const EXACT: bool = false;

    /// Makes an accumulator from a key's first value.
    fn start(&self, value: J::Value<'_>) -> Result<Self::Acc>;

    /// Folds one more value into the accumulator.
    ///
    /// # Errors
    ///
    /// If the two values do not fit into one, leave `acc` unchanged and return [`KeepApart`]. Both are then kept, and
    /// the reduce receives both. This is useful if a partial result may overflow although the total fits. Any other
    /// error ends the job.
    fn fold(&self, acc: &mut Self::Acc, value: J::Value<'_>) -> Result;

    /// Turns the accumulator back into a value.
    fn value<'a>(&self, acc: &'a Self::Acc) -> Result<J::Value<'a>>;

    /// Returns the number of bytes that an accumulator owns on the heap, such as in a `Vec` or a map. They are counted
    /// as used memory.
    fn heap_bytes(&self, _acc: &Self::Acc) -> usize {
        0
    }
}

/// No combiner: every value reaches the reduce.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCombiner;

impl<J: Job> Combine<J> for NoCombiner {
    type Acc = ();

    const COMBINES: bool = false;

    fn start(&self, _: J::Value<'_>) -> Result<()> {
        Err(Error::new(NotThere))
    }

    fn fold(&self, _: &mut (), _: J::Value<'_>) -> Result {
        Err(Error::new(NotThere))
    }

    fn value<'a>(&self, _: &'a ()) -> Result<J::Value<'a>> {
        Err(Error::new(NotThere))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a job without a combiner cannot combine")]
struct NotThere;

/// A number that [`Sum`], [`Min`] and [`Max`] can fold: any primitive integer, `f32` or `f64`.
///
/// Fold values of other types yourself:
///
/// ```
/// # use gristmill::prelude::*;
/// # #[derive(Args, Serialize, Deserialize)]
/// # struct Count {}
/// # impl Job for Count {
/// #     type Input = Lines;
/// #     type Key<'a> = &'a Text;
///     type Value<'a> = (u64, u64);
/// #     type Output = Tsv;
/// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
/// #         line.words().try_for_each(|word| out.emit(word, (1, 2)))
/// #     }
///     fn reduce(&self, word: &Text, mut counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
///         let mut sum = 0;
///         while let Some((_, bytes)) = counts.next()? {
///             sum += bytes;
///         }
///         out.write((word, sum))
///     }
/// # }
/// ```
///
/// `sum` and [`Sum`] cannot add them up:
///
/// ```compile_fail,E0277
/// # use gristmill::prelude::*;
/// # #[derive(Args, Serialize, Deserialize)]
/// # struct Count {}
/// # impl Job for Count {
/// #     type Input = Lines;
/// #     type Key<'a> = &'a Text;
///     type Value<'a> = (u64, u64);
/// #     type Output = Tsv;
/// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
/// #         line.words().try_for_each(|word| out.emit(word, (1, 2)))
/// #     }
///     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
///         out.write((word, counts.sum()?))
///     }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` are not numbers, so `Sum`, `Min`, `Max` and `values.sum()` \
               cannot take them",
    label = "needs a number type, such as `type Value<'a> = u64`",
    note = "in a reduce, fold the values with `while let Some(value) = values.next()? {{ … }}`; for a combiner, \
            implement `gristmill::job::Combine` for your own struct"
)]
pub trait Number: Copy + std::fmt::Display {
    /// Whether addition is exact, so that the order does not matter; false for floats.
    const EXACT: bool;
    /// Zero.
    const ZERO: Self;
    /// Holds the number's bits while it is folded.
    type Bits: Copy + Send + Sync + 'static;
    /// Returns the number's bits, in the low end of `Bits`.
    fn to_bits(self) -> Self::Bits;
    /// Returns the number with these bits.
    fn from_bits(bits: Self::Bits) -> Self;
    /// Returns the sum, if it can be represented.
    fn checked_plus(self, other: Self) -> Option<Self>;
    /// Returns the wrapped sum and its carry: 1 if the sum is above the largest number, -1 if it is below the smallest,
    /// else 0. A total fits if and only if its carries add up to zero.
    fn carrying_plus(self, other: Self) -> (Self, i64);
    /// Returns whether this number is less than the other. The order is total, even for floats.
    fn is_less(self, other: Self) -> bool;
}

macro_rules! integers {
    ($($int:ty, $bits:ty;)*) => {$(
        impl Number for $int {
            const EXACT: bool = true;
            const ZERO: Self = 0;
            type Bits = $bits;
            #[inline(always)]
            fn to_bits(self) -> $bits { self as $bits }
            #[inline(always)]
            fn from_bits(bits: $bits) -> Self { bits as $int }
            #[inline(always)]
            fn checked_plus(self, other: Self) -> Option<Self> { self.checked_add(other) }
            #[inline(always)]
            fn carrying_plus(self, other: Self) -> (Self, i64) {
                match self.overflowing_add(other) {
                    (sum, false) => (sum, 0),
                    (sum, true) => (sum, if other.is_less(0) { -1 } else { 1 }),
                }
            }
            #[inline(always)]
            fn is_less(self, other: Self) -> bool { self < other }
        }
    )*};
}
integers! {
    u8, u64; u16, u64; u32, u64; u64, u64; usize, u64;
    i8, u64; i16, u64; i32, u64; i64, u64; isize, u64;
    u128, u128; i128, u128;
}

macro_rules! floats {
    ($($float:ty)*) => {$(
        impl Number for $float {
            const EXACT: bool = false;
            const ZERO: Self = 0.0;
            type Bits = u64;
            #[inline(always)]
            fn to_bits(self) -> u64 { <$float>::to_bits(self) as u64 }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self { <$float>::from_bits(bits as _) }
            #[inline(always)]
            fn checked_plus(self, other: Self) -> Option<Self> { Some(self + other) }
            #[inline(always)]
            fn carrying_plus(self, other: Self) -> (Self, i64) { (self + other, 0) }
            #[inline(always)]
            fn is_less(self, other: Self) -> bool { self.total_cmp(&other).is_lt() }
        }
    )*};
}
floats!(f32 f64);

/// Adds up numbers.
///
/// A partial sum that does not fit its type is not an error: the two values are kept apart ([`KeepApart`]), because
/// only the total matters, and the reduce computes it. [`Values::sum`](super::Values::sum) fails if the total does not
/// fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

impl<J: Job, B> Combine<J> for Sum
where
    for<'v> J::Value<'v>: Number<Bits = B>,
    B: Copy + Send + Sync + 'static,
{
    type Acc = B;

    const EXACT: bool = <J::Value<'static> as Number>::EXACT;

    #[inline(always)]
    fn start(&self, value: J::Value<'_>) -> Result<B> {
        Ok(value.to_bits())
    }

    #[inline(always)]
    fn fold<'v>(&self, acc: &mut B, value: J::Value<'v>) -> Result {
        let so_far = J::Value::<'v>::from_bits(*acc);
        match so_far.checked_plus(value) {
            Some(sum) => {
                *acc = sum.to_bits();
                Ok(())
            }
            None => Err(apart()),
        }
    }

    #[inline(always)]
    fn value<'a>(&self, acc: &'a B) -> Result<J::Value<'a>> {
        Ok(J::Value::<'a>::from_bits(*acc))
    }
}

#[cold]
fn apart() -> Error {
    Error::new(KeepApart)
}

macro_rules! extremes {
    ($($(#[$doc:meta])* $name:ident: |$left:ident, $right:ident| $better:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl<J: Job, B> Combine<J> for $name
        where
            for<'v> J::Value<'v>: Number<Bits = B>,
            B: Copy + Send + Sync + 'static,
        {
            type Acc = B;

            const EXACT: bool = true;

            fn start(&self, value: J::Value<'_>) -> Result<B> {
                Ok(value.to_bits())
            }

            fn fold<'v>(&self, acc: &mut B, $left: J::Value<'v>) -> Result {
                let $right = J::Value::<'v>::from_bits(*acc);
                if $better {
                    *acc = $left.to_bits();
                }
                Ok(())
            }

            fn value<'a>(&self, acc: &'a B) -> Result<J::Value<'a>> {
                Ok(J::Value::<'a>::from_bits(*acc))
            }
        }
    )*};
}
extremes! {
    /// Keeps the smallest number.
    Min: |value, kept| value.is_less(kept);
    /// Keeps the largest number.
    Max: |value, kept| kept.is_less(value);
}
