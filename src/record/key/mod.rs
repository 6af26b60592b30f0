//! Encodes keys, through serde, as bytes that sort like the keys: `memcmp` of the bytes is `cmp` of the keys.
//!
//! This format never changes: spill files contain encoded keys, and a key's partition is a hash of its encoding.
//!
//! | shape | bytes |
//! |---|---|
//! | `bool` | `00` or `01` |
//! | `u8` … `u128` | big endian |
//! | `i8` … `i128` | big endian with the sign bit flipped |
//! | `f32`, `f64` | big endian; positive: sign bit set, negative: all bits inverted. That is `total_cmp`: -NaN < -inf < … < -0.0 < 0.0 < … < inf < NaN |
//! | `char` | its code point as `u32` |
//! | text, byte strings, `[u8]`, `Vec<u8>` | each byte as it is, but `00` as `01 01` and `01` as `01 02`; then `00` |
//! | other sequences and sets | each element as `01` and its bytes; then `00` |
//! | maps | each entry as `01`, key, value, in the order in which the map is iterated; then `00` |
//! | `Option` | `None` is `00`, `Some` is `01` and the value |
//! | tuples, arrays, structs | their fields, one after the other |
//! | newtype structs | what they hold |
//! | enums | the number of the variant in order of declaration as `u32`, then its fields |
//! | `()` and unit structs | nothing |
//! | [`Reverse`](super::Reverse) | the bytes of what it holds, each one inverted |
//!
//! No encoding is a prefix of another encoding of the same type. Tuples therefore sort correctly.
//!
//! **A key that *is* text or a sequence** needs no end mark, unlike text or a sequence within a key. Text and bytes are
//! then raw: they are not escaped and not terminated, so `&Text` keys cost nothing. Sequences and maps lack the last
//! `00`.
//!
//! Sequences of `u8` have the form of byte strings, because serde can tell `&[u8]` from other slices when it reads, but
//! not when it writes.
//!
//! The order is guaranteed for types of the standard library and for types with a derived `Ord`. Exceptions are
//! unordered maps and sets (equal ones may have different bytes), `std::cmp::Reverse` (serde writes only the value in
//! it), and enums with explicit discriminants that do not ascend.

mod decode;
mod encode;
mod error;
mod show;
mod source;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use decode::Decoder;
use encode::Encoder;
pub use error::Error;
pub use show::show;
use source::Source;

/// Maximum nesting depth of a key, so that neither a list of lists nor damaged bytes can exhaust the stack.
pub const DEPTH_MAX: u32 = 128;

/// Calls `then` with the encoded bytes of `key`: its own bytes if it is text or bytes, else bytes written to `scratch`.
///
/// The previous contents of `scratch` are lost. Its memory is reused, so nothing is allocated per key.
///
/// # Errors
/// If the key's `Serialize` fails or skips a field, or if the key is nested deeper than [`DEPTH_MAX`].
#[inline(always)]
pub fn encode<K: Serialize + ?Sized, R>(
    key: &K,
    scratch: &mut Vec<u8>,
    then: impl FnOnce(&[u8]) -> R,
) -> Result<R, Error> {
    key.serialize(Encoder::whole(scratch, then))
}

/// Appends `key` in the form that it has within other keys. This form shows where the key ends.
///
/// # Errors
/// As [`encode`]; `out` may then hold a part of the key.
#[inline]
pub fn append<K: Serialize + ?Sized>(key: &K, out: &mut Vec<u8>) -> Result<(), Error> {
    key.serialize(Encoder::part(out))
}

/// Decodes the key from all of these bytes.
///
/// Text and bytes are borrowed from `bytes` if they are not escaped there, and otherwise from `scratch`. `scratch`
/// grows to at most the length of `bytes`, and its previous contents are lost.
///
/// # Errors
/// If these are not exactly the bytes of one key of this type, or if the type cannot be read without names in the data
/// (`untagged`, `flatten` and the like).
#[inline(always)]
pub fn decode<'a, K: Deserialize<'a>>(
    bytes: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<K, Error> {
    let mut source = Source::new(bytes, scratch);
    let key = K::deserialize(Decoder::whole(&mut source))?;
    source.finish()?;
    Ok(key)
}

/// Decodes the key that [`append`] wrote, from all of `bytes`.
///
/// # Errors
/// As [`decode`].
#[inline]
pub fn decode_part<'a, K: Deserialize<'a>>(
    bytes: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<K, Error> {
    let mut source = Source::new(bytes, scratch);
    let key = K::deserialize(Decoder::part(&mut source))?;
    source.finish()?;
    Ok(key)
}

/// Decodes two keys that [`append`] wrote one after the other, from all of `bytes`. The first one has `length` bytes.
#[inline]
pub(super) fn decode_pair<'a, A: Deserialize<'a>, B: Deserialize<'a>>(
    bytes: &'a [u8],
    length: usize,
    scratch: &'a mut Vec<u8>,
) -> Result<(A, B), Error> {
    let mut source = Source::new(bytes, scratch);
    let first = A::deserialize(Decoder::part(&mut source))?;
    let found = bytes.len() - source.left();
    if found < length {
        return Err(Error::Trailing { bytes: length - found });
    }
    if found > length {
        return Err(Error::Truncated);
    }
    let second = B::deserialize(Decoder::part(&mut source))?;
    source.finish()?;
    Ok((first, second))
}

/// Returns the first eight bytes as a number, padded with zeros. `prefix(a) < prefix(b)` means `a < b`, so only keys
/// with equal prefixes must be compared as a whole.
#[inline(always)]
pub fn prefix(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut first = [0; 8];
    first[..bytes.len()].copy_from_slice(bytes);
    u64::from_be_bytes(first)
}

/// Returns the depth of the next level, if it is allowed.
#[inline(always)]
fn deeper(depth: u32) -> Result<u32, Error> {
    if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(Error::TooDeep) }
}
