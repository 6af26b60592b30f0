//! The interface of every sorted source of records: a run in memory, a segment of a file, or a
//! merge of others.

use super::Error;

/// A sorted source of records, lent one at a time.
///
/// A cursor starts before its first record. The key and the value are available only after [`Cursor::advance`] has
/// returned true, and are valid until it is called again.
pub trait Cursor {
    /// Moves to the next record. Returns false at the end, and on every later call.
    ///
    /// # Errors
    ///
    /// If the source cannot be read or folded. The cursor must not be used afterwards.
    fn advance(&mut self) -> Result<bool, Error>;

    /// [`prefix_of`] the current key.
    fn prefix(&self) -> u64;

    /// The current record's key.
    fn key(&self) -> &[u8];

    /// The current record's value.
    fn value(&self) -> &[u8];
}

/// The first eight bytes of a key as a big-endian number. A shorter key is padded with zeros.
///
/// If the prefixes of two keys differ, the key with the smaller prefix is the smaller key.
#[inline]
pub fn prefix_of(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let length = key.len();
    if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        // Four to seven bytes: two words that overlap, and agree where they do.
        let first = u64::from(u32::from_be_bytes(*first)) << 32;
        let last = u64::from(u32::from_be_bytes(*last)) << (8 * (8 - length));
        return first | last;
    }
    key.iter().zip([56, 48, 40]).fold(0, |prefix, (byte, place)| prefix | u64::from(*byte) << place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::prefix_of;

    proptest! {
        #[test]
        fn prefixes_are_the_first_eight_bytes(key in proptest::collection::vec(any::<u8>(), 0..20)) {
            let mut first = [0; 8];
            let length = key.len().min(8);
            first[..length].copy_from_slice(&key[..length]);
            prop_assert_eq!(prefix_of(&key), u64::from_be_bytes(first));
        }
    }
}
