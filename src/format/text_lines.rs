//! Writes bytes unchanged, with or without a newline after each record.

use memchr::memchr;

use super::field::EXCERPT_CHARS_MAX;
use super::{Error, Output, Writes};
use crate::model::escape;
use crate::record::{Text, TextBuf};

/// Values that can be written as bytes: text, bytes, and tuples of them, in order. `()` has no bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not text or bytes",
    label = "`TextLines` and `Raw` write text, bytes and tuples of them",
    note = "use `type Output = Tsv` for numbers, text and tuples of them, and \
            `type Output = Json` for other types"
)]
pub trait Bytes {
    /// Appends the bytes.
    fn append_to(&self, into: &mut Vec<u8>);
}

/// Writes text, one record per line, each followed by `\n`. A record that holds a newline is an error.
#[derive(Debug, Default)]
pub struct TextLines;

impl Output for TextLines {
    const EXTENSION: &'static str = "txt";
}

impl<T: Bytes + ?Sized> Writes<T> for TextLines {
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error> {
        let before = into.len();
        record.append_to(into);
        if memchr(b'\n', &into[before..]).is_some() {
            let excerpt = escape(&into[before..], EXCERPT_CHARS_MAX);
            into.truncate(before);
            return Err(Error::Line { excerpt });
        }
        into.push(b'\n');
        Ok(())
    }
}

/// Writes bytes back to back, with nothing between records.
#[derive(Debug, Default)]
pub struct Raw;

impl Output for Raw {
    const EXTENSION: &'static str = "bin";
}

impl<T: Bytes + ?Sized> Writes<T> for Raw {
    #[inline]
    fn append(&mut self, record: &T, into: &mut Vec<u8>) -> Result<(), Error> {
        record.append_to(into);
        Ok(())
    }
}

impl<B: Bytes + ?Sized> Bytes for &B {
    #[inline]
    fn append_to(&self, into: &mut Vec<u8>) {
        B::append_to(self, into);
    }
}

impl<const N: usize> Bytes for [u8; N] {
    #[inline]
    fn append_to(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self);
    }
}

macro_rules! bytes {
    ($($type:ty),*) => {$(
        impl Bytes for $type {
            #[inline]
            fn append_to(&self, into: &mut Vec<u8>) {
                let bytes: &[u8] = self.as_ref();
                into.extend_from_slice(bytes);
            }
        }
    )*};
}

bytes!([u8], Vec<u8>, str, String, Text, TextBuf);

impl Bytes for () {
    fn append_to(&self, _into: &mut Vec<u8>) {}
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: Bytes),*> Bytes for ($($name,)*) {
            #[inline]
            #[expect(non_snake_case, reason = "variables are named like their type parameters")]
            fn append_to(&self, into: &mut Vec<u8>) {
                let ($($name,)*) = self;
                $($name.append_to(into);)*
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_these_bytes() {
        let mut lines = Vec::new();
        TextLines.append("a\tb", &mut lines).unwrap();
        TextLines.append(&(Text::new(b"\xff"), ()), &mut lines).unwrap();
        let error = TextLines.append("a\nb", &mut lines).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line holds a newline: `a\\nb`\nhint: write JSON lines instead (Json)"
        );
        assert_eq!(lines, b"a\tb\n\xff\n");

        let mut raw = Vec::new();
        Raw.append(&([1_u8, 2], [3_u8; 3]), &mut raw).unwrap();
        Raw.append(&b"\n"[..], &mut raw).unwrap();
        assert_eq!(raw, b"\x01\x02\x03\x03\x03\n");
    }
}
