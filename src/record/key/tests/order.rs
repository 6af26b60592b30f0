//! Properties: encoded keys sort like the keys, and decode to the same keys.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde::{Deserialize, Serialize};

use super::super::{append, decode, decode_pair, prefix};
use super::encoded;
use super::shapes::{Total, bytes, float, shape, similar, string};
use crate::record::{Reverse, Text, TextBuf};

/// Checks everything that is guaranteed about two keys of one type.
fn check<K: Serialize + for<'a> Deserialize<'a> + Ord + Debug>(a: &K, b: &K) -> TestCaseResult {
    let (left, right) = (encoded(a), encoded(b));
    prop_assert_eq!(left.cmp(&right), a.cmp(b));
    prop_assert!(prefix(&left) <= prefix(&right) || a > b);
    prop_assert_eq!(&decode::<K>(&left, &mut Vec::new()).expect("decodes"), a);

    let (mut left, mut right) = (Vec::new(), Vec::new());
    append(a, &mut left).expect("encodes");
    append(b, &mut right).expect("encodes");
    prop_assert_eq!(left.cmp(&right), a.cmp(b));
    prop_assert!(a == b || !left.starts_with(&right), "a prefix of another key");
    let length = left.len();
    left.extend_from_slice(&right);
    let mut scratch = b"something old".to_vec();
    prop_assert_eq!(
        &decode_pair::<K, K>(&left, length, &mut scratch).expect("decodes"),
        &(clone(a), clone(b))
    );
    Ok(())
}

/// Copies a key by encoding and decoding it, so that `check` needs no `Clone`.
fn clone<K: Serialize + for<'a> Deserialize<'a>>(key: &K) -> K {
    decode(&encoded(key), &mut Vec::new()).expect("decodes")
}

/// A property that checks two keys from each of these strategies.
macro_rules! sorts_and_comes_back {
    ($($name:ident: $strategy:expr;)*) => {
        proptest! {$(
            #[test]
            fn $name(a in $strategy, b in $strategy) {
                check(&a, &b)?;
                check(&a, &a)?;
            }
        )*}
    };
}

sorts_and_comes_back! {
    any_shape_sorts_and_comes_back: shape();
    text_sorts_and_comes_back: bytes().prop_map(TextBuf::from);
    bytes_sort_and_come_back: bytes();
    nested_bytes_sort_and_come_back: prop::collection::vec(bytes(), 0..4);
    strings_in_lists_sort_and_come_back: prop::collection::vec(string(), 0..4);
    bytes_in_tuples_sort_and_come_back: (bytes(), bytes());
    floats_sort_and_come_back: float().prop_map(Total);
    optional_numbers_sort_and_come_back: any::<Option<i64>>();
    reversed_strings_sort_and_come_back: string().prop_map(Reverse);
    reversed_bytes_sort_and_come_back: bytes().prop_map(Reverse);
    twice_reversed_lists_sort_and_come_back:
        prop::collection::vec(bytes().prop_map(Reverse), 0..4).prop_map(Reverse);
    reversed_numbers_in_tuples_sort_and_come_back:
        (any::<i64>().prop_map(Reverse), string());
}

proptest! {
    #[test]
    fn keys_that_differ_late_sort_and_come_back((a, b) in similar()) {
        check(&a, &b)?;
    }

    #[test]
    fn borrowed_parts_come_back(text in bytes(), string in string(), raw in bytes(), number: u16) {
        type Key<'a> = (&'a Text, &'a str, &'a [u8], Reverse<&'a Text>, Vec<&'a Text>, u16);
        let some = Text::new(&text);
        let key: Key<'_> = (some, &string, &raw, Reverse(some), vec![some, some], number);
        let (bytes, mut scratch) = (encoded(&key), Vec::new());
        prop_assert_eq!(decode::<Key<'_>>(&bytes, &mut scratch), Ok(key));
    }

    #[test]
    fn borrowed_whole_keys_come_back(raw in bytes(), string in string()) {
        let (bytes, mut scratch) = (encoded(raw.as_slice()), Vec::new());
        prop_assert_eq!(decode::<&[u8]>(&bytes, &mut scratch), Ok(&raw[..]));
        let (bytes, mut scratch) = (encoded(&string), Vec::new());
        prop_assert_eq!(decode::<&str>(&bytes, &mut scratch), Ok(&string[..]));
        let (bytes, mut scratch) = (encoded(&raw), Vec::new());
        prop_assert_eq!(decode::<&Text>(&bytes, &mut scratch), Ok(Text::new(&raw)));
    }
}

#[test]
fn text_without_awkward_bytes_is_borrowed_from_the_key() {
    let bytes = encoded(&("ab", 7_u8, "c\0d"));
    let mut scratch = Vec::new();
    let (plain, _, escaped): (&Text, u8, &Text) = decode(&bytes, &mut scratch).expect("decodes");
    assert_eq!((plain, escaped), (Text::new(b"ab"), Text::new(b"c\0d")));
    assert!(bytes.as_ptr_range().contains(&plain.as_bytes().as_ptr()));
    assert!(!bytes.as_ptr_range().contains(&escaped.as_bytes().as_ptr()));
}

#[test]
fn a_key_without_awkward_bytes_needs_no_scratch() {
    let mut scratch = Vec::new();
    let bytes = encoded(&("ab", 7_u8));
    decode::<(&str, u8)>(&bytes, &mut scratch).expect("decodes");
    assert_eq!(scratch.capacity(), 0);
}
