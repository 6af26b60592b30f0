//! Reads lines of text that must be UTF-8.

use super::{Error, Input, Last, Lines, Source};

/// Reads lines as [`Lines`] does, but gives them as `&str`.
///
/// A line that is not UTF-8 is an error that names the file and the byte; [`Lines`] accepts such text.
pub struct Utf8Lines(Lines);

impl Input for Utf8Lines {
    type Record<'a> = &'a str;

    fn open(source: Source) -> Result<Self, Error> {
        Ok(Self(Lines::open(source)?))
    }

    #[inline]
    fn next(&mut self) -> Result<Option<&str>, Error> {
        if self.0.next()?.is_none() {
            return Ok(None);
        }
        let last = self.0.source().last();
        match str::from_utf8(last.bytes) {
            Ok(line) => Ok(Some(line)),
            Err(error) => Err(Error::Utf8 {
                location: self.0.source().location().clone(),
                offset: last.offset + error.valid_up_to() as u64,
            }),
        }
    }

    fn last(&self) -> Last<'_> {
        self.0.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::source::Options;

    #[test]
    fn a_line_that_is_not_utf8_is_an_error_and_reading_continues() {
        let text = "größe\nab\u{e9}\n".as_bytes();
        let bytes = [text, b"ab\xff\nlast"].concat();
        let range = 0..bytes.len() as u64;
        let mut input =
            Utf8Lines::open(Source::of_bytes(bytes, range, &Options::default())).unwrap();
        assert_eq!(input.next().unwrap(), Some("größe"));
        assert_eq!(input.next().unwrap(), Some("abé"));
        let error = input.next().unwrap_err();
        assert!(error.spoils_one_record());
        assert_eq!(
            error.to_string(),
            "text is not UTF-8 at byte 15: <memory>\nhint: \
             use Lines, whose text may hold any bytes, or convert the file"
        );
        assert_eq!(input.last(), Last { offset: 13, bytes: b"ab\xff" });
        assert_eq!(input.next().unwrap(), Some("last"));
        assert_eq!(input.next().unwrap(), None);
    }
}
