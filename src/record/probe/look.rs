//! A serializer without output, which finds fields that a value omits although its deserializer expects them.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{State, Stop};

/// Inspects one value while it is serialized.
#[derive(Clone, Copy)]
pub(super) struct Look<'s> {
    pub(super) state: &'s State,
}

impl<'s> Look<'s> {
    fn several(self, name: &'static str) -> Several<'s> {
        Several { look: self, name, why: None }
    }

    /// Begins a sequence or a map, which must know its length.
    fn counted(self, kind: &str, len: Option<usize>) -> Result<Several<'s>, Stop> {
        if len.is_none() {
            let why = format!(
                "contains a {kind} that is written without its length, for example because of `#[serde(flatten)]`"
            );
            self.state.found("", why);
            return Err(Stop);
        }
        Ok(self.several("value"))
    }
}

macro_rules! plain {
    ($($take:ident $type:ty;)*) => {$(
        fn $take(self, _: $type) -> Result<(), Stop> {
            Ok(())
        }
    )*};
}

impl<'s> Serializer for Look<'s> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Several<'s>;
    type SerializeTuple = Several<'s>;
    type SerializeTupleStruct = Several<'s>;
    type SerializeTupleVariant = Several<'s>;
    type SerializeMap = Several<'s>;
    type SerializeStruct = Several<'s>;
    type SerializeStructVariant = Several<'s>;

    plain! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
        serialize_str &str;
        serialize_bytes &[u8];
        serialize_unit_struct &'static str;
    }

    fn serialize_none(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Several<'s>, Stop> {
        self.counted("sequence", len)
    }

    fn serialize_tuple(self, _: usize) -> Result<Several<'s>, Stop> {
        Ok(self.several("tuple"))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Several<'s>, Stop> {
        Ok(self.several(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Several<'s>, Stop> {
        Ok(self.several(name))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Several<'s>, Stop> {
        self.counted("map", len)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Several<'s>, Stop> {
        let mut several = self.several(name);
        let fields = self.state.fields.borrow();
        let read = fields.get(name).filter(|read| !read.contains(&len));
        several.why = read.and_then(|read| read.last()).map(|read| {
            let attribute = if len < *read { "skip_serializing" } else { "skip_deserializing" };
            format!("writes {len} of its fields but reads {read}, for example because of `#[serde({attribute})]`")
        });
        drop(fields);
        Ok(several)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Several<'s>, Stop> {
        Ok(self.several(name))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Elements, fields or entries.
pub(super) struct Several<'s> {
    look: Look<'s>,
    name: &'static str,
    /// What is wrong with them.
    why: Option<String>,
}

impl Several<'_> {
    fn take<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Stop> {
        value.serialize(self.look)
    }

    fn skip(&mut self, field: &str) -> Result<(), Stop> {
        self.why = Some(format!(
            "leaves out its field `{field}`, for example because of `#[serde(skip_serializing_if)]`"
        ));
        Ok(())
    }

    fn done(self) -> Result<(), Stop> {
        if let Some(why) = self.why {
            self.look.state.found(self.name, why);
        }
        Ok(())
    }
}

macro_rules! elements {
    ($($trait:ident $take:ident;)*) => {$(
        impl $trait for Several<'_> {
            type Ok = ();
            type Error = Stop;

            fn $take<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
                self.take(value)
            }

            fn end(self) -> Result<(), Stop> {
                self.done()
            }
        }
    )*};
}
elements! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl $trait for Several<'_> {
            type Ok = ();
            type Error = Stop;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<(), Stop> {
                self.take(value)
            }

            fn skip_field(&mut self, field: &'static str) -> Result<(), Stop> {
                self.skip(field)
            }

            fn end(self) -> Result<(), Stop> {
                self.done()
            }
        }
    )*};
}
fields!(SerializeStruct SerializeStructVariant);

impl SerializeMap for Several<'_> {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        self.take(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.take(value)
    }

    fn end(self) -> Result<(), Stop> {
        self.done()
    }
}
