//! A deserializer that returns made-up data. It reports a type that asks for names or type information, which encoded
//! data does not contain.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{DEPTH_MAX, STEPS_MAX, State, Stop};

/// Made-up data for one value.
#[derive(Clone, Copy)]
pub(super) struct Guess<'s> {
    pub(super) state: &'s State,
    /// The type that is being read.
    pub(super) of: &'static str,
    pub(super) depth: u32,
}

impl<'s> Guess<'s> {
    /// Whether optional parts are present.
    fn is_full(&self) -> bool {
        self.state.pass > 0
    }

    fn deeper(self) -> Result<Self, Stop> {
        let steps = self.state.steps.get() + 1;
        self.state.steps.set(steps);
        if self.depth == DEPTH_MAX || steps > STEPS_MAX {
            return Err(Stop);
        }
        Ok(Guess { depth: self.depth + 1, ..self })
    }

    fn several(self, left: usize) -> Result<Several<'s>, Stop> {
        Ok(Several { guess: self.deeper()?, left })
    }
}

macro_rules! numbers {
    ($($ask:ident $give:ident $type:ty;)*) => {$(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            visitor.$give(u8::from(self.is_full()) as $type)
        }
    )*};
}

impl<'de> Deserializer<'de> for Guess<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        let why = "can be read only from a self-describing format such as JSON; the usual cause is `#[serde(untagged)]` or `#[serde(tag = …)]`";
        self.state.found(self.of, why);
        Err(Stop)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        let why = "needs names of fields in the data, for example because of `#[serde(flatten)]`, but encoded data has none";
        self.state.found(self.of, why);
        Err(Stop)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_bool(self.is_full())
    }

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_char('a')
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(if self.is_full() { "a" } else { "" })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_bytes(if self.is_full() { b"a" } else { b"" })
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        if self.is_full() { visitor.visit_some(self.deeper()?) } else { visitor.visit_none() }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_seq(self.several(usize::from(self.is_full()))?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_seq(self.several(len)?)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_seq(self.several(len)?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_map(self.several(usize::from(self.is_full()))?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let mut several = self.several(fields.len())?;
        let value = visitor.visit_seq(&mut several)?;
        // An alias is another name of a field, not another field.
        let read = fields.len() - several.left;
        self.state.fields.borrow_mut().entry(name).or_default().insert(read);
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let variant = self.state.pass.checked_rem(variants.len() as u32).ok_or(Stop)?;
        visitor.visit_enum(Variant { guess: self.deeper()?, variant })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Made-up elements, fields or entries.
struct Several<'s> {
    guess: Guess<'s>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Several<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.guess.deeper()?;
        seed.deserialize(Guess { of: std::any::type_name::<S::Value>(), ..self.guess }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Several<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        // Keeps the name of the outer type: when a struct looks for field names, the type of its keys is a generated
        // one.
        seed.deserialize(self.guess).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(Guess { of: std::any::type_name::<S::Value>(), ..self.guess.deeper()? })
    }
}

/// A made-up variant.
struct Variant<'s> {
    guess: Guess<'s>,
    variant: u32,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        let number: U32Deserializer<Stop> = self.variant.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(Guess { of: std::any::type_name::<S::Value>(), ..self.guess })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.guess.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.guess.deserialize_tuple(fields.len(), visitor)
    }
}
