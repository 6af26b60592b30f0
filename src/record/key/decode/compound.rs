//! Reads the parts of tuples, structs, enums, sequences and maps.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::super::source::Source;
use super::place::{Element, Part};
use super::{Decoder, Error};

/// The fields of a tuple or struct, whose type determines their number.
pub(super) struct Fields<'s, 'a> {
    pub(super) source: &'s mut Source<'a>,
    pub(super) depth: u32,
    pub(super) left: usize,
}

impl<'a> SeqAccess<'a> for Fields<'_, 'a> {
    type Error = Error;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        part(self.source, self.depth, seed).map(Some)
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The elements of a sequence, or the entries of a map.
pub(super) struct Elements<'s, 'a> {
    pub(super) source: &'s mut Source<'a>,
    pub(super) depth: u32,
    pub(super) terminated: bool,
}

impl Elements<'_, '_> {
    /// Returns whether only the end follows, without consuming it.
    #[inline(always)]
    fn at_end(&self) -> Result<bool, Error> {
        if self.terminated { Ok(self.source.peek()? == 0) } else { Ok(self.source.left() == 0) }
    }

    /// Reads the end.
    #[inline(always)]
    pub(super) fn finish(self) -> Result<(), Error> {
        match (self.at_end()?, self.terminated) {
            (false, _) => Err(Error::ElementsLeft),
            (true, false) => Ok(()),
            (true, true) => self.source.expect("end of a sequence", 0),
        }
    }
}

impl<'a> SeqAccess<'a> for Elements<'_, 'a> {
    type Error = Error;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.at_end()? {
            return Ok(None);
        }
        let place = Element { terminated: self.terminated };
        seed.deserialize(Decoder { source: &mut *self.source, depth: self.depth, place }).map(Some)
    }
}

impl<'a> MapAccess<'a> for Elements<'_, 'a> {
    type Error = Error;

    #[inline(always)]
    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.at_end()? {
            return Ok(None);
        }
        self.source.expect("mark of an entry", 1)?;
        part(self.source, self.depth, seed).map(Some)
    }

    #[inline(always)]
    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Error> {
        part(self.source, self.depth, seed)
    }
}

/// A variant of an enum.
pub(super) struct Variant<'s, 'a> {
    pub(super) source: &'s mut Source<'a>,
    pub(super) depth: u32,
}

impl<'a> EnumAccess<'a> for Variant<'_, 'a> {
    type Error = Error;
    type Variant = Self;

    #[inline(always)]
    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let index: U32Deserializer<Error> =
            u32::from_be_bytes(self.source.fixed()?).into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'_, 'a> {
    type Error = Error;

    #[inline(always)]
    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    #[inline(always)]
    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Error> {
        part(self.source, self.depth, seed)
    }

    #[inline(always)]
    fn tuple_variant<V: Visitor<'a>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Fields { source: self.source, depth: self.depth, left: length })
    }

    #[inline(always)]
    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.tuple_variant(fields.len(), visitor)
    }
}

/// Reads a value that is a part of a key.
#[inline(always)]
fn part<'a, T: DeserializeSeed<'a>>(
    source: &mut Source<'a>,
    depth: u32,
    seed: T,
) -> Result<T::Value, Error> {
    seed.deserialize(Decoder { source, depth, place: Part })
}
