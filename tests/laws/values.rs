//! Job values and keys that do not survive being written and read.

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, TEXT, broken, check};

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
fn a_field_that_is_lost_on_the_way_is_found_in_map_and_reduce() {
    for violation in [broken(Longer { than: 3 }), broken(AtLeast { count: 3 })] {
        assert!(matches!(violation.breach, Breach::JobLosesField { .. }), "{violation}");
    }
    check(Longer { than: 0 }).input(TEXT).run();
}

/// A key that forgets its case when it is read.
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
