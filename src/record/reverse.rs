//! A key, or a part of a key, that sorts in descending order.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Sorts in reverse: keys of type `Reverse<u64>` begin with the largest number. It can be a part of a tuple or struct
/// key, or be within another `Reverse`.
///
/// This is not [`std::cmp::Reverse`], whose bytes could not sort in reverse, because serde writes only the value in it.
/// In JSON and in values, this type is written like the value that it contains.
///
/// Text in it is stored inverted, so reading it always copies, into the scratch memory of the key decoder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename = "$gristmill::Reverse")]
pub struct Reverse<T>(
    /// The value to sort in reverse.
    pub T,
);

/// The name by which the key encoding recognises a [`Reverse`]. No Rust type can have this name by itself.
pub(super) const SERDE_NAME: &str = "$gristmill::Reverse";

impl<T: PartialOrd> PartialOrd for Reverse<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        other.0.partial_cmp(&self.0)
    }
}

impl<T: Ord> Ord for Reverse<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.cmp(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::value;

    #[test]
    fn reverse_sorts_last_to_first() {
        let mut numbers = [Reverse(1), Reverse(3), Reverse(2)];
        numbers.sort();
        assert_eq!(numbers, [Reverse(3), Reverse(2), Reverse(1)]);
    }

    #[test]
    fn reverse_cannot_be_seen_in_json_or_in_values() {
        assert_eq!(serde_json::to_string(&Reverse("a")).expect("writes"), r#""a""#);
        assert_eq!(serde_json::from_str::<Reverse<u8>>("7").expect("reads"), Reverse(7));
        let (mut wrapped, mut plain) = (Vec::new(), Vec::new());
        value::encode_into(&Reverse("a"), &mut wrapped).expect("encodes");
        value::encode_into("a", &mut plain).expect("encodes");
        assert_eq!(wrapped, plain);
    }
}
