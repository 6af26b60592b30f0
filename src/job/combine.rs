//! What folds equal keys' values together in the map's memory, before anything is sorted or sent.

use super::{Error, Job, Result};

/// A combiner: folds the values of equal keys into one accumulator, in place.
///
/// It may be applied to any part of a key's values, zero, one or many times, and to its own results; so `fold` must be
/// associative, and commutative unless [`Combine::EXACT`] is false. [`crate::testing`] checks that it is.
pub trait Combine<J: Job>: Sync {
    /// What the values of one key are folded into; it lives in the map's table. Small and without memory of its own
    /// is fast.
    type Acc: Send + Sync + 'static;

    /// Whether there is a combiner at all; only [`NoCombiner`] says no.
    const COMBINES: bool = true;

    /// Whether the order of folding never shows in the result. A sum of floats is not exact: with false it is
    /// folded in the order of the input, and so the same for any number of threads.
    const EXACT: bool = true;

    /// The accumulator of a first value.
    fn start(&self, value: J::Value<'_>) -> Result<Self::Acc>;

    /// Folds one more value in.
    fn fold(&self, acc: &mut Self::Acc, value: J::Value<'_>) -> Result;

    /// The accumulator as a value again.
    fn value<'a>(&self, acc: &'a Self::Acc) -> Result<J::Value<'a>>;

    /// Bytes that an accumulator owns outside itself, in a `Vec` or a map, so that they are counted as memory used.
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
#[error("a job without a combiner was asked to combine")]
struct NotThere;

/// A number of at most eight bytes: what [`Sum`], [`Min`] and [`Max`] fold.
pub trait Number: Copy + std::fmt::Display {
    /// Whether adding is exact, so that order never shows; not so for floats.
    const EXACT: bool;
    /// Nothing.
    const ZERO: Self;
    /// The number's bits, in the lower end.
    fn to_bits(self) -> u64;
    /// The number with these bits.
    fn from_bits(bits: u64) -> Self;
    /// The sum, if it can be represented.
    fn checked_plus(self, other: Self) -> Option<Self>;
    /// Whether this number comes before the other; total, also for floats.
    fn is_less(self, other: Self) -> bool;
}

macro_rules! integers {
    ($($int:ty)*) => {$(
        impl Number for $int {
            const EXACT: bool = true;
            const ZERO: Self = 0;
            #[inline(always)]
            fn to_bits(self) -> u64 { self as u64 }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self { bits as $int }
            #[inline(always)]
            fn checked_plus(self, other: Self) -> Option<Self> { self.checked_add(other) }
            #[inline(always)]
            fn is_less(self, other: Self) -> bool { self < other }
        }
    )*};
}
integers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

macro_rules! floats {
    ($($float:ty)*) => {$(
        impl Number for $float {
            const EXACT: bool = false;
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn to_bits(self) -> u64 { <$float>::to_bits(self) as u64 }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self { <$float>::from_bits(bits as _) }
            #[inline(always)]
            fn checked_plus(self, other: Self) -> Option<Self> { Some(self + other) }
            #[inline(always)]
            fn is_less(self, other: Self) -> bool { self.total_cmp(&other).is_lt() }
        }
    )*};
}
floats!(f32 f64);

#[derive(Debug, thiserror::Error)]
#[error("the sum of {left} and {right} does not fit its type; use a wider one")]
struct Overflow {
    left: String,
    right: String,
}

/// Adds numbers up; an overflow is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

impl<J: Job> Combine<J> for Sum
where
    for<'v> J::Value<'v>: Number,
{
    type Acc = u64;

    const EXACT: bool = <J::Value<'static> as Number>::EXACT;

    #[inline(always)]
    fn start(&self, value: J::Value<'_>) -> Result<u64> {
        Ok(value.to_bits())
    }

    #[inline(always)]
    fn fold<'v>(&self, acc: &mut u64, value: J::Value<'v>) -> Result {
        let so_far = J::Value::<'v>::from_bits(*acc);
        match so_far.checked_plus(value) {
            Some(sum) => {
                *acc = sum.to_bits();
                Ok(())
            }
            None => Err(overflow(so_far, value)),
        }
    }

    #[inline(always)]
    fn value<'a>(&self, acc: &'a u64) -> Result<J::Value<'a>> {
        Ok(J::Value::<'a>::from_bits(*acc))
    }
}

/// The error of a sum that does not fit.
#[cold]
#[track_caller]
pub(super) fn overflow<N: Number>(left: N, right: N) -> Error {
    Error::new(Overflow { left: left.to_string(), right: right.to_string() })
}

macro_rules! extremes {
    ($($(#[$doc:meta])* $name:ident: |$left:ident, $right:ident| $better:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl<J: Job> Combine<J> for $name
        where
            for<'v> J::Value<'v>: Number,
        {
            type Acc = u64;

            fn start(&self, value: J::Value<'_>) -> Result<u64> {
                Ok(value.to_bits())
            }

            fn fold<'v>(&self, acc: &mut u64, $left: J::Value<'v>) -> Result {
                let $right = J::Value::<'v>::from_bits(*acc);
                if $better {
                    *acc = $left.to_bits();
                }
                Ok(())
            }

            fn value<'a>(&self, acc: &'a u64) -> Result<J::Value<'a>> {
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
