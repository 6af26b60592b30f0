//! Formats keys for people: text as it is, numbers in decimal, parts separated by commas.

use std::fmt::{Display, Write};

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{Error, deeper};

/// Formats a key for people: `ann`, `-3`, `ann, 7` for a tuple or struct, `[a, b]` for a sequence.
///
/// # Errors
/// If the key's `Serialize` fails, or nests deeper than [`DEPTH_MAX`](super::DEPTH_MAX).
pub fn show<K: Serialize + ?Sized>(key: &K) -> Result<String, Error> {
    let mut out = String::new();
    key.serialize(Shower { out: &mut out, depth: 0 })?;
    Ok(out)
}

/// Writes one value.
struct Shower<'o> {
    out: &'o mut String,
    depth: u32,
}

impl<'o> Shower<'o> {
    fn word(self, word: impl Display) -> Result<(), Error> {
        // Writing to a string cannot fail.
        let _written = write!(self.out, "{word}");
        Ok(())
    }

    /// Opens a tuple or struct. The whole key needs no brackets around its parts.
    fn fields(self) -> Result<Parts<'o>, Error> {
        let (open, close) = if self.depth == 0 { ("", "") } else { ("(", ")") };
        self.parts(open, close)
    }

    fn parts(self, open: &str, close: &'static str) -> Result<Parts<'o>, Error> {
        self.out.push_str(open);
        Ok(Parts { out: self.out, depth: deeper(self.depth)?, is_first: true, close })
    }

    fn variant(self, name: &str, open: &str, close: &'static str) -> Result<Parts<'o>, Error> {
        self.out.push_str(name);
        self.parts(open, close)
    }
}

/// The parts of a value, with commas between them.
struct Parts<'o> {
    out: &'o mut String,
    depth: u32,
    is_first: bool,
    close: &'static str,
}

impl Parts<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push_str(", ");
        }
        self.value(part)
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Shower { out: self.out, depth: self.depth })
    }

    fn finish(self) -> Result<(), Error> {
        self.out.push_str(self.close);
        Ok(())
    }
}

/// Methods for values that are a single word.
macro_rules! words {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            self.word(value)
        }
    )*};
}

impl<'o> Serializer for Shower<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Parts<'o>;
    type SerializeTuple = Parts<'o>;
    type SerializeTupleStruct = Parts<'o>;
    type SerializeTupleVariant = Parts<'o>;
    type SerializeMap = Parts<'o>;
    type SerializeStruct = Parts<'o>;
    type SerializeStructVariant = Parts<'o>;

    words! {
        serialize_bool bool; serialize_char char; serialize_str &str;
        serialize_i8 i8; serialize_i16 i16; serialize_i32 i32; serialize_i64 i64; serialize_i128 i128;
        serialize_u8 u8; serialize_u16 u16; serialize_u32 u32; serialize_u64 u64; serialize_u128 u128;
        serialize_f32 f32; serialize_f64 f64;
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        match str::from_utf8(bytes) {
            Ok(text) => self.word(text),
            Err(_) => {
                self.out.push_str("0x");
                bytes.iter().try_for_each(|byte| {
                    Shower { out: self.out, depth: 0 }.word(format_args!("{byte:02x}"))
                })
            }
        }
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.word("none")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(Shower { depth: deeper(self.depth)?, out: self.out })
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.word("()")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Error> {
        self.word(name)
    }

    fn serialize_unit_variant(self, _: &str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.word(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(Shower { depth: self.depth, out: self.out })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut parts = self.variant(variant, "(", ")")?;
        parts.part(value)?;
        parts.finish()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'o>, Error> {
        self.parts("[", "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'o>, Error> {
        self.fields()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'o>, Error> {
        self.fields()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'o>, Error> {
        self.variant(variant, "(", ")")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'o>, Error> {
        self.parts("{", "}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'o>, Error> {
        self.fields()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'o>, Error> {
        self.variant(variant, "(", ")")
    }
}

/// Compound types whose parts have no names.
macro_rules! compounds {
    ($($trait:ident $method:ident;)*) => {$(
        impl $trait for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Error> {
                self.part(part)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

/// Compound types whose parts have names, which are not shown.
macro_rules! named_compounds {
    ($($trait:ident)*) => {$(
        impl $trait for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                part: &T,
            ) -> Result<(), Error> {
                self.part(part)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

compounds! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}
named_compounds! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.part(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push_str(": ");
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use serde::Deserialize;

    use super::*;
    use crate::record::{Grouped, Key, Reverse, Text, TextBuf};

    #[derive(Serialize, Deserialize)]
    struct Visit {
        page: String,
        at: (u8, Option<i64>),
    }

    #[derive(Serialize, Deserialize)]
    enum Level {
        Low,
        Custom(u8),
    }

    /// Encodes a key as `emit` does, and shows its bytes as a failed reduce does.
    fn shown<K: Serialize + for<'a> Deserialize<'a>>(key: &K) -> String {
        let mut scratch = Vec::new();
        let bytes = super::super::encode(key, &mut scratch, <[u8]>::to_vec).unwrap();
        K::show_group(&bytes, &mut Vec::new()).unwrap()
    }

    #[test]
    fn keys_are_shown_as_their_authors_write_them() {
        let visit = Visit { page: "/a b".into(), at: (7, None) };
        for (found, wanted) in [
            (shown(&TextBuf::from("wort")), "wort"),
            (shown(&String::from("a, b")), "a, b"),
            (shown(&42u64), "42"),
            (shown(&-3i32), "-3"),
            (shown(&u128::MAX), "340282366920938463463374607431768211455"),
            (shown(&-0.5f64), "-0.5"),
            (shown(&('é', true)), "é, true"),
            (shown(&("ann".to_string(), 3u32, (1u8, -1i8))), "ann, 3, (1, -1)"),
            (shown(&visit), "/a b, (7, none)"),
            (shown(&vec!["a".to_string(), "b".to_string()]), "[a, b]"),
            (shown(&vec![0xffu8, 0]), "[255, 0]"),
            (shown(&BTreeMap::from([(1u8, "one".to_string())])), "{1: one}"),
            (shown(&Level::Low), "Low"),
            (shown(&Level::Custom(7)), "Custom(7)"),
            (shown(&Reverse(9u16)), "9"),
            (shown(&Some(5u8)), "5"),
            (shown(&TextBuf::from(&b"\xff\x00"[..])), "0xff00"),
        ] {
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn group_of_a_grouped_key_is_shown_without_its_order() {
        let key = Grouped { group: Text::new(b"ann"), order: 12u64 };
        let mut scratch = Vec::new();
        let group =
            key.encode_key(&mut scratch, |bytes, group_len| bytes[..group_len].to_vec()).unwrap();
        let found = Grouped::<&Text, u64>::show_group(&group, &mut Vec::new()).unwrap();
        assert_eq!(found, "ann");
        assert_eq!(show(&Ipv4Addr::LOCALHOST).unwrap(), "127.0.0.1");
    }
}
