//! Text as it is found in files: bytes that are usually UTF-8, borrowed or owned.

mod owned;
mod serial;

use std::fmt;
use std::str::Utf8Error;

use memchr::{memchr, memmem};

use super::words::Words;

pub use owned::TextBuf;

/// Borrowed text: bytes that are usually UTF-8, but need not be. [`TextBuf`] is its owned form.
///
/// To parse a number, convert the text to a string first. Pass the errors of both steps on with `?`:
///
/// ```
/// use gristmill::prelude::*;
///
/// fn status_and_bytes(line: &Text) -> Result<(u16, u64)> {
///     let mut fields = line.words().skip(1);
///     let status = fields.next().ok_or("no status")?.to_str()?.parse()?;
///     let bytes = fields.next().ok_or("no bytes")?.to_str()?.parse()?;
///     Ok((status, bytes))
/// }
/// assert_eq!(status_and_bytes(Text::new(b"/index.html 200 512"))?, (200, 512));
/// # Ok::<(), Error>(())
/// ```
///
/// It compares, sorts and hashes by its bytes, which for valid UTF-8 is the order of code points. `Display` writes
/// valid UTF-8 unchanged, and U+FFFD for everything else. Serde sees a byte string or, in human-readable formats such
/// as JSON, a string if the text is valid UTF-8.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Text([u8]);

impl Text {
    /// Wraps these bytes as text, without checking or copying.
    #[inline(always)]
    #[expect(unsafe_code, reason = "safe Rust has no cast from a slice to a struct that wraps it")]
    pub const fn new(bytes: &[u8]) -> &Self {
        // SAFETY: `Text` is `repr(transparent)` over `[u8]`, so both have the same layout, the same
        // pointer metadata and no further invariant; the lifetime is carried over by the signature.
        unsafe { &*(std::ptr::from_ref(bytes) as *const Self) }
    }

    /// Returns the text's bytes.
    #[inline(always)]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text as a string. The error tells where the text stops being UTF-8.
    pub const fn to_str(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(&self.0)
    }

    /// Returns the length in bytes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the text is empty.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the text without ASCII whitespace (space, `\t`, `\n`, `\f`, `\r`) at both ends.
    pub const fn trim(&self) -> &Self {
        Self::new(self.0.trim_ascii())
    }

    /// Returns the words: maximal runs of bytes other than space, `\t`, `\n`, `\v`, `\f` and `\r`.
    #[inline(always)]
    pub fn words(&self) -> Words<'_> {
        Words::new(&self.0)
    }

    /// Splits the text at each occurrence of `byte`. There is always one piece more than there are occurrences.
    pub fn split(&self, byte: u8) -> Split<'_> {
        Split { rest: Some(self), byte }
    }

    /// Splits the text at the first occurrence of `byte`; `None` if there is none.
    pub fn split_once(&self, byte: u8) -> Option<(&Self, &Self)> {
        let at = memchr(byte, &self.0)?;
        Some((Self::new(&self.0[..at]), Self::new(&self.0[at + 1..])))
    }

    /// Returns whether the text begins with these bytes.
    pub fn starts_with(&self, prefix: impl AsRef<[u8]>) -> bool {
        self.0.starts_with(prefix.as_ref())
    }

    /// Returns whether these bytes occur anywhere in the text.
    pub fn contains(&self, needle: impl AsRef<[u8]>) -> bool {
        memmem::find(&self.0, needle.as_ref()).is_some()
    }
}

/// The pieces of a [`Text`] between the occurrences of a byte; made by [`Text::split`].
#[derive(Debug, Clone)]
pub struct Split<'a> {
    rest: Option<&'a Text>,
    byte: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a Text;

    fn next(&mut self) -> Option<&'a Text> {
        let rest = self.rest?;
        if let Some((piece, after)) = rest.split_once(self.byte) {
            self.rest = Some(after);
            return Some(piece);
        }
        self.rest.take()
    }
}

impl ToOwned for Text {
    type Owned = TextBuf;

    fn to_owned(&self) -> TextBuf {
        TextBuf::from(self.0.to_vec())
    }

    fn clone_into(&self, target: &mut TextBuf) {
        target.clear();
        target.push(self);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_str() {
            // Uses `pad` rather than `write_str`, so that `{:>8}` works.
            Ok(text) => f.pad(text),
            Err(_) => f.pad(&String::from_utf8_lossy(&self.0)),
        }
    }
}

impl Default for &Text {
    fn default() -> Self {
        Text::new(&[])
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<Text> for Text {
    fn as_ref(&self) -> &Text {
        self
    }
}

impl AsRef<Text> for str {
    fn as_ref(&self) -> &Text {
        Text::new(self.as_bytes())
    }
}

impl<'a> From<&'a str> for &'a Text {
    fn from(text: &'a str) -> Self {
        Text::new(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for &'a Text {
    fn from(bytes: &'a [u8]) -> Self {
        Text::new(bytes)
    }
}

/// Comparisons with other types of bytes and text, in both directions, for borrowed and owned text.
macro_rules! equal_by_bytes {
    ($([$($life:lifetime)?] $left:ty, $right:ty, $left_bytes:ident, $right_bytes:ident;)*) => {$(
        impl$(<$life>)? PartialEq<$right> for $left {
            fn eq(&self, other: &$right) -> bool {
                self.$left_bytes() == other.$right_bytes()
            }
        }

        impl$(<$life>)? PartialEq<$left> for $right {
            fn eq(&self, other: &$left) -> bool {
                self.$right_bytes() == other.$left_bytes()
            }
        }
    )*};
}

equal_by_bytes! {
    [] Text, str, as_bytes, as_bytes;
    [] Text, [u8], as_bytes, as_ref;
    [] Text, String, as_bytes, as_bytes;
    [] Text, TextBuf, as_bytes, as_bytes;
    ['a] TextBuf, &'a Text, as_bytes, as_bytes;
    ['a] TextBuf, &'a str, as_bytes, as_bytes;
    [] TextBuf, str, as_bytes, as_bytes;
    [] TextBuf, [u8], as_bytes, as_ref;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &Text {
        Text::new(bytes)
    }

    #[test]
    fn text_shows_bytes_that_are_not_utf8_without_failing() {
        let broken = text(b"a\xffb\n");
        assert_eq!(broken.to_string(), "a\u{fffd}b\n");
        assert_eq!(format!("{broken:?}"), r#""a\xffb\n""#);
        assert!(broken.to_str().is_err());
        assert_eq!(format!("[{:>5}]", text(b"ab")), "[   ab]");
    }

    #[test]
    fn text_is_cut_at_a_byte() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &[""]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            (",", &["", ""]),
            ("a,,b,", &["a", "", "b", ""]),
        ];
        for (whole, pieces) in cases {
            let found: Vec<&Text> = text(whole.as_bytes()).split(b',').collect();
            assert_eq!(found, pieces, "{whole:?}");
        }
        assert_eq!(text(b"k=v=w").split_once(b'='), Some((text(b"k"), text(b"v=w"))));
        assert_eq!(text(b"k").split_once(b'='), None);
    }

    #[test]
    fn text_is_trimmed_and_searched() {
        assert_eq!(text(b" \t a b\r\n").trim(), "a b");
        assert!(text(b"hello").starts_with("he"));
        assert!(text(b"hello").contains(b"ll") && !text(b"hello").contains("lo!"));
        assert!(text(b"").is_empty() && text(b"ab").len() == 2);
    }

    #[test]
    fn text_sorts_by_bytes() {
        let mut words = ["b", "", "a\u{e9}", "ab", "a"].map(<&Text>::from);
        words.sort();
        assert_eq!(words, ["", "a", "ab", "a\u{e9}", "b"]);
    }
}
