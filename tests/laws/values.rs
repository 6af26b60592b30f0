//! Job values and keys that change when they are written and read.

use clap::Args;
use gristmill::prelude::*;
use gristmill::testing::key_order;
use serde::{Deserialize, Serialize};

use super::{Breach, Law, TEXT, broken, check};

job!(Longer {
    #[arg(long, default_value_t = 0)]
    #[serde(skip)]
    than: usize,
}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().filter(|word| word.len() > self.than).try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

job!(AtLeast {
    #[arg(long, default_value_t = 0)]
    #[serde(skip)]
    count: u64,
}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let count = values.sum()?;
        if count >= self.count { out.write((word, count)) } else { Ok(()) }
    }
});

#[test]
fn unserialized_field_is_found_in_map_and_reduce() {
    for violation in [broken(Longer { than: 3 }), broken(AtLeast { count: 3 })] {
        assert!(matches!(violation.breach, Breach::JobLosesField { .. }), "{violation}");
    }
    check(Longer { than: 0 }).input(TEXT).run();
}

/// A key that is turned into upper case when it is read.
#[derive(Serialize)]
struct Loud(String);

impl<'de> Deserialize<'de> for Loud {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Loud(text.to_uppercase()))
    }
}

#[derive(Args, Serialize, Deserialize)]
struct LoudCount {}

impl Job for LoudCount {
    type Input = Utf8Lines;
    type Key<'a> = Loud;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &str, out: &mut Emitter<Self>) -> Result {
        line.split_ascii_whitespace().try_for_each(|word| out.emit(Loud(word.to_owned()), 1))
    }

    fn reduce(&self, word: Loud, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word.0, values.sum()?))
    }
}

#[test]
fn a_key_that_changes_when_it_is_read_is_found() {
    let violation = broken(LoudCount {});
    assert!(
        matches!(&violation.breach, Breach::KeyChanges { key, again } if key != again),
        "{violation}"
    );
}

/// A version that is serialized as text, for human readers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}.{}", self.major, self.minor))
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let number = |text: &str| text.parse().map_err(serde::de::Error::custom);
        let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
        Ok(Version { major: number(major)?, minor: number(minor)? })
    }
}

#[test]
fn key_whose_bytes_sort_differently_is_found() {
    let version = |major, minor| Version { major, minor };
    key_order([version(1, 9), version(1, 2), version(0, 300)]).run();
    let breach = key_order([version(1, 10), version(2, 0), version(1, 9)]).verdict();
    let breach = breach.expect_err("10 is behind 9, and not as text");
    assert_eq!(breach.law(), Some(Law::KeysSort));
    let sentence = breach.to_string();
    println!("{sentence}");
    assert_eq!(
        sentence,
        "key bytes do not sort as the keys do: Version { major: 1, minor: 9 } is less than \
         Version { major: 1, minor: 10 } by `Ord`, but greater than it by bytes; derive both `Serialize` and `Ord`, \
         with the same order of fields, or implement both so that they agree"
    );
    let panic = std::panic::catch_unwind(|| key_order([version(1, 10), version(1, 9)]).run());
    assert_eq!(panic.expect_err("it panics").downcast_ref::<String>(), Some(&sentence));
}

/// A key that equals another one if they differ only in case.
#[derive(Debug, Serialize, Deserialize)]
struct AnyCase(String);

impl Ord for AnyCase {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_lowercase().cmp(&other.0.to_lowercase())
    }
}

impl PartialOrd for AnyCase {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for AnyCase {}

impl PartialEq for AnyCase {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

#[test]
fn keys_that_are_equal_and_have_other_bytes_are_found() {
    let any_case = |text: &str| AnyCase(text.into());
    key_order([any_case("b"), any_case("a")]).run();
    let breach = key_order([any_case("a"), any_case("A")]).verdict().expect_err("two keys");
    assert!(matches!(breach, Breach::KeysDisagree { ord: "equal to", .. }), "{breach}");
}

#[test]
fn every_kind_of_key_that_derives_its_order_passes() {
    key_order(["", "a", "ab", "b\0", "b"].map(|text| Text::new(text.as_bytes()))).run();
    key_order([-1i64, 0, i64::MIN, i64::MAX]).run();
    key_order([Reverse((1u8, "a")), Reverse((1, "b")), Reverse((0, "b"))]).run();
    key_order([("b", 1), ("a", 2), ("a", 1)].map(|(group, order)| Grouped { group, order })).run();
}
