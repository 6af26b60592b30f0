//! Serde for text: written as a byte string, read from a byte string, a string or a sequence of bytes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{Text, TextBuf};

/// Maximum number of bytes to reserve for a claimed length that has not been verified.
const RESERVED_BYTES_MAX: usize = 4096;

impl Serialize for Text {
    #[inline(always)]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // In JSON a byte string would be a list of numbers, which is hard to read.
        if serializer.is_human_readable()
            && let Ok(text) = self.to_str()
        {
            return serializer.serialize_str(text);
        }
        serializer.serialize_bytes(self.as_bytes())
    }
}

impl Serialize for TextBuf {
    #[inline(always)]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text::serialize(self, serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for &'a Text {
    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Borrowed)
    }
}

impl<'de> Deserialize<'de> for TextBuf {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Owned)
    }
}

struct Borrowed;

impl<'de> Visitor<'de> for Borrowed {
    type Value = &'de Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text that can be borrowed")
    }

    #[inline(always)]
    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<&'de Text, E> {
        Ok(Text::new(bytes))
    }

    #[inline(always)]
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<&'de Text, E> {
        Ok(Text::new(text.as_bytes()))
    }
}

struct Owned;

impl<'de> Visitor<'de> for Owned {
    type Value = TextBuf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<TextBuf, E> {
        Ok(TextBuf::from(bytes))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<TextBuf, E> {
        Ok(TextBuf::from(bytes))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TextBuf, E> {
        Ok(TextBuf::from(text))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<TextBuf, E> {
        Ok(TextBuf::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<TextBuf, A::Error> {
        let expected = items.size_hint().unwrap_or(0);
        let mut bytes = Vec::with_capacity(expected.min(RESERVED_BYTES_MAX));
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(TextBuf::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_string_in_json_where_it_can_be() {
        for (bytes, json) in [(&b"a\"b"[..], r#""a\"b""#), (b"\xff\x01", "[255,1]")] {
            let text = TextBuf::from(bytes);
            assert_eq!(serde_json::to_string(&text).expect("writes"), json);
            assert_eq!(serde_json::from_str::<TextBuf>(json).expect("reads"), text);
        }
        assert_eq!(serde_json::from_str::<&Text>(r#""ab""#).expect("borrows"), "ab");
        assert!(serde_json::from_str::<&Text>(r#""a\nb""#).is_err(), "an escape can't be borrowed");
    }

    #[test]
    fn text_is_a_byte_string_in_bincode() {
        let bytes = bincode::serialize(Text::new(b"a\xff")).expect("writes");
        assert_eq!(bytes, b"\x02\0\0\0\0\0\0\0a\xff");
        assert_eq!(bincode::deserialize::<&Text>(&bytes).expect("reads"), Text::new(b"a\xff"));
        assert_eq!(bincode::deserialize::<TextBuf>(&bytes).expect("reads"), Text::new(b"a\xff"));
    }
}
