//! Keys of every shape for the property tests: a recursive enum with small values and edge cases.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::record::{Reverse, TextBuf};

/// A float with the order of the encoding.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Total(pub(super) f64);

impl Ord for Total {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Total {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Total {}

/// Any key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Shape {
    Unit,
    Bool(bool),
    Signed(i8, i16, i32, i64, i128),
    Unsigned(u8, u16, u32, u64, u128),
    Float(Total),
    Char(char),
    Str(String),
    Text(TextBuf),
    Bytes(Vec<u8>),
    Array([u8; 2]),
    Set(BTreeSet<u16>),
    Option(Option<Box<Shape>>),
    Pair(Box<(Shape, Shape)>),
    Struct { text: TextBuf, inner: Box<Shape>, after: u8 },
    List(Vec<Shape>),
    Lists(Vec<Vec<u8>>),
    Map(BTreeMap<String, Shape>),
    ByteMap(BTreeMap<u8, Option<u8>>),
    Reverse(Reverse<Box<Shape>>),
}

/// Generates bytes, often ones with a special meaning or next to those.
pub(super) fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0_u8), Just(1), Just(2), Just(254), Just(255), any::<u8>()]
}

/// Generates short byte strings, so that one is often the beginning of another.
pub(super) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(byte(), 0..4)
}

/// Generates short text, often with characters that have a special meaning.
pub(super) fn string() -> impl Strategy<Value = String> {
    let awkward = prop_oneof![Just('\0'), Just('\x01'), Just('\x02'), Just('a'), any::<char>()];
    prop::collection::vec(awkward, 0..4).prop_map(String::from_iter)
}

/// Generates any float, often a special one.
pub(super) fn float() -> impl Strategy<Value = f64> {
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        f64::MIN_POSITIVE,
        f64::MAX,
    ]);
    prop_oneof![special, any::<u64>().prop_map(f64::from_bits)]
}

fn leaf() -> impl Strategy<Value = Shape> {
    let narrow = -2_i8..3;
    prop_oneof![
        Just(Shape::Unit),
        any::<bool>().prop_map(Shape::Bool),
        (narrow.clone(), narrow, any::<(i32, i64, i128)>())
            .prop_map(|(a, b, (c, d, e))| Shape::Signed(a, b.into(), c, d, e)),
        (0..3_u8, 0..3_u16, any::<(u32, u64, u128)>())
            .prop_map(|(a, b, (c, d, e))| Shape::Unsigned(a, b, c, d, e)),
        float().prop_map(|float| Shape::Float(Total(float))),
        any::<char>().prop_map(Shape::Char),
        string().prop_map(Shape::Str),
        bytes().prop_map(|bytes| Shape::Text(bytes.into())),
        bytes().prop_map(Shape::Bytes),
        [byte(), byte()].prop_map(Shape::Array),
        prop::collection::btree_set(0..3_u16, 0..3).prop_map(Shape::Set),
        prop::collection::vec(bytes(), 0..3).prop_map(Shape::Lists),
        prop::collection::btree_map(byte(), prop::option::of(byte()), 0..3)
            .prop_map(Shape::ByteMap),
    ]
}

/// Generates any key, nested up to four levels deep.
pub(super) fn shape() -> impl Strategy<Value = Shape> {
    leaf().prop_recursive(4, 24, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            prop::option::of(boxed.clone()).prop_map(Shape::Option),
            (inner.clone(), inner.clone()).prop_map(|pair| Shape::Pair(Box::new(pair))),
            (bytes(), boxed.clone(), byte()).prop_map(|(text, inner, after)| Shape::Struct {
                text: text.into(),
                inner,
                after
            }),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Shape::List),
            prop::collection::btree_map(string(), inner, 0..3).prop_map(Shape::Map),
            boxed.prop_map(|inner| Shape::Reverse(Reverse(inner))),
        ]
    })
}

/// Generates two keys that differ only at the end.
pub(super) fn similar() -> impl Strategy<Value = (Shape, Shape)> {
    let pair = |left: &Shape, right: Shape| Shape::Pair(Box::new((left.clone(), right)));
    (shape(), leaf(), leaf(), any::<bool>()).prop_map(move |(same, a, b, reverse)| {
        let (a, b) = (pair(&same, a), pair(&same, b));
        if reverse {
            (Shape::Reverse(Reverse(Box::new(a))), Shape::Reverse(Reverse(Box::new(b))))
        } else {
            (a, b)
        }
    })
}
