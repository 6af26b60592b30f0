//! If serde can write a value but not read it back, and the check of the value's type misses that, the first map fails.

use clap::Args;
use gristmill::model::{Cause, JobState};
use gristmill::prelude::{Emitter, Error, Job, Lines, Text, Tsv, Values, Writer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::trial::{Result, Setting, Trial};

/// A number that is written as text and read as a number.
#[derive(Serialize, Deserialize)]
struct AsText(#[serde(serialize_with = "to_text")] u64);

fn to_text<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(number)
}

/// A number that is written as a number and read as text.
#[derive(Serialize, Deserialize)]
struct FromText(#[serde(deserialize_with = "of_text")] u64);

fn of_text<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// A type with a variant that is written by its index among all variants, but read by its index among those that are
/// not skipped.
#[derive(Serialize, Deserialize)]
enum Skips {
    Zero,
    #[serde(skip)]
    #[expect(dead_code, reason = "a variant that is never sent")]
    Cached,
    Number(u64),
}

/// A field that is left out if it has a value that does not occur in generated data.
#[derive(Serialize, Deserialize)]
struct Seldom {
    #[serde(default, skip_serializing_if = "is_usual")]
    number: u64,
    more: u8,
}

fn is_usual(number: &u64) -> bool {
    *number == 4_711
}

macro_rules! jobs {
    ($($name:ident $value:ty, $make:expr;)*) => {$(
        #[derive(Args, Serialize, Deserialize)]
        struct $name {}

        impl Job for $name {
            type Input = Lines;
            type Key<'a> = &'a Text;
            type Value<'a> = $value;
            type Output = Tsv;

            fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
                out.emit(line, $make)
            }

            fn reduce(&self, k: &Text, v: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
                out.write((k, v.count()?))
            }
        }
    )*};
}
jobs! {
    Texts AsText, AsText(7);
    Parsed FromText, FromText(7);
    Variants Vec<Skips>, vec![Skips::Zero, Skips::Number(7)];
    Rare Vec<Seldom>, vec![Seldom { number: 4_711, more: 1 }];
}

fn fails_in_the_first_map<J: Job>(of: &str) -> Result {
    let trial = Trial::new(vec![(0, "in.txt".into(), b"a\nb\n".repeat(3_000))])?;
    for max_bad_records in [0, 10_000] {
        let setting = Setting { split_bytes: Some(4 << 10), max_bad_records, ..Setting::PLAIN };
        let ran = trial.run::<J>(&[], setting)?;
        assert_eq!(ran.outcome.state, JobState::Failed, "{of}");
        let (attempt, failure) = ran.outcome.failure.ok_or("no failure is reported")?;
        assert_eq!((attempt.to_string().as_str(), failure.cause), ("j1/m0#1", Cause::UserError));
        let message = &failure.message;
        assert!(message.starts_with("a value of type `") && message.contains(of), "{message}");
        assert!(message.contains("cannot be read back after it was emitted: "), "{message}");
        assert!(message.contains("\nhint: remove serde attributes"), "{message}");
        assert!(failure.at.is_none() && ran.parts.is_empty(), "{:?}", failure.at);
    }
    Ok(())
}

#[test]
fn values_that_cannot_be_read_back_fail_the_first_map() -> Result {
    fails_in_the_first_map::<Texts>("AsText`")?;
    fails_in_the_first_map::<Parsed>("FromText`")?;
    fails_in_the_first_map::<Variants>("Skips>`")?;
    fails_in_the_first_map::<Rare>("Seldom>`")
}
