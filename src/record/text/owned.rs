//! Owned text, which can outlive the record that it came from.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use super::Text;

/// Owned text: bytes that are usually UTF-8, but need not be. It is to [`Text`] what `String` is to `str`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextBuf(Vec<u8>);

impl TextBuf {
    /// Creates empty text, without allocating memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends the bytes of `more`.
    pub fn push(&mut self, more: impl AsRef<[u8]>) {
        self.0.extend_from_slice(more.as_ref());
    }

    /// Clears the text and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the bytes, without copying them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Deref for TextBuf {
    type Target = Text;

    #[inline]
    fn deref(&self) -> &Text {
        Text::new(&self.0)
    }
}

impl Borrow<Text> for TextBuf {
    fn borrow(&self) -> &Text {
        self
    }
}

impl AsRef<Text> for TextBuf {
    fn as_ref(&self) -> &Text {
        self
    }
}

impl AsRef<[u8]> for TextBuf {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TextBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for TextBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl From<Vec<u8>> for TextBuf {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for TextBuf {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for TextBuf {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&[u8]> for TextBuf {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&Text> for TextBuf {
    fn from(text: &Text) -> Self {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn owned_text_is_found_by_borrowed_text() {
        let counts = HashMap::from([(TextBuf::from("the"), 3)]);
        assert_eq!(counts.get(Text::new(b"the")), Some(&3));
    }

    #[test]
    fn owned_text_keeps_its_memory_when_it_is_used_again() {
        let mut owned = TextBuf::from(String::from("a long enough line"));
        Text::new(b"short").clone_into(&mut owned);
        assert_eq!(owned, "short");
        owned.push("er");
        assert_eq!(owned, TextBuf::from(b"shorter".to_vec()));
        assert_eq!(owned.into_bytes(), b"shorter");
    }
}
