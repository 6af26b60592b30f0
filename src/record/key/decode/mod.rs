//! The deserializer that reads keys.
//!
//! The generic [`Decoder`] reads a value at any position: the whole key, a part of it, or an element. Its [`Place`]
//! handles what depends on the position.

mod compound;
mod place;

use serde::de::{Deserializer, Visitor};

use super::source::Source;
use super::{Error, deeper};
use crate::record::reverse;
use compound::{Elements, Fields, Variant};
use place::{Part, Place, Whole};

/// Reads one value, in the form that belongs to its position.
pub(super) struct Decoder<'s, 'a, P> {
    source: &'s mut Source<'a>,
    depth: u32,
    place: P,
}

impl<'s, 'a> Decoder<'s, 'a, Whole> {
    /// Creates a decoder for a value that is the whole key.
    #[inline(always)]
    pub(super) fn whole(source: &'s mut Source<'a>) -> Self {
        Self { source, depth: 0, place: Whole }
    }
}

impl<'s, 'a> Decoder<'s, 'a, Part> {
    /// Creates a decoder for a part of a key, whose bytes show where it ends.
    #[inline(always)]
    pub(super) fn part(source: &'s mut Source<'a>) -> Self {
        Self { source, depth: 0, place: Part }
    }
}

impl<'a, P: Place> Decoder<'_, 'a, P> {
    #[inline(always)]
    fn fixed<const N: usize>(self) -> Result<[u8; N], Error> {
        self.place.open(self.source)?;
        self.source.fixed()
    }

    #[inline(always)]
    fn fields<V: Visitor<'a>>(self, left: usize, visitor: V) -> Result<V::Value, Error> {
        self.place.open(self.source)?;
        visitor.visit_seq(Fields { source: self.source, depth: deeper(self.depth)?, left })
    }

    #[inline(always)]
    fn elements<V: Visitor<'a>>(
        self,
        visit: impl FnOnce(V, &mut Elements<'_, 'a>) -> Result<V::Value, Error>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.place.open(self.source)?;
        let depth = deeper(self.depth)?;
        let mut elements = Elements { source: self.source, depth, terminated: P::TERMINATED };
        let value = visit(visitor, &mut elements)?;
        elements.finish()?;
        Ok(value)
    }
}

/// Methods for numbers, each computed from its bytes by an expression.
macro_rules! fixed {
    ($($method:ident $visit:ident($bytes:ident) $value:expr;)*) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
            let $bytes = self.fixed()?;
            visitor.$visit($value)
        }
    )*};
}

/// Methods for types that need information that key bytes do not hold.
macro_rules! self_describing {
    ($($method:ident)*) => {$(
        #[cold]
        fn $method<V: Visitor<'a>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::SelfDescribing)
        }
    )*};
}

impl<'a, P: Place> Deserializer<'a> for Decoder<'_, 'a, P> {
    type Error = Error;

    self_describing! { deserialize_any deserialize_identifier deserialize_ignored_any }

    fixed! {
        deserialize_i8 visit_i8(bytes) i8::from_be_bytes(bytes) ^ i8::MIN;
        deserialize_i16 visit_i16(bytes) i16::from_be_bytes(bytes) ^ i16::MIN;
        deserialize_i32 visit_i32(bytes) i32::from_be_bytes(bytes) ^ i32::MIN;
        deserialize_i64 visit_i64(bytes) i64::from_be_bytes(bytes) ^ i64::MIN;
        deserialize_i128 visit_i128(bytes) i128::from_be_bytes(bytes) ^ i128::MIN;
        deserialize_u16 visit_u16(bytes) u16::from_be_bytes(bytes);
        deserialize_u32 visit_u32(bytes) u32::from_be_bytes(bytes);
        deserialize_u64 visit_u64(bytes) u64::from_be_bytes(bytes);
        deserialize_u128 visit_u128(bytes) u128::from_be_bytes(bytes);
        deserialize_f32 visit_f32(bytes) {
            let bits = u32::from_be_bytes(bytes);
            f32::from_bits(if bits >> 31 == 1 { bits ^ (1 << 31) } else { !bits })
        };
        deserialize_f64 visit_f64(bytes) {
            let bits = u64::from_be_bytes(bytes);
            f64::from_bits(if bits >> 63 == 1 { bits ^ (1 << 63) } else { !bits })
        };
        deserialize_bool visit_bool(bytes) match u8::from_be_bytes(bytes) {
            0 => false,
            1 => true,
            found => return Err(Error::Unexpected { wanted: "bool", found: found.into() }),
        };
        deserialize_char visit_char(bytes) {
            let found = u32::from_be_bytes(bytes);
            char::from_u32(found).ok_or(Error::Unexpected { wanted: "char", found })?
        };
    }

    #[inline(always)]
    fn deserialize_u8<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u8(self.place.byte(self.source)?)
    }

    #[inline(always)]
    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = str::from_utf8(self.place.bytes(self.source)?)
            .map_err(|error| Error::NotUtf8 { valid_bytes: error.valid_up_to() })?;
        visitor.visit_borrowed_str(text)
    }

    #[inline(always)]
    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    #[inline(always)]
    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.place.bytes(self.source)?)
    }

    #[inline(always)]
    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline(always)]
    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.place.open(self.source)?;
        match self.source.byte()? {
            0 => visitor.visit_none(),
            1 => {
                let depth = deeper(self.depth)?;
                visitor.visit_some(Decoder { source: self.source, depth, place: Part })
            }
            found => Err(Error::Unexpected { wanted: "option", found: found.into() }),
        }
    }

    #[inline(always)]
    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.place.open(self.source)?;
        visitor.visit_unit()
    }

    #[inline(always)]
    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let depth = deeper(self.depth)?;
        if name != reverse::SERDE_NAME {
            return visitor.visit_newtype_struct(Decoder { depth, ..self });
        }
        self.place.open(self.source)?;
        self.source.invert();
        let inner = Decoder { source: &mut *self.source, depth, place: Part };
        let value = visitor.visit_newtype_struct(inner)?;
        self.source.invert();
        Ok(value)
    }

    #[inline(always)]
    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.elements(|visitor: V, elements| visitor.visit_seq(elements), visitor)
    }

    #[inline(always)]
    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.elements(|visitor: V, elements| visitor.visit_map(elements), visitor)
    }

    #[inline(always)]
    fn deserialize_tuple<V: Visitor<'a>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(length, visitor)
    }

    #[inline(always)]
    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(length, visitor)
    }

    #[inline(always)]
    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(fields.len(), visitor)
    }

    #[inline(always)]
    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.place.open(self.source)?;
        visitor.visit_enum(Variant { source: self.source, depth: deeper(self.depth)? })
    }

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        false
    }
}
