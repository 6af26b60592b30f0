//! The bytes a key is read from, and the memory that text is unescaped into.

use std::mem;

use memchr::memchr2;

use super::Error;

/// The rest of a key's bytes.
pub(super) struct Source<'a> {
    rest: &'a [u8],
    room: Room<'a>,
    /// All ones inside an odd number of nested `Reverse` values, else zero.
    mask: u8,
}

/// Memory for text that is escaped or inverted in the key. It is never shorter than the rest of the key, because
/// unescaped text is not longer than escaped text.
enum Room<'a> {
    Unused { scratch: &'a mut Vec<u8> },
    Left { bytes: &'a mut [u8] },
}

impl<'a> Source<'a> {
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Self {
        Self { rest: bytes, room: Room::Unused { scratch }, mask: 0 }
    }

    /// Returns the number of bytes that are left.
    #[inline(always)]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Checks that no bytes are left.
    #[inline(always)]
    pub(super) fn finish(&self) -> Result<(), Error> {
        match self.left() {
            0 => Ok(()),
            bytes => Err(Error::Trailing { bytes }),
        }
    }

    /// Switches the inversion of all following bytes on or off.
    #[inline(always)]
    pub(super) fn invert(&mut self) {
        self.mask = !self.mask;
    }

    /// Returns all bytes that are left.
    #[inline(always)]
    pub(super) fn take_all(&mut self) -> &'a [u8] {
        mem::take(&mut self.rest)
    }

    /// Returns the next byte without consuming it.
    #[inline(always)]
    pub(super) fn peek(&self) -> Result<u8, Error> {
        self.rest.first().map(|byte| byte ^ self.mask).ok_or(Error::Truncated)
    }

    /// Reads the next byte.
    #[inline(always)]
    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        Ok(u8::from_be_bytes(self.fixed()?))
    }

    /// Reads the next `N` bytes.
    #[inline(always)]
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(bytes.map(|byte| byte ^ self.mask))
    }

    /// Reads the next byte, which must be `byte`.
    #[inline(always)]
    pub(super) fn expect(&mut self, wanted: &'static str, byte: u8) -> Result<(), Error> {
        match self.byte()? {
            found if found == byte => Ok(()),
            found => Err(Error::Unexpected { wanted, found: found.into() }),
        }
    }

    /// Reads the next byte of a byte string; `None` at its end.
    #[inline(always)]
    pub(super) fn escaped_byte(&mut self) -> Result<Option<u8>, Error> {
        match self.byte()? {
            0 => Ok(None),
            1 => match self.byte()? {
                escaped @ 1..=2 => Ok(Some(escaped - 1)),
                found => Err(Error::Unexpected { wanted: "escaped byte", found: found.into() }),
            },
            byte => Ok(Some(byte)),
        }
    }

    /// Reads the next byte string, without its end mark. It is borrowed from the key if it is stored there unescaped.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        if self.mask == 0 {
            let end = memchr2(0, 1, self.rest).ok_or(Error::Truncated)?;
            if self.rest[end] == 0 {
                let bytes = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                return Ok(bytes);
            }
        }
        self.unescape()
    }

    fn unescape(&mut self) -> Result<&'a [u8], Error> {
        let unused = Room::Left { bytes: &mut [] };
        let room = match mem::replace(&mut self.room, unused) {
            Room::Left { bytes } => bytes,
            Room::Unused { scratch } => {
                if scratch.len() < self.rest.len() {
                    scratch.resize(self.rest.len(), 0);
                }
                scratch.as_mut_slice()
            }
        };
        let mut length = 0;
        while let Some(byte) = self.escaped_byte()? {
            // The room suffices, unless a type continues to read after an error, which leaves no room.
            *room.get_mut(length).ok_or(Error::Truncated)? = byte;
            length += 1;
        }
        let (bytes, left) = room.split_at_mut(length);
        self.room = Room::Left { bytes: left };
        Ok(bytes)
    }
}
