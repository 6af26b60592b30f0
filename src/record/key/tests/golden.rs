//! Tests the exact bytes of each kind of key. They must never change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::{append, encode, prefix};
use super::encoded;
use crate::record::{Reverse, Text, TextBuf};

#[derive(Serialize, Deserialize)]
enum Part {
    Unit,
    Newtype(u8),
    Tuple(u8, u8),
    Struct { text: String },
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Name(String);

#[derive(Serialize)]
struct Point {
    x: i16,
    name: &'static str,
}

macro_rules! golden {
    ($($key:expr => $bytes:expr;)*) => {$(
        assert_eq!(encoded(&$key).escape_ascii().to_string(), $bytes.escape_ascii().to_string(), "{}", stringify!($key));
    )*};
}

#[test]
fn numbers_have_these_bytes() {
    golden! {
        false => b"\0";
        true => b"\x01";
        0x7f_u8 => b"\x7f";
        0x0102_u16 => b"\x01\x02";
        0x01020304_u32 => b"\x01\x02\x03\x04";
        1_u64 => b"\0\0\0\0\0\0\0\x01";
        1_usize => b"\0\0\0\0\0\0\0\x01";
        1_u128 => b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
        -1_i8 => b"\x7f";
        i8::MIN => b"\0";
        i8::MAX => b"\xff";
        -2_i16 => b"\x7f\xfe";
        1_i32 => b"\x80\0\0\x01";
        -1_i64 => b"\x7f\xff\xff\xff\xff\xff\xff\xff";
        0_i128 => b"\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        0.0_f32 => b"\x80\0\0\0";
        -0.0_f32 => b"\x7f\xff\xff\xff";
        1.0_f64 => b"\xbf\xf0\0\0\0\0\0\0";
        -1.0_f64 => b"\x40\x0f\xff\xff\xff\xff\xff\xff";
        f64::INFINITY => b"\xff\xf0\0\0\0\0\0\0";
        f64::from_bits(0x7ff8 << 48) => b"\xff\xf8\0\0\0\0\0\0";
        f64::from_bits(0xfff8 << 48) => b"\0\x07\xff\xff\xff\xff\xff\xff";
        'a' => b"\0\0\0a";
        '\u{10ffff}' => b"\0\x10\xff\xff";
    }
}

#[test]
fn text_has_these_bytes() {
    golden! {
        "" => b"";
        "a\0\x01\x02" => b"a\0\x01\x02";
        Text::new(b"\0\xff") => b"\0\xff";
        TextBuf::from("ab") => b"ab";
        Name("ab".into()) => b"ab";
        &[0_u8, 1, 2][..] => b"\0\x01\x02";
        vec![0_u8, 1, 2] => b"\0\x01\x02";
        ("", 7_u8) => b"\0\x07";
        ("a\0\x01\x02",) => b"a\x01\x01\x01\x02\x02\0";
        (Text::new(b"\0\xff"),) => b"\x01\x01\xff\0";
        (Name("ab".into()),) => b"ab\0";
        (vec![0_u8, 1, 2],) => b"\x01\x01\x01\x02\x02\0";
        (&[3_u8][..],) => b"\x03\0";
    }
}

#[test]
fn collections_have_these_bytes() {
    golden! {
        Vec::<u16>::new() => b"";
        vec![1_u16, 2] => b"\x01\0\x01\x01\0\x02";
        (vec![1_u16],) => b"\x01\0\x01\0";
        (Vec::<u16>::new(),) => b"\0";
        vec!["a", ""] => b"\x01a\0\x01\0";
        vec![vec![0_u8], vec![]] => b"\x01\x01\x01\0\x01\0";
        vec![vec![vec![7_u8]]] => b"\x01\x01\x07\0\0";
        vec![(), ()] => b"\x01\x01";
        vec![Some(7_u8)] => b"\x01\x01\x07";
        vec![true] => b"\x01\x01";
        vec![7_i8] => b"\x01\x87";
        BTreeSet::from([2_u16, 1]) => b"\x01\0\x01\x01\0\x02";
        BTreeMap::from([("b", 2_u8), ("a", 1)]) => b"\x01a\0\x01\x01b\0\x02";
        (BTreeMap::from([(0_u8, 1_u8)]),) => b"\x01\0\x01\0";
        (BTreeMap::<u8, u8>::new(),) => b"\0";
    }
}

#[test]
fn compounds_have_these_bytes() {
    golden! {
        () => b"";
        Unit => b"";
        None::<u8> => b"\0";
        Some(7_u8) => b"\x01\x07";
        Some("a") => b"\x01a\0";
        Some(None::<u8>) => b"\x01\0";
        (1_u8, "a", 2_u8) => b"\x01a\0\x02";
        [1_u8, 0] => b"\x01\0";
        Point { x: 1, name: "p" } => b"\x80\x01p\0";
        Part::Unit => b"\0\0\0\0";
        Part::Newtype(7) => b"\0\0\0\x01\x07";
        Part::Tuple(1, 2) => b"\0\0\0\x02\x01\x02";
        Part::Struct { text: "ab".into() } => b"\0\0\0\x03ab\0";
        Reverse(1_u16) => b"\xff\xfe";
        Reverse("ab") => b"\x9e\x9d\xff";
        Reverse(Reverse("ab")) => b"ab\0";
        (Reverse("\0"), 1_u8) => b"\xfe\xfe\xff\x01";
        vec![Reverse(7_u8)] => b"\x01\xf8";
        Reverse(vec![7_u8]) => b"\xf8\xff";
    }
}

#[test]
fn a_key_that_is_text_is_passed_on_without_a_copy() {
    let (mut scratch, text) = (b"old".to_vec(), "text".to_owned());
    let same = |bytes: &[u8]| bytes.as_ptr() == text.as_ptr() && bytes.len() == text.len();
    assert_eq!(encode(&text, &mut scratch, same), Ok(true));
    assert_eq!(encode(text.as_str(), &mut scratch, same), Ok(true));
    assert_eq!(encode(Text::new(text.as_bytes()), &mut scratch, same), Ok(true));
    assert_eq!(encode(&&Text::new(text.as_bytes()), &mut scratch, same), Ok(true));
    assert_eq!(encode(&(text.as_str(),), &mut scratch, same), Ok(false));
    assert_eq!(scratch, b"text\0");
}

#[test]
fn an_appended_key_says_where_it_ends() {
    let mut out = b"before".to_vec();
    append("a", &mut out).expect("encodes");
    append(&7_u8, &mut out).expect("encodes");
    assert_eq!(out, b"beforea\0\x07");
}

#[test]
fn a_prefix_is_the_first_eight_bytes() {
    assert_eq!(prefix(b""), 0);
    assert_eq!(prefix(b"\x01\x02"), 0x0102 << 48);
    assert_eq!(prefix(b"\x01\x02\x03\x04\x05\x06\x07\x08\x09"), 0x0102_0304_0506_0708);
}
