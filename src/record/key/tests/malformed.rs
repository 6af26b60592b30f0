//! Damaged bytes, and types that cannot be keys, give precise errors, never a panic.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::{DEPTH_MAX, Error, append, decode, encode};
use super::encoded;
use super::shapes::{Shape, bytes, shape};
use crate::record::{Reverse, Text};

/// Checks that a key has only one form: bytes that can be read are those that would be written.
fn read<'a, K: Serialize + Deserialize<'a> + Debug>(bytes: &'a [u8], scratch: &'a mut Vec<u8>) {
    if let Ok(key) = decode::<K>(bytes, scratch) {
        assert_eq!(encoded(&key), bytes, "{key:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_key_or_an_error(bytes in prop::collection::vec(super::shapes::byte(), 0..24)) {
        read::<&Text>(&bytes, &mut Vec::new());
        read::<&str>(&bytes, &mut Vec::new());
        read::<(&Text, u16, &str)>(&bytes, &mut Vec::new());
        read::<(Reverse<&Text>, Vec<&[u8]>)>(&bytes, &mut Vec::new());
        read::<Vec<Vec<u8>>>(&bytes, &mut Vec::new());
        read::<(Option<char>, bool, f64)>(&bytes, &mut Vec::new());
        read::<Vec<()>>(&bytes, &mut Vec::new());
        // The entries of maps and sets may be in an order in which they are never written.
        let _ = decode::<BTreeMap<u8, String>>(&bytes, &mut Vec::new());
        let _ = decode::<Shape>(&bytes, &mut Vec::new());
    }

    #[test]
    fn a_damaged_key_is_another_key_or_an_error(key in shape(), at: prop::sample::Index, byte in bytes()) {
        let mut bytes = encoded(&key);
        let at = at.index(bytes.len());
        bytes.splice(at..=at, byte);
        let _ = decode::<Shape>(&bytes, &mut Vec::new());
    }
}

fn refusal<'a, K: Deserialize<'a>>(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Error {
    decode::<K>(bytes, scratch).map(|_| ()).expect_err("refuses")
}

#[test]
fn damage_is_named() {
    macro_rules! table {
        ($($type:ty, $bytes:expr => $error:expr;)*) => {$(
            assert_eq!(refusal::<$type>($bytes, &mut Vec::new()).to_string(), $error);
        )*};
    }
    table! {
        u32, b"\0" => "the key ends too early";
        u8, b"\0\0\0" => "unexpected data after the key (2 bytes)";
        (&Text,), b"ab" => "the key ends too early";
        (&Text,), b"a\x01" => "the key ends too early";
        (&Text,), b"a\x01\x07\0" => "0x7 is not a valid escaped byte";
        (Vec<u8>,), b"\x01\0\0" => "0x0 is not a valid escaped byte";
        Vec<u16>, b"\x02\0\0" => "0x2 is not a valid mark of an element";
        BTreeMap<u8, u8>, b"\x02\0\0" => "0x2 is not a valid mark of an entry";
        bool, b"\x02" => "0x2 is not a valid bool";
        Option<u8>, b"\x02" => "0x2 is not a valid option";
        char, b"\0\0\xd8\0" => "0xd800 is not a valid char";
        &str, b"ab\xff" => "text in a key is not UTF-8 at byte 2\nhint: use a key of type Text, which may hold any bytes";
        Result<u8, u8>, b"\0\0\0\x02\0" => "invalid value: integer `2`, expected `Ok` or `Err`";
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
}

#[derive(Debug, Serialize, Deserialize)]
struct Skips {
    #[serde(skip_serializing_if = "Option::is_none")]
    at_times: Option<u8>,
}

#[test]
fn types_that_cannot_be_keys_are_named() {
    let error = refusal::<Untagged>(&encoded(&Untagged::Number(1)), &mut Vec::new());
    assert_eq!(error, Error::SelfDescribing);
    assert_eq!(
        encode(&Skips { at_times: None }, &mut Vec::new(), |_| ()),
        Err(Error::SkippedField { field: "at_times" })
    );
}

#[derive(Debug, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[derive(Debug, Deserialize)]
struct Endless(#[expect(dead_code, reason = "only its type matters")] Box<Endless>);

#[test]
fn nesting_of_keys_is_limited() {
    let chain = |length| (0..length).fold(Chain(None), |inner, _| Chain(Some(Box::new(inner))));
    let deepest = chain((DEPTH_MAX - 1) / 2);
    let bytes = encoded(&deepest);
    assert!(decode::<Chain>(&bytes, &mut Vec::new()).is_ok());
    assert_eq!(append(&chain(DEPTH_MAX), &mut Vec::new()), Err(Error::TooDeep));
    assert_eq!(refusal::<Chain>(&[1; 100_000], &mut Vec::new()), Error::TooDeep);
    assert_eq!(refusal::<Endless>(b"", &mut Vec::new()), Error::TooDeep);
}
