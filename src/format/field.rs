//! Values that can be fields of tab-separated text.

use std::io::Write;

use memchr::memchr3;

use super::Error;
use crate::model::escape;
use crate::record::{Text, TextBuf};

/// Maximum number of characters of a refused field or line that its error shows.
pub(super) const EXCERPT_CHARS_MAX: usize = 80;

/// A row of tab-separated text that is being written.
pub struct Row<'a> {
    into: &'a mut Vec<u8>,
    fields: usize,
}

impl<'a> Row<'a> {
    pub(super) fn new(into: &'a mut Vec<u8>) -> Self {
        Self { into, fields: 0 }
    }

    /// Appends a field.
    ///
    /// # Errors
    /// If `bytes` holds a tab, a newline or a carriage return.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(at) = memchr3(b'\t', b'\n', b'\r', bytes) {
            return Err(self.refuse(bytes, at));
        }
        self.append_clean(bytes);
        Ok(())
    }

    #[inline]
    fn append_clean(&mut self, bytes: &[u8]) {
        self.begin_field();
        self.into.extend_from_slice(bytes);
    }

    #[inline]
    fn begin_field(&mut self) {
        if self.fields > 0 {
            self.into.push(b'\t');
        }
        self.fields += 1;
    }

    #[cold]
    fn refuse(&self, bytes: &[u8], at: usize) -> Error {
        let byte = match bytes[at] {
            b'\t' => "tab",
            b'\n' => "newline",
            _ => "carriage return",
        };
        let excerpt = escape(bytes, EXCERPT_CHARS_MAX);
        Error::Field { number: self.fields + 1, byte, excerpt }
    }
}

/// A value that [`Tsv`](super::Tsv) can write: one field, or several in a row.
///
/// Text and bytes are written as they are, numbers in decimal (floats in the shortest form that reads back as the same
/// number, never with an exponent; `NaN`, `inf`, `-inf`), bools as `true` and `false`, `None` as empty fields. A tuple
/// is its fields in order, so tuples may be nested; `()` has none. Structs can implement it with [`Row::append`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of tab-separated text",
    label = "`Tsv` writes numbers, text and tuples of them, such as `(word, count)`",
    note = "fields are numbers, bool, char, text, bytes, Option of a field and tuples of up to 8 fields; to \
            write a struct or a `Vec`, use `type Output = Json`, or implement `gristmill::format::Field` for the \
            struct; a `Result` needs a `?` first"
)]
pub trait Field {
    /// The number of fields.
    const FIELDS: usize = 1;

    /// Appends the fields.
    ///
    /// # Errors
    /// If a field holds a tab, a newline or a carriage return.
    fn append(&self, row: &mut Row<'_>) -> Result<(), Error>;
}

impl<F: Field + ?Sized> Field for &F {
    const FIELDS: usize = F::FIELDS;

    #[inline]
    fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
        F::append(self, row)
    }
}

impl<F: Field> Field for Option<F> {
    const FIELDS: usize = F::FIELDS;

    #[inline]
    fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
        match self {
            Some(field) => field.append(row)?,
            None => (0..F::FIELDS).for_each(|_| row.begin_field()),
        }
        Ok(())
    }
}

impl Field for [u8] {
    #[inline]
    fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
        row.append(self)
    }
}

impl Field for bool {
    fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
        row.append_clean(if *self { b"true" } else { b"false" });
        Ok(())
    }
}

impl Field for char {
    fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
        row.append(self.encode_utf8(&mut [0; 4]).as_bytes())
    }
}

macro_rules! text_fields {
    ($($text:ty),*) => {$(
        impl Field for $text {
            #[inline]
            fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
                row.append(self.as_ref())
            }
        }
    )*};
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {$(
        impl Field for $integer {
            #[inline]
            fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
                row.append_clean(itoa::Buffer::new().format(*self).as_bytes());
                Ok(())
            }
        }
    )*};
}

macro_rules! float_fields {
    ($($float:ty),*) => {$(
        impl Field for $float {
            fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
                row.begin_field();
                write!(row.into, "{self}")
                    .map_err(|error| Error::Encode { format: "TSV", problem: error.to_string() })
            }
        }
    )*};
}

macro_rules! tuple_fields {
    ($($name:ident)*) => {
        impl<$($name: Field),*> Field for ($($name,)*) {
            const FIELDS: usize = 0 $(+ $name::FIELDS)*;

            #[inline]
            #[expect(non_snake_case, reason = "variables are named like their type parameters")]
            fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
                let ($($name,)*) = self;
                $($name.append(row)?;)*
                Ok(())
            }
        }
    };
}

impl Field for () {
    const FIELDS: usize = 0;

    fn append(&self, _row: &mut Row<'_>) -> Result<(), Error> {
        Ok(())
    }
}

text_fields!(str, String, Vec<u8>, Text);
integer_fields!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
float_fields!(f32, f64);
tuple_fields!(A);
tuple_fields!(A B);
tuple_fields!(A B C);
tuple_fields!(A B C D);
tuple_fields!(A B C D E);
tuple_fields!(A B C D E F);
tuple_fields!(A B C D E F G);
tuple_fields!(A B C D E F G H);

impl Field for TextBuf {
    #[inline]
    fn append(&self, row: &mut Row<'_>) -> Result<(), Error> {
        row.append(self.as_bytes())
    }
}
