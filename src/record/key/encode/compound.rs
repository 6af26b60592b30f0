//! Writes the parts of tuples, structs, sequences and maps.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::place::{Element, Part, Place};
use super::{Encoder, Error};

/// A tuple or struct that is being written. The type determines the number of fields, so nothing separates them.
pub(in crate::record::key) struct Fields<'s, P> {
    pub(super) out: &'s mut Vec<u8>,
    pub(super) depth: u32,
    pub(super) place: P,
}

impl<P: Place> Fields<'_, P> {
    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Encoder { out: &mut *self.out, depth: self.depth, place: Part })
    }
}

/// A sequence or map that is being written.
pub(in crate::record::key) struct Elements<'s, P> {
    pub(super) out: &'s mut Vec<u8>,
    pub(super) depth: u32,
    pub(super) place: P,
}

impl<P: Place> Elements<'_, P> {
    #[inline(always)]
    fn finish(self) -> Result<P::Done, Error> {
        if P::TERMINATED {
            self.out.push(0);
        }
        Ok(self.place.close(self.out))
    }
}

impl<P: Place> SerializeSeq for Elements<'_, P> {
    type Ok = P::Done;
    type Error = Error;

    #[inline(always)]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let place = Element { terminated: P::TERMINATED };
        value.serialize(Encoder { out: &mut *self.out, depth: self.depth, place })
    }

    #[inline(always)]
    fn end(self) -> Result<P::Done, Error> {
        self.finish()
    }
}

impl<P: Place> SerializeMap for Elements<'_, P> {
    type Ok = P::Done;
    type Error = Error;

    #[inline(always)]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        // The key is always marked, even if it is a `u8`: the value follows, so a map is never a byte string.
        self.out.push(1);
        key.serialize(Encoder { out: &mut *self.out, depth: self.depth, place: Part })
    }

    #[inline(always)]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Encoder { out: &mut *self.out, depth: self.depth, place: Part })
    }

    #[inline(always)]
    fn end(self) -> Result<P::Done, Error> {
        self.finish()
    }
}

/// The traits for everything with a fixed number of fields, which differ in names only.
macro_rules! fields {
    ($($trait:ident::$method:ident($($name:ty)?) $(, $skip:ident)?;)*) => {$(
        impl<P: Place> $trait for Fields<'_, P> {
            type Ok = P::Done;
            type Error = Error;

            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $(_: $name,)?
                value: &T,
            ) -> Result<(), Error> {
                self.field(value)
            }

            $(
                fn $skip(&mut self, field: &'static str) -> Result<(), Error> {
                    Err(Error::SkippedField { field })
                }
            )?

            #[inline(always)]
            fn end(self) -> Result<P::Done, Error> {
                Ok(self.place.close(self.out))
            }
        }
    )*};
}

fields! {
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(&'static str), skip_field;
    SerializeStructVariant::serialize_field(&'static str), skip_field;
}
