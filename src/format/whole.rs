//! Wraps an input format so that its files are never split.

use super::{Error, Input, Last, Source};

/// Reads like `F`, but each file is read by one task from its first byte to its last.
pub struct Whole<F>(F);

impl<F: Input> Input for Whole<F> {
    type Record<'a> = F::Record<'a>;
    const SOURCES: usize = F::SOURCES;
    const SPLITTABLE: bool = false;
    const TEXT: bool = F::TEXT;

    fn is_text(index: usize) -> bool {
        F::is_text(index)
    }

    fn open(source: Source) -> Result<Self, Error> {
        Ok(Self(F::open(source.into_whole())?))
    }

    #[inline]
    fn next(&mut self) -> Result<Option<F::Record<'_>>, Error> {
        self.0.next()
    }

    fn last(&self) -> Last<'_> {
        self.0.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Lines;
    use crate::format::split_law::check;

    #[test]
    fn the_first_range_has_all_records_whatever_the_cuts() {
        for cut in 1..8 {
            let lines = check::<Whole<Lines>, _>(b"ab\ncd\nef", &[cut], 4, ToString::to_string);
            assert_eq!(lines, ["ab", "cd", "ef"], "cut at {cut}");
        }
    }
}
