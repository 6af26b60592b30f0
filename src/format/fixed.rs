//! Reads records of one fixed length, without separators.

use super::{Error, Input, Last, Source};

/// Reads records of `N` bytes each, without separators, such as those of the sort benchmark (`Fixed<100>`).
///
/// A file whose size is not a multiple of `N` is refused: before anything is read if its size is known, else at its
/// end.
pub struct Fixed<const N: usize> {
    source: Source,
    end: u64,
}

impl<const N: usize> Input for Fixed<N> {
    type Record<'a> = &'a [u8; N];
    const TEXT: bool = false;

    fn open(mut source: Source) -> Result<Self, Error> {
        const { assert!(N > 0, "a record must have at least one byte") };
        let range = source.range();
        if let Some(size) = source.size()
            && size % N as u64 != 0
        {
            return Err(partial(&source, size, N));
        }
        // Skips to the first record that begins in the range.
        let mut skipped = range.start.next_multiple_of(N as u64) - range.start;
        while !range.is_empty() && skipped > 0 && (!source.window().is_empty() || source.fill()?) {
            let step = usize::try_from(skipped).unwrap_or(usize::MAX).min(source.window().len());
            source.consume(step);
            skipped -= step as u64;
        }
        Ok(Self { source, end: range.end })
    }

    #[inline]
    fn next(&mut self) -> Result<Option<&[u8; N]>, Error> {
        if self.source.offset() >= self.end {
            return Ok(None);
        }
        while self.source.window().len() < N {
            if !self.source.fill()? {
                let rest = self.source.window().len() as u64;
                let size = self.source.offset() + rest;
                return if rest == 0 { Ok(None) } else { Err(partial(&self.source, size, N)) };
            }
        }
        Ok(self.source.lend(0..N, N).first_chunk())
    }

    fn last(&self) -> Last<'_> {
        self.source.last()
    }
}

fn partial(source: &Source, size: u64, record_bytes: usize) -> Error {
    Error::PartialRecord { location: source.location().clone(), size, record_bytes }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::Gzip;
    use crate::format::source::Options;
    use crate::format::split_law::{check, read, try_check};
    use crate::format::{Output, Raw, Writes};

    #[test]
    fn a_file_with_a_partial_record_is_refused_by_every_range() {
        for cuts in [&[][..], &[2], &[6]] {
            let error = try_check::<Fixed<3>, _>(b"abcdefg", cuts, 64, |_| ()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "size of 7 bytes is not a multiple of the record length of 3 bytes: <memory>\nhint: check that the file is complete and has this format"
            );
        }
    }

    #[test]
    fn a_compressed_file_with_a_partial_record_is_refused_at_its_end() {
        let (mut gzip, mut bytes) = (Gzip::<Raw>::default(), Vec::new());
        gzip.append(b"abcdefg", &mut bytes).unwrap();
        gzip.end(&mut bytes).unwrap();
        let range = 0..bytes.len() as u64;
        let mut seen = 0;
        let source = Source::of_bytes(bytes, range, &Options::default());
        let error = read::<Fixed<3>, _>(source, |_| seen += 1).unwrap_err();
        assert!(error.to_string().starts_with("size of 7 bytes is not a multiple"), "{error}");
        assert_eq!(seen, 2);
    }

    proptest! {
        #[test]
        fn any_cuts_give_the_records_of_the_whole(
            records in prop::collection::vec(any::<[u8; 5]>(), 0..20),
            cuts in prop::collection::vec(any::<u64>(), 0..6),
            read_bytes in 1usize..24,
        ) {
            let found = check::<Fixed<5>, _>(records.as_flattened(), &cuts, read_bytes, |record| *record);
            prop_assert_eq!(found, records);
        }
    }
}
