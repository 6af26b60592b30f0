//! The serializer that writes keys.
//!
//! The generic [`Encoder`] writes a value at any position: the whole key, a part of it, or an element. Its [`Place`]
//! handles what depends on the position.

mod compound;
mod place;

use serde::ser::{Serialize, Serializer};

use super::{Error, deeper};
use crate::record::reverse;
use compound::{Elements, Fields};
use place::{Part, Place, Whole};

/// Writes one value to `out`, in the form that belongs to its position.
pub(super) struct Encoder<'s, P> {
    out: &'s mut Vec<u8>,
    depth: u32,
    place: P,
}

impl<'s, F> Encoder<'s, Whole<F>> {
    /// Creates an encoder for a value that is the whole key. `then` gets either the value's own bytes or those written
    /// to `out`, which is cleared first.
    #[inline(always)]
    pub(super) fn whole(out: &'s mut Vec<u8>, then: F) -> Self {
        out.clear();
        Self { out, depth: 0, place: Whole { then } }
    }
}

impl<'s> Encoder<'s, Part> {
    /// Creates an encoder for a part of a key, which is appended to `out`.
    #[inline(always)]
    pub(super) fn part(out: &'s mut Vec<u8>) -> Self {
        Self { out, depth: 0, place: Part }
    }
}

impl<'s, P: Place> Encoder<'s, P> {
    /// Writes a value that always has the same number of bytes.
    #[inline(always)]
    fn fixed<const N: usize>(self, bytes: [u8; N]) -> Result<P::Done, Error> {
        self.place.open(self.out);
        self.out.extend_from_slice(&bytes);
        Ok(self.place.close(self.out))
    }

    /// Writes a value that consists of the bytes of `tag` and another value.
    #[inline(always)]
    fn tagged<T: Serialize + ?Sized>(self, tag: &[u8], value: &T) -> Result<P::Done, Error> {
        self.place.open(self.out);
        self.out.extend_from_slice(tag);
        value.serialize(Encoder {
            out: &mut *self.out,
            depth: deeper(self.depth)?,
            place: Part,
        })?;
        Ok(self.place.close(self.out))
    }

    #[inline(always)]
    fn fields(self, tag: &[u8]) -> Result<Fields<'s, P>, Error> {
        self.place.open(self.out);
        self.out.extend_from_slice(tag);
        Ok(Fields { out: self.out, depth: deeper(self.depth)?, place: self.place })
    }

    #[inline(always)]
    fn elements(self) -> Result<Elements<'s, P>, Error> {
        self.place.open(self.out);
        Ok(Elements { out: self.out, depth: deeper(self.depth)?, place: self.place })
    }
}

/// Methods for numbers, whose bytes are each computed from the value by an expression.
macro_rules! fixed {
    ($($method:ident($value:ident: $type:ty) $bytes:expr;)*) => {$(
        #[inline(always)]
        fn $method(self, $value: $type) -> Result<P::Done, Error> {
            self.fixed($bytes)
        }
    )*};
}

impl<'s, P: Place> Serializer for Encoder<'s, P> {
    type Ok = P::Done;
    type Error = Error;
    type SerializeSeq = Elements<'s, P>;
    type SerializeTuple = Fields<'s, P>;
    type SerializeTupleStruct = Fields<'s, P>;
    type SerializeTupleVariant = Fields<'s, P>;
    type SerializeMap = Elements<'s, P>;
    type SerializeStruct = Fields<'s, P>;
    type SerializeStructVariant = Fields<'s, P>;

    fixed! {
        serialize_bool(v: bool) [u8::from(v)];
        serialize_i8(v: i8) (v ^ i8::MIN).to_be_bytes();
        serialize_i16(v: i16) (v ^ i16::MIN).to_be_bytes();
        serialize_i32(v: i32) (v ^ i32::MIN).to_be_bytes();
        serialize_i64(v: i64) (v ^ i64::MIN).to_be_bytes();
        serialize_i128(v: i128) (v ^ i128::MIN).to_be_bytes();
        serialize_u16(v: u16) v.to_be_bytes();
        serialize_u32(v: u32) v.to_be_bytes();
        serialize_u64(v: u64) v.to_be_bytes();
        serialize_u128(v: u128) v.to_be_bytes();
        serialize_char(v: char) u32::from(v).to_be_bytes();
    }

    #[inline(always)]
    fn serialize_u8(self, v: u8) -> Result<P::Done, Error> {
        Ok(self.place.byte(self.out, v))
    }

    #[inline(always)]
    fn serialize_f32(self, v: f32) -> Result<P::Done, Error> {
        let bits = v.to_bits();
        let sign = 1 << 31;
        self.serialize_u32(if bits & sign == 0 { bits | sign } else { !bits })
    }

    #[inline(always)]
    fn serialize_f64(self, v: f64) -> Result<P::Done, Error> {
        let bits = v.to_bits();
        let sign = 1 << 63;
        self.serialize_u64(if bits & sign == 0 { bits | sign } else { !bits })
    }

    #[inline(always)]
    fn serialize_str(self, v: &str) -> Result<P::Done, Error> {
        self.serialize_bytes(v.as_bytes())
    }

    #[inline(always)]
    fn serialize_bytes(self, v: &[u8]) -> Result<P::Done, Error> {
        Ok(self.place.bytes(self.out, v))
    }

    #[inline(always)]
    fn serialize_none(self) -> Result<P::Done, Error> {
        self.fixed([0])
    }

    #[inline(always)]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<P::Done, Error> {
        self.tagged(&[1], value)
    }

    #[inline(always)]
    fn serialize_unit(self) -> Result<P::Done, Error> {
        self.fixed([])
    }

    #[inline(always)]
    fn serialize_unit_struct(self, _: &'static str) -> Result<P::Done, Error> {
        self.fixed([])
    }

    #[inline(always)]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<P::Done, Error> {
        self.fixed(index.to_be_bytes())
    }

    #[inline(always)]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<P::Done, Error> {
        let depth = deeper(self.depth)?;
        if name != reverse::SERDE_NAME {
            return value.serialize(Encoder { depth, ..self });
        }
        self.place.open(self.out);
        let start = self.out.len();
        value.serialize(Encoder { out: &mut *self.out, depth, place: Part })?;
        self.out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        Ok(self.place.close(self.out))
    }

    #[inline(always)]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<P::Done, Error> {
        self.tagged(&index.to_be_bytes(), value)
    }

    #[inline(always)]
    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'s, P>, Error> {
        self.elements()
    }

    #[inline(always)]
    fn serialize_tuple(self, _: usize) -> Result<Fields<'s, P>, Error> {
        self.fields(&[])
    }

    #[inline(always)]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Fields<'s, P>, Error> {
        self.fields(&[])
    }

    #[inline(always)]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Fields<'s, P>, Error> {
        self.fields(&index.to_be_bytes())
    }

    #[inline(always)]
    fn serialize_map(self, _: Option<usize>) -> Result<Elements<'s, P>, Error> {
        self.elements()
    }

    #[inline(always)]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'s, P>, Error> {
        self.fields(&[])
    }

    #[inline(always)]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Fields<'s, P>, Error> {
        self.fields(&index.to_be_bytes())
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<P::Done, Error> {
        self.serialize_str(&value.to_string())
    }

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        false
    }
}
