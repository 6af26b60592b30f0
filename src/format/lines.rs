//! Reads lines of text that may hold any bytes.

use memchr::memchr;

use super::{Error, Input, Last, Source};
use crate::record::Text;

/// The UTF-8 byte order mark, which a file may begin with. It is not part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads lines of text, and removes their line ends, `\n` or `\r\n`. The last line may lack a line end.
///
/// A line may be empty, and may hold any other bytes, including NUL and invalid UTF-8. A `\r` elsewhere is a byte like
/// any other. A UTF-8 byte order mark at the start of the file is dropped.
pub struct Lines {
    source: Source,
    /// Lines that begin here or later belong to another range.
    end: u64,
}

impl Input for Lines {
    type Record<'a> = &'a Text;

    fn open(mut source: Source) -> Result<Self, Error> {
        let mut end = source.range().end;
        if source.range().is_empty() {
            return Ok(Self { source, end: 0 });
        }
        if source.range().start != 0 {
            // A newline just before the range is the end of the previous line.
            source.rewind(1);
            source.skip_past(b"\n")?;
        } else {
            let mark = BYTE_ORDER_MARK.len();
            while source.window().len() < mark && source.fill()? {}
            if source.window().starts_with(BYTE_ORDER_MARK) {
                source.consume(mark);
                // The first line begins with the mark, so it is ours even if the range ends within the mark.
                end = end.max(mark as u64 + 1);
            }
        }
        Ok(Self { source, end })
    }

    #[inline]
    fn next(&mut self) -> Result<Option<&Text>, Error> {
        if self.source.offset() >= self.end {
            return Ok(None);
        }
        let (line, bytes) = match memchr(b'\n', self.source.window()) {
            Some(newline) => (newline, newline + 1),
            None => match self.find_end()? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let carriage_return = line < bytes && line > 0 && self.source.window()[line - 1] == b'\r';
        let line = line - usize::from(carriage_return);
        Ok(Some(Text::new(self.source.lend(0..line, bytes))))
    }

    fn last(&self) -> Last<'_> {
        self.source.last()
    }
}

impl Lines {
    /// Returns the length of a line that does not end in the window, without and with its line end; `None` at the end
    /// of the file.
    #[cold]
    #[inline(never)]
    fn find_end(&mut self) -> Result<Option<(usize, usize)>, Error> {
        match self.source.find(b"\n") {
            Ok(Some(newline)) => return Ok(Some((newline, newline + 1))),
            Ok(None) => {}
            // The limit is for the line without its end, which may have two bytes.
            Err(error @ Error::RecordTooLong { .. }) => {
                let limit = self.source.record_bytes_max();
                let may_end = self.source.window().len() == limit + 1
                    && self.source.window().ends_with(b"\r");
                let goes_on = may_end && self.source.fill_up_to(limit + 1)?;
                return match self.source.window().get(limit + 1) {
                    Some(b'\n') if goes_on => Ok(Some((limit + 1, limit + 2))),
                    _ => Err(error),
                };
            }
            Err(error) => return Err(error),
        }
        let rest = self.source.window().len();
        Ok((rest > 0).then_some((rest, rest)))
    }

    /// Returns the source, for formats that are built on lines.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;
    use crate::format::source::Options;
    use crate::format::split_law::{check, read};

    fn lines(bytes: &[u8], range: Range<u64>) -> Vec<Vec<u8>> {
        let source = Source::of_bytes(bytes, range, &Options::default());
        read::<Lines, _>(source, |line| line.as_bytes().to_vec()).expect("reads")
    }

    #[test]
    fn lines_end_in_newlines_with_or_without_carriage_returns() {
        let table: [(&[u8], &[&[u8]]); 13] = [
            (b"", &[]),
            (b"\n", &[b""]),
            (b"\r\n", &[b""]),
            (b"\r", &[b"\r"]),
            (b"a", &[b"a"]),
            (b"a\nb", &[b"a", b"b"]),
            (b"a\r\nb\r\n", &[b"a", b"b"]),
            (b"a\r\r\nb\r", &[b"a\r", b"b\r"]),
            (b"\n\na", &[b"", b"", b"a"]),
            (b"\0\xff\n\0", &[b"\0\xff", b"\0"]),
            (b"\xef\xbb\xbf", &[]),
            (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", &[b"a", b"\xef\xbb\xbfb"]),
            (b"\xef\xbb\xbf\na", &[b"", b"a"]),
        ];
        for (bytes, expected) in table {
            assert_eq!(lines(bytes, 0..bytes.len() as u64), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_line_belongs_to_the_range_with_its_first_byte() {
        let table: [(Range<u64>, &[&[u8]]); 6] = [
            (0..1, &[b"ab"]),
            (1..3, &[]),
            (2..4, &[b"cd"]),
            (3..4, &[b"cd"]),
            (4..6, &[]),
            (0..0, &[]),
        ];
        for (range, expected) in table {
            assert_eq!(lines(b"ab\ncd\n", range.clone()), expected, "{range:?}");
        }
    }

    #[test]
    fn the_last_line_has_its_offset() {
        let mut input =
            Lines::open(Source::of_bytes(*b"ab\r\ncd", 0..6, &Options::default())).unwrap();
        let mut seen = Vec::new();
        while input.next().unwrap().is_some() {
            seen.push((input.last().offset, input.last().bytes.to_vec()));
        }
        assert_eq!(seen, [(0, b"ab".to_vec()), (4, b"cd".to_vec())]);
    }

    #[test]
    fn the_end_of_a_line_does_not_count_towards_the_limit() {
        let options = Options { read_bytes: 64, record_bytes_max: 10, ..Options::default() };
        let table = [
            ("0123456789\r\n", Some(vec![10])),
            ("0123456789\r\nab\r\n0123456789\r\n", Some(vec![10, 2, 10])),
            ("012345678\r\r\n", Some(vec![10])),
            ("0123456789a\r\n", None),
            ("0123456789\r\r\n", None),
            ("0123456789\r", None),
            ("0123456789\rx\n", None),
        ];
        for (text, expected) in table {
            for read_bytes in [1, 5, 64] {
                let options = Options { read_bytes, ..options.clone() };
                let source = Source::of_bytes(text.as_bytes(), 0..text.len() as u64, &options);
                let found = read::<Lines, _>(source, |line| line.len());
                assert_eq!(found.ok(), expected, "{text:?} read by {read_bytes}");
            }
        }
    }

    #[test]
    fn only_a_line_over_the_limit_is_refused_wherever_it_lies() {
        let options = Options { read_bytes: 64, record_bytes_max: 10, ..Options::default() };
        let text = b"0123456789\nabc\n0123456789";
        let source = Source::of_bytes(*text, 0..text.len() as u64, &options);
        let read_lines = |source| read::<Lines, _>(source, |line| line.len());
        assert_eq!(read_lines(source).unwrap(), [10, 3, 10]);
        for before in ["", "abc\n", "0123456\n\n"] {
            for behind in ["", "\n", "\nx"] {
                let text = format!("{before}0123456789a{behind}");
                let range = 0..text.len() as u64;
                let error =
                    read_lines(Source::of_bytes(text.as_bytes(), range, &options)).unwrap_err();
                let expected = format!(
                    "record is longer than the limit of 10 bytes: <memory> at byte {}\nhint: split it into shorter records, or leave the file out",
                    before.len()
                );
                assert_eq!(error.to_string(), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn any_cuts_give_the_lines_of_the_whole(
            text in prop::collection::vec(prop::sample::select(&b"ab\n\n\r\0\xef\xbb\xbf\xff"[..]), 0..60),
            marked: bool,
            cuts in prop::collection::vec(0u64..64, 0..5),
            read_bytes in 1usize..40,
        ) {
            let bytes = if marked { [BYTE_ORDER_MARK, &text].concat() } else { text };
            let unmarked = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
            let mut expected: Vec<&[u8]> = unmarked.split(|&byte| byte == b'\n').collect();
            if expected.last().is_some_and(|line| line.is_empty()) {
                expected.pop();
            }
            let last = expected.len().wrapping_sub(1);
            let ended = bytes.ends_with(b"\n");
            let expected: Vec<Vec<u8>> = expected.iter().enumerate().map(|(number, line)| {
                let keep = number == last && !ended;
                if keep { line } else { line.strip_suffix(b"\r").unwrap_or(line) }.to_vec()
            }).collect();
            let found = check::<Lines, _>(&bytes, &cuts, read_bytes, |line| line.as_bytes().to_vec());
            prop_assert_eq!(found, expected);
        }
    }
}
