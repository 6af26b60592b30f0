//! Key types: the trait of all keys, and `Grouped`, a key for secondary sort.

use serde::{Deserialize, Serialize};

use super::key::{self, Error};
use super::probe::{self, Misfit};

/// A key for secondary sort: records with equal `group` go to the same call of reduce, sorted by `order`.
///
/// Its bytes are those of `group`, then those of `order` (each in the form that it has within other keys), then the
/// length of the group's bytes. The length is one byte if it is below 255, else four bytes, big endian, and the byte
/// `ff`. It does not affect the order, because different keys differ before it. The bytes of a group are never a prefix
/// of another group's, so keys that begin with the same group bytes are in the same group.
///
/// It does not implement serde's traits itself, so it cannot be mistaken for a plain key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grouped<G, S> {
    /// What records are partitioned and grouped by.
    pub group: G,
    /// What records are sorted by within their group.
    pub order: S,
}

/// Types that a job may use as its key: any serde type, or [`Grouped`].
///
/// `'a` is the lifetime of the bytes that a key is read from; its text may borrow from them. A key type of your own
/// must derive both `Serialize` and `Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    label = "a key needs both of `#[derive(Serialize, Deserialize)]`",
    note = "keys are serde types, borrowed or owned, such as `&'a Text`, `u64` and tuples, or \
            `Grouped` keys"
)]
pub trait Key<'a>: Sized {
    /// The key argument of reduce. Reduce is called once for each distinct one.
    type Group;

    /// The part of the key that accompanies each value; `()` for plain keys.
    type Order;

    /// Whether the group is only a part of the key.
    const GROUPED: bool;

    /// Calls `then` with the key's bytes, and with the number of bytes at their beginning that belong to the group: all
    /// of them, for a plain key.
    ///
    /// # Errors
    /// As [`key::encode`].
    fn encode_key<R>(
        &self,
        scratch: &mut Vec<u8>,
        then: impl FnOnce(&[u8], usize) -> R,
    ) -> Result<R, Error>;

    /// Decodes the group from its bytes, without the bytes that follow in the key.
    ///
    /// # Errors
    /// As [`key::decode`].
    fn decode_group(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Self::Group, Error>;

    /// Formats the group with these bytes for people: text as it is, numbers in decimal, parts separated by commas.
    ///
    /// # Errors
    /// As [`key::decode`].
    fn show_group(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<String, Error>;

    /// Decodes the order within the group, from all bytes of the key that follow those of the group.
    ///
    /// # Errors
    /// As [`key::decode`].
    fn decode_order(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Self::Order, Error>;

    /// Decodes the whole key.
    ///
    /// # Errors
    /// As [`key::decode`].
    fn decode_key(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Self, Error>;

    /// Checks whether keys of this type can be read back.
    ///
    /// # Errors
    /// If they certainly cannot.
    fn probe() -> Result<(), Misfit>;

    /// Returns how many bytes of a key belong to the group. For plain keys these are all bytes, which are not examined.
    ///
    /// # Errors
    /// If the bytes cannot be those of a key.
    fn group_len(bytes: &[u8]) -> Result<usize, Error>;
}

impl<'a, T: Serialize + Deserialize<'a>> Key<'a> for T {
    type Group = T;
    type Order = ();

    const GROUPED: bool = false;

    #[inline(always)]
    fn encode_key<R>(
        &self,
        scratch: &mut Vec<u8>,
        then: impl FnOnce(&[u8], usize) -> R,
    ) -> Result<R, Error> {
        key::encode(self, scratch, |bytes| then(bytes, bytes.len()))
    }

    #[inline(always)]
    fn decode_group(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<T, Error> {
        key::decode(bytes, scratch)
    }

    fn show_group(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<String, Error> {
        key::show(&key::decode::<T>(bytes, scratch)?)
    }

    #[inline(always)]
    fn decode_order(_: &'a [u8], _: &'a mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    #[inline(always)]
    fn decode_key(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<T, Error> {
        key::decode(bytes, scratch)
    }

    fn probe() -> Result<(), Misfit> {
        probe::probe::<T>()
    }

    #[inline(always)]
    fn group_len(bytes: &[u8]) -> Result<usize, Error> {
        Ok(bytes.len())
    }
}

impl<'a, G, S> Key<'a> for Grouped<G, S>
where
    G: Serialize + Deserialize<'a>,
    S: Serialize + Deserialize<'a>,
{
    type Group = G;
    type Order = S;

    const GROUPED: bool = true;

    #[inline]
    fn encode_key<R>(
        &self,
        scratch: &mut Vec<u8>,
        then: impl FnOnce(&[u8], usize) -> R,
    ) -> Result<R, Error> {
        scratch.clear();
        key::append(&self.group, scratch)?;
        let group_len = scratch.len();
        key::append(&self.order, scratch)?;
        write_group_len(group_len, scratch)?;
        Ok(then(scratch, group_len))
    }

    #[inline]
    fn decode_group(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<G, Error> {
        key::decode_part(bytes, scratch)
    }

    fn show_group(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<String, Error> {
        key::show(&key::decode_part::<G>(bytes, scratch)?)
    }

    #[inline]
    fn decode_order(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<S, Error> {
        let (order, _) = read_group_len(bytes)?;
        key::decode_part(order, scratch)
    }

    #[inline]
    fn decode_key(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Self, Error> {
        let (parts, group_len) = read_group_len(bytes)?;
        let (group, order) = key::decode_pair(parts, group_len, scratch)?;
        Ok(Self { group, order })
    }

    fn probe() -> Result<(), Misfit> {
        probe::probe::<G>()?;
        probe::probe::<S>()
    }

    #[inline]
    fn group_len(bytes: &[u8]) -> Result<usize, Error> {
        let (parts, group_len) = read_group_len(bytes)?;
        if group_len <= parts.len() { Ok(group_len) } else { Err(Error::Truncated) }
    }
}

/// The longest group whose length is stored in one byte. If the last byte is 255, the length is in the four bytes
/// before it.
const SHORT_MAX: u8 = 254;

fn write_group_len(length: usize, key: &mut Vec<u8>) -> Result<(), Error> {
    match (u8::try_from(length), u32::try_from(length)) {
        (Ok(short @ ..=SHORT_MAX), _) => key.push(short),
        (_, Ok(long)) => {
            key.extend_from_slice(&long.to_be_bytes());
            key.push(u8::MAX);
        }
        _ => return Err(Error::GroupTooLong { bytes: length }),
    }
    Ok(())
}

/// Returns the bytes before the length at the end of `key`, and the length.
fn read_group_len(key: &[u8]) -> Result<(&[u8], usize), Error> {
    let (&last, rest) = key.split_last().ok_or(Error::Truncated)?;
    if last <= SHORT_MAX {
        return Ok((rest, last.into()));
    }
    let (rest, long) = rest.split_last_chunk().ok_or(Error::Truncated)?;
    let length = u32::from_be_bytes(*long);
    Ok((rest, usize::try_from(length).map_err(|_| Error::Truncated)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Reverse, Text, TextBuf};

    fn encoded<'a, K: Key<'a>>(key: &K) -> (Vec<u8>, usize) {
        key.encode_key(&mut Vec::new(), |bytes, group| (bytes.to_vec(), group)).expect("encodes")
    }

    #[test]
    fn bytes_of_grouped_keys_never_change() {
        let golden = b"ann\0\x80\0\0\x07\x04";
        assert_eq!(encoded(&Grouped { group: "ann", order: 7_i32 }), (golden.to_vec(), 4));
        let long = Grouped { group: "x".repeat(254), order: () };
        let (bytes, group) = encoded(&long);
        assert_eq!((&bytes[254..], group), (&b"\0\0\0\0\xff\xff"[..], 255));
    }

    #[test]
    fn a_plain_key_is_its_own_group() {
        assert_eq!(encoded(&Text::new(b"a\0b")), (b"a\0b".to_vec(), 3));
        assert_eq!(<&Text>::group_len(b"a\0b"), Ok(3));
        let mut scratch = Vec::new();
        assert_eq!(<(u8, &str)>::decode_group(b"\x07ab\0", &mut scratch), Ok((7, "ab")));
        const { assert!(!<u8 as Key<'_>>::GROUPED && <Grouped<u8, u8> as Key<'_>>::GROUPED) };
    }

    #[test]
    fn a_length_that_is_not_the_groups_is_an_error() {
        for bytes in
            [&b""[..], b"\x05", b"\0\xff", b"a\0\x01\x09", b"a\0\x01\x01", b"\xff\xff\xff\xff\xff"]
        {
            let key = Grouped::<&Text, u8>::decode_key(bytes, &mut Vec::new()).map(|_| ());
            assert!(key.is_err(), "{bytes:?}");
        }
        assert_eq!(Grouped::<&Text, u8>::group_len(b"a\0\x01\x09"), Err(Error::Truncated));
    }

    type Visit<'a> = Grouped<(&'a Text, Option<u8>), Reverse<TextBuf>>;

    fn visit() -> impl Strategy<Value = (Vec<u8>, Option<u8>, Vec<u8>)> {
        let text = || {
            let byte = prop_oneof![Just(0_u8), Just(1), Just(2), Just(255), any::<u8>()];
            prop_oneof![9 => prop::collection::vec(byte, 0..4), 1 => Just(vec![7; 300])]
        };
        (text(), any::<Option<u8>>(), text())
    }

    fn grouped((user, part, page): &(Vec<u8>, Option<u8>, Vec<u8>)) -> Visit<'_> {
        let order = Reverse(TextBuf::from(page.as_slice()));
        Grouped { group: (Text::new(user), *part), order }
    }

    proptest! {
        #[test]
        fn grouped_keys_sort_by_group_and_order_and_come_back(a in visit(), b in visit()) {
            let (a, b) = (grouped(&a), grouped(&b));
            let ((left, left_len), (right, right_len)) = (encoded(&a), encoded(&b));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(right.starts_with(&left[..left_len]), a.group == b.group);
            prop_assert_eq!(Visit::group_len(&right), Ok(right_len));
            let (group, order) = left.split_at(left_len);
            let (mut one, mut two) = (Vec::new(), Vec::new());
            prop_assert_eq!(Visit::decode_group(group, &mut one), Ok(a.group));
            prop_assert_eq!(Visit::decode_order(order, &mut Vec::new()), Ok(a.order.clone()));
            prop_assert_eq!(Visit::decode_key(&left, &mut two), Ok(a));
        }

        #[test]
        fn any_bytes_are_a_grouped_key_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(key) = Visit::decode_key(&bytes, &mut Vec::new()) {
                prop_assert!(encoded(&key).1 <= bytes.len());
            }
        }
    }
}
