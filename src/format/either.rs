//! Reads two kinds of input for one job; a record's variant tells them apart.

use super::{Error, Input, Last, Source};

/// One of two input formats, or a record of one of them. As an input format, it reads each file in the format of the
/// file's named input.
///
/// A job with `type Input = Either<A, B>` takes two named inputs (or more, since `A` and `B` may be `Either` too):
/// the first `A::SOURCES` are read as `A`, the others as `B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Either<A, B> {
    /// The first format, or a record of it.
    Left(A),
    /// The second format, or a record of it.
    Right(B),
}

impl<A: Input, B: Input> Input for Either<A, B> {
    type Record<'a> = Either<A::Record<'a>, B::Record<'a>>;
    const SOURCES: usize = A::SOURCES + B::SOURCES;
    const SPLITTABLE: bool = A::SPLITTABLE && B::SPLITTABLE;
    const TEXT: bool = A::TEXT && B::TEXT;

    fn is_splittable(index: usize) -> bool {
        match index.checked_sub(A::SOURCES) {
            None => A::is_splittable(index),
            Some(index) => B::is_splittable(index),
        }
    }

    fn is_text(index: usize) -> bool {
        match index.checked_sub(A::SOURCES) {
            None => A::is_text(index),
            Some(index) => B::is_text(index),
        }
    }

    fn open(source: Source) -> Result<Self, Error> {
        if source.index() < A::SOURCES {
            A::open(source).map(Self::Left)
        } else {
            B::open(source.behind(A::SOURCES)).map(Self::Right)
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Self::Record<'_>>, Error> {
        Ok(match self {
            Self::Left(input) => input.next()?.map(Either::Left),
            Self::Right(input) => input.next()?.map(Either::Right),
        })
    }

    fn last(&self) -> Last<'_> {
        match self {
            Self::Left(input) => input.last(),
            Self::Right(input) => input.last(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::format::source::Options;
    use crate::format::split_law::listed;
    use crate::format::{Fixed, Lines, Whole};

    type Three = Either<Lines, Either<Whole<Lines>, Fixed<2>>>;

    #[test]
    fn each_named_input_is_read_in_its_own_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        fs::write(&path, "ab\ncd\n").unwrap();
        let open = |source| {
            let source = Source::open(&listed(&path, source), &Options::default());
            Three::open(source.unwrap()).unwrap()
        };
        assert!(matches!(open(0).next().unwrap(), Some(Either::Left(line)) if line == "ab"));
        assert!(matches!(
            open(1).next().unwrap(),
            Some(Either::Right(Either::Left(line))) if line == "ab"
        ));
        assert!(matches!(
            open(2).next().unwrap(),
            Some(Either::Right(Either::Right(record))) if record == b"ab"
        ));
        assert_eq!(Three::SOURCES, 3);
        assert_eq!([0, 1, 2].map(Three::is_splittable), [true, false, true]);
        assert_eq!([0, 1, 2].map(Three::is_text), [true, true, false]);
    }
}
