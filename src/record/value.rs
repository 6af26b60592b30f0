//! Encodes values: bincode with fixed-width little-endian integers, without a header or an end mark.

use bincode::Options;
use bincode::de::{Deserializer, read::BincodeRead};
use serde::de::Visitor;
use serde::{Deserialize, Serialize};

/// Longest encoded value, in bytes. Together with the longest key, it fits into a block of a spill file. A record that
/// is too long is therefore refused when it is emitted, and not only when memory is short and it must be spilled. Store
/// larger data in files, and emit their names.
pub const VALUE_BYTES_MAX: usize = 192 << 20;

/// Error of encoding or decoding a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The value's own `Serialize` failed, or bincode does not support the type.
    #[error("cannot encode a value: {cause}")]
    Encode {
        /// bincode's error.
        cause: bincode::Error,
    },
    /// The bytes are not a value of this type.
    #[error("cannot decode a value of {length} bytes: {cause}")]
    Decode {
        /// The number of bytes.
        length: usize,
        /// bincode's error.
        cause: bincode::Error,
    },
    /// The value is longer than [`VALUE_BYTES_MAX`].
    #[error("a value of {length} bytes exceeds the limit of {VALUE_BYTES_MAX} bytes")]
    TooLong {
        /// The number of its bytes.
        length: usize,
    },
}

/// Appends the bytes of `value` to `out`.
///
/// # Errors
/// If the type's `Serialize` fails, if a sequence does not know its length, or if there are more than
/// [`VALUE_BYTES_MAX`] bytes; `out` is then unchanged.
#[inline]
pub fn encode_into<V: Serialize + ?Sized>(value: &V, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    // bincode's own limit is not used, because it would traverse every value twice.
    if let Err(cause) = options().serialize_into(&mut *out, value) {
        out.truncate(start);
        return Err(Error::Encode { cause });
    }
    let length = out.len() - start;
    if length > VALUE_BYTES_MAX {
        out.truncate(start);
        return Err(Error::TooLong { length });
    }
    Ok(())
}

/// Decodes one value from all of these bytes. Text and byte strings in it may borrow from them.
///
/// # Errors
/// If the bytes are not exactly one value of this type, or are more than [`VALUE_BYTES_MAX`].
#[inline]
pub fn decode<'a, V: Deserialize<'a>>(bytes: &'a [u8]) -> Result<V, Error> {
    let length = bytes.len();
    if length > VALUE_BYTES_MAX {
        return Err(Error::TooLong { length });
    }
    let mut rest = Rest(bytes);
    // bincode's own `deserialize` is not used, because it is not inlined. For a count, the call would take longer than
    // the decoding.
    let value = V::deserialize(&mut Deserializer::with_bincode_read(&mut rest, options()));
    match value {
        Ok(value) if rest.0.is_empty() => Ok(value),
        Ok(_) => Err(trailing(length, rest.0.len())),
        Err(cause) => Err(Error::Decode { length, cause }),
    }
}

#[cold]
fn trailing(length: usize, rest: usize) -> Error {
    let cause =
        bincode::ErrorKind::Custom(format!("unexpected data after the value ({rest} bytes)"));
    Error::Decode { length, cause: Box::new(cause) }
}

/// The bytes of a value that have not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    #[inline(always)]
    fn take(&mut self, length: usize) -> std::io::Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        self.0 = rest;
        Ok(taken)
    }
}

impl std::io::Read for Rest<'_> {
    #[inline(always)]
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }

    #[inline(always)]
    fn read_exact(&mut self, into: &mut [u8]) -> std::io::Result<()> {
        into.copy_from_slice(self.take(into.len())?);
        Ok(())
    }
}

/// Lends text and bytes without copying them.
impl<'a> BincodeRead<'a> for &mut Rest<'a> {
    #[inline]
    fn forward_read_str<V: Visitor<'a>>(
        &mut self,
        length: usize,
        visitor: V,
    ) -> bincode::Result<V::Value> {
        let text = std::str::from_utf8(self.take(length)?)
            .map_err(bincode::ErrorKind::InvalidUtf8Encoding)?;
        visitor.visit_borrowed_str(text)
    }

    #[inline]
    fn get_byte_buffer(&mut self, length: usize) -> bincode::Result<Vec<u8>> {
        Ok(self.take(length)?.to_vec())
    }

    #[inline]
    fn forward_read_bytes<V: Visitor<'a>>(
        &mut self,
        length: usize,
        visitor: V,
    ) -> bincode::Result<V::Value> {
        visitor.visit_borrowed_bytes(self.take(length)?)
    }
}

#[inline(always)]
fn options() -> impl Options {
    bincode::DefaultOptions::new().with_no_limit().with_fixint_encoding().with_little_endian()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serializer;

    use super::*;
    use crate::record::Text;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Event<'a> {
        #[serde(borrow)]
        Click(&'a Text),
        Count {
            bytes: u64,
            hits: Option<u32>,
        },
    }

    fn encoded<V: Serialize>(value: V) -> Vec<u8> {
        let mut out = Vec::new();
        encode_into(&value, &mut out).expect("encodes");
        out
    }

    #[test]
    fn bytes_of_values_never_change() {
        let table: [(Vec<u8>, &[u8]); 8] = [
            (encoded(()), b""),
            (encoded(0x0102_u64), b"\x02\x01\0\0\0\0\0\0"),
            (encoded(-2_i16), b"\xfe\xff"),
            (encoded(1.5_f64), b"\0\0\0\0\0\0\xf8\x3f"),
            (encoded((true, Some(7_u8), None::<u8>)), b"\x01\x01\x07\0"),
            (encoded("ab"), b"\x02\0\0\0\0\0\0\0ab"),
            (encoded(vec![1_u16, 2]), b"\x02\0\0\0\0\0\0\0\x01\0\x02\0"),
            (encoded(Event::Click(Text::new(b"x"))), b"\0\0\0\0\x01\0\0\0\0\0\0\0x"),
        ];
        for (found, golden) in table {
            assert_eq!(found, golden);
        }
    }

    #[test]
    fn values_are_appended_and_come_back() {
        let event = Event::Count { bytes: 10, hits: Some(1) };
        let mut out = b"before".to_vec();
        encode_into(&event, &mut out).expect("encodes");
        assert_eq!(decode::<Event<'_>>(&out[6..]).expect("decodes"), event);
        assert!(out.starts_with(b"before"));
    }

    struct Refuses;

    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no such thing"))
        }
    }

    #[test]
    fn a_refused_value_leaves_nothing_behind() {
        let mut out = b"before".to_vec();
        let error = encode_into(&(1_u64, Refuses), &mut out).expect_err("refuses");
        assert_eq!(error.to_string(), "cannot encode a value: no such thing");
        assert_eq!(out, b"before");
    }

    #[test]
    fn bytes_left_over_or_missing_are_an_error() {
        assert!(decode::<u64>(&[0; 8]).is_ok());
        assert!(decode::<u64>(&[0; 7]).is_err());
        assert!(decode::<u64>(&[0; 9]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = decode::<Event<'_>>(&bytes) {
                prop_assert_eq!(encoded(value), bytes.as_slice());
            }
            let _: Result<(Vec<String>, Option<char>), Error> = decode(&bytes);
        }
    }
}
