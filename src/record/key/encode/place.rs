//! The positions that a value can have in a key, and how the value's bytes depend on its position.

use memchr::memchr2;

/// A position in a key, which determines how a value begins and ends.
pub(in crate::record::key) trait Place {
    /// The result of writing a value.
    type Done;

    /// Whether sequences in this position need an end.
    const TERMINATED: bool;

    /// Begins a value that is neither a `u8` nor a byte string.
    fn open(&self, out: &mut Vec<u8>);

    /// Ends a value that was opened.
    fn close(self, out: &mut Vec<u8>) -> Self::Done;

    /// Writes a `u8`.
    fn byte(self, out: &mut Vec<u8>, byte: u8) -> Self::Done;

    /// Writes a byte string.
    fn bytes(self, out: &mut Vec<u8>, bytes: &[u8]) -> Self::Done;
}

/// The whole key. `then` is called with the bytes that were written, or with a byte string itself.
pub(in crate::record::key) struct Whole<F> {
    pub(super) then: F,
}

impl<F: FnOnce(&[u8]) -> R, R> Place for Whole<F> {
    type Done = R;

    const TERMINATED: bool = false;

    #[inline(always)]
    fn open(&self, _: &mut Vec<u8>) {}

    #[inline(always)]
    fn close(self, out: &mut Vec<u8>) -> R {
        (self.then)(out)
    }

    #[inline(always)]
    fn byte(self, out: &mut Vec<u8>, byte: u8) -> R {
        out.push(byte);
        self.close(out)
    }

    #[inline(always)]
    fn bytes(self, _: &mut Vec<u8>, bytes: &[u8]) -> R {
        (self.then)(bytes)
    }
}

/// A field, or another part of a key that other parts may precede and follow.
pub(in crate::record::key) struct Part;

impl Place for Part {
    type Done = ();

    const TERMINATED: bool = true;

    #[inline(always)]
    fn open(&self, _: &mut Vec<u8>) {}

    #[inline(always)]
    fn close(self, _: &mut Vec<u8>) {}

    #[inline(always)]
    fn byte(self, out: &mut Vec<u8>, byte: u8) {
        out.push(byte);
    }

    #[inline]
    fn bytes(self, out: &mut Vec<u8>, mut bytes: &[u8]) {
        out.reserve(bytes.len() + 1);
        while let Some(at) = memchr2(0, 1, bytes) {
            out.extend_from_slice(&bytes[..at]);
            out.extend_from_slice(&[1, bytes[at] + 1]);
            bytes = &bytes[at + 1..];
        }
        out.extend_from_slice(bytes);
        out.push(0);
    }
}

/// An element of a sequence, or the beginning of an entry of a map.
pub(in crate::record::key) struct Element {
    /// Whether the sequence has an end mark, and bytes in it must be distinguished from the mark.
    pub(super) terminated: bool,
}

impl Place for Element {
    type Done = ();

    const TERMINATED: bool = true;

    #[inline(always)]
    fn open(&self, out: &mut Vec<u8>) {
        out.push(1);
    }

    #[inline(always)]
    fn close(self, _: &mut Vec<u8>) {}

    #[inline(always)]
    fn byte(self, out: &mut Vec<u8>, byte: u8) {
        if self.terminated && byte <= 1 {
            out.extend_from_slice(&[1, byte + 1]);
        } else {
            out.push(byte);
        }
    }

    #[inline]
    fn bytes(self, out: &mut Vec<u8>, bytes: &[u8]) {
        self.open(out);
        Part.bytes(out, bytes);
    }
}
