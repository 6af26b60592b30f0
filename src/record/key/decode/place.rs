//! How a value is read, depending on its position in a key.

use super::super::{Error, source::Source};

/// A position in a key, which determines how a value begins.
pub(in crate::record::key) trait Place {
    /// Whether sequences in this position have an end.
    const TERMINATED: bool;

    /// Reads the mark before a value that is neither a `u8` nor a byte string, if the position has one.
    fn open(&self, source: &mut Source<'_>) -> Result<(), Error>;

    /// Reads a `u8`.
    fn byte(&self, source: &mut Source<'_>) -> Result<u8, Error>;

    /// Reads a byte string.
    fn bytes<'a>(&self, source: &mut Source<'a>) -> Result<&'a [u8], Error>;
}

/// The whole key.
pub(in crate::record::key) struct Whole;

impl Place for Whole {
    const TERMINATED: bool = false;

    #[inline(always)]
    fn open(&self, _: &mut Source<'_>) -> Result<(), Error> {
        Ok(())
    }

    #[inline(always)]
    fn byte(&self, source: &mut Source<'_>) -> Result<u8, Error> {
        source.byte()
    }

    #[inline(always)]
    fn bytes<'a>(&self, source: &mut Source<'a>) -> Result<&'a [u8], Error> {
        Ok(source.take_all())
    }
}

/// A field, or another part of a key that other parts may precede and follow.
pub(in crate::record::key) struct Part;

impl Place for Part {
    const TERMINATED: bool = true;

    #[inline(always)]
    fn open(&self, _: &mut Source<'_>) -> Result<(), Error> {
        Ok(())
    }

    #[inline(always)]
    fn byte(&self, source: &mut Source<'_>) -> Result<u8, Error> {
        source.byte()
    }

    #[inline(always)]
    fn bytes<'a>(&self, source: &mut Source<'a>) -> Result<&'a [u8], Error> {
        source.bytes()
    }
}

/// An element of a sequence.
pub(in crate::record::key) struct Element {
    /// Whether the sequence has an end mark, and bytes in it are distinguished from the mark.
    pub(super) terminated: bool,
}

impl Place for Element {
    const TERMINATED: bool = true;

    #[inline(always)]
    fn open(&self, source: &mut Source<'_>) -> Result<(), Error> {
        source.expect("mark of an element", 1)
    }

    #[inline(always)]
    fn byte(&self, source: &mut Source<'_>) -> Result<u8, Error> {
        if !self.terminated {
            return source.byte();
        }
        source.escaped_byte()?.ok_or(Error::Truncated)
    }

    #[inline(always)]
    fn bytes<'a>(&self, source: &mut Source<'a>) -> Result<&'a [u8], Error> {
        self.open(source)?;
        source.bytes()
    }
}
