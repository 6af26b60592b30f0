//! A sum fails if and only if the total does not fit its type, however partial sums were made.

use clap::Args;
use gristmill::job::KeepApart;
use gristmill::prelude::{Combine, Emitter, Error, Job, Lines, Sum, Text, Tsv, Values, Writer};
use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::trial::{Result, Setting, Trial};
use gristmill::model::JobState;

macro_rules! sums {
    ($($name:ident $number:ty;)*) => {$(
        #[derive(Args, Serialize, Deserialize)]
        struct $name {}

        impl Job for $name {
            type Input = Lines;
            type Key<'a> = &'a Text;
            type Value<'a> = $number;
            type Output = Tsv;

            fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
                let (key, number) = line.split_once(b' ').ok_or("a line is a key and a number")?;
                out.emit(key, number.to_str()?.parse()?)
            }

            fn combiner(&self) -> impl Combine<Self> {
                Sum
            }

            fn reduce(
                &self,
                key: &Text,
                numbers: Values<Self>,
                out: &mut Writer<Tsv>,
            ) -> Result<(), Error> {
                out.write((key, numbers.sum()?.to_string()))
            }
        }
    )*};
}
sums! {
    OfI8 i8;
    OfI32 i32;
    OfI64 i64;
    OfI128 i128;
    OfU8 u8;
    OfU128 u128;
}

/// Runs a job with much and with little memory, with one thread and with several, and in one map and in many. Returns
/// the end that all runs share: these lines, or this error message.
fn ends<J: Job>(lines: &[String]) -> Result<Result<Vec<String>, String>> {
    let trial = Trial::new(vec![(0, "in.txt".into(), lines.concat().into_bytes())])?;
    let mut ends = Vec::new();
    for (threads, memory_bytes, split_bytes) in
        [(1, 1 << 30, 1 << 30), (1, 16 << 20, 1 << 30), (3, 16 << 20, 64 << 10), (2, 1 << 30, 1024)]
    {
        let split_bytes = Some(split_bytes);
        let setting = Setting { threads, memory_bytes, split_bytes, ..Setting::PLAIN };
        let ran = trial.run::<J>(&[], setting)?;
        ends.push(match ran.outcome.failure {
            None => Ok(ran.lines("part-")),
            Some((_, failure)) => Err(failure.message),
        });
    }
    assert!(
        ends.windows(2).all(|two| two[0] == two[1]),
        "{:?}",
        ends.iter().map(|end| end.is_ok())
    );
    ends.pop().ok_or_else(|| "no run".into())
}

/// Returns the lines of one key's numbers, at random places among `others` other keys.
fn among_others(numbers: &[&str], others: u64) -> Vec<String> {
    let mut random = Random(3);
    let mut lines: Vec<String> = (0..others).map(|key| format!("other-{key:07} 1\n")).collect();
    for (i, number) in numbers.iter().enumerate() {
        let place = random.below(lines.len() as u64 + 1) as usize;
        lines.insert(place.max(i), format!("it {number}\n"));
    }
    lines
}

#[test]
fn totals_that_fit_are_right_though_partial_sums_overflow() -> Result {
    let lines = |numbers: &[&str]| among_others(&numbers.repeat(100), 300);
    for (found, expected) in [
        (ends::<OfI8>(&lines(&["127", "-128", "100", "-99"]))?, None),
        (ends::<OfI8>(&among_others(&["127", "127", "-127", "-128", "1"], 10))?, Some("it\t0")),
        (ends::<OfI32>(&lines(&["2147483647", "-2147483648", "3"]))?, Some("it\t200")),
        (ends::<OfI64>(&lines(&["9223372036854775807", "-9223372036854775807"]))?, Some("it\t0")),
        (
            ends::<OfI128>(&lines(&[
                "170141183460469231731687303715884105727",
                "-170141183460469231731687303715884105727",
            ]))?,
            Some("it\t0"),
        ),
        (ends::<OfU8>(&among_others(&["1"; 255], 10))?, Some("it\t255")),
        (ends::<OfU128>(&lines(&["5"]))?, Some("it\t500")),
    ] {
        match (found, expected) {
            (Ok(lines), Some(expected)) => assert!(lines.iter().any(|line| line == expected)),
            (Ok(lines), None) => assert!(lines.iter().any(|line| line == "it\t0")),
            (Err(message), _) => return Err(message.into()),
        }
    }
    Ok(())
}

#[test]
fn totals_that_do_not_fit_fail_and_name_the_key() -> Result {
    for (found, number) in [
        (ends::<OfI8>(&among_others(&["127", "100", "-99"], 300))?, "i8"),
        (ends::<OfI64>(&among_others(&["-9223372036854775808", "-1"], 300))?, "i64"),
        (ends::<OfU8>(&among_others(&["1"; 256], 10))?, "u8"),
        (
            ends::<OfU128>(&among_others(&["340282366920938463463374607431768211455", "1"], 9))?,
            "u128",
        ),
    ] {
        let message = found.err().ok_or("a total that does not fit")?;
        let said = format!("the sum of the values of key `it` does not fit into {number}\nhint: ");
        assert!(message.starts_with(&said), "{message}");
    }
    Ok(())
}

#[test]
fn sums_that_overflow_while_tables_spill_are_right() -> Result {
    let lines = among_others(&["9223372036854775807", "-9223372036854775807"].repeat(500), 400_000);
    let lines = ends::<OfI64>(&lines)??;
    assert!(lines.iter().any(|line| line == "it\t0"));
    assert_eq!(lines.len(), 400_001);
    Ok(())
}

/// Keeps numbers in lists of at most three.
#[derive(Args, Serialize, Deserialize)]
struct Lists {}

struct UpToThree;

impl Combine<Lists> for UpToThree {
    type Acc = Vec<u32>;

    const EXACT: bool = true;

    fn start(&self, value: Vec<u32>) -> Result<Vec<u32>, Error> {
        Ok(value)
    }

    fn fold(&self, acc: &mut Vec<u32>, value: Vec<u32>) -> Result<(), Error> {
        if acc.len() + value.len() > 3 {
            return Err(KeepApart.into());
        }
        acc.extend(value);
        Ok(())
    }

    fn value(&self, acc: &Vec<u32>) -> Result<Vec<u32>, Error> {
        Ok(acc.clone())
    }
}

impl Job for Lists {
    type Input = Lines;
    type Key<'a> = u32;
    type Value<'a> = Vec<u32>;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        let number: u32 = line.to_str()?.parse()?;
        out.emit(number % 7, vec![number])
    }

    fn combiner(&self) -> impl Combine<Self> {
        UpToThree
    }

    fn reduce(&self, key: u32, mut v: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        let mut all = Vec::new();
        while let Some(list) = v.next()? {
            all.extend(list);
        }
        all.sort_unstable();
        out.write((key, format!("{all:?}")))
    }
}

#[test]
fn user_combiner_may_keep_values_apart() -> Result {
    let lines: Vec<String> = (0..1_000).map(|number| format!("{number}\n")).collect();
    let lines = ends::<Lists>(&lines)??;
    assert_eq!(lines.len(), 7);
    let expected: Vec<u32> = (0..1_000).filter(|number| number % 7 == 3).collect();
    assert_eq!(lines[3], format!("3\t{expected:?}"));
    gristmill::testing::check(Lists {}).input("1\n8\n15\n22\n29\n36\n").run();
    Ok(())
}

/// Reduces keys, and fails on some of them, which are then set aside.
#[derive(Args, Serialize, Deserialize)]
struct Fields {}

impl Job for Fields {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        out.emit(line, 1)
    }

    fn reduce(&self, key: &Text, n: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        out.write(("before", n.sum()?))?;
        assert!(key != "panic", "a bad key");
        out.write((key, "after"))
    }
}

#[test]
fn keys_that_cannot_be_written_are_set_aside_with_all_that_they_wrote() -> Result {
    let trial = Trial::new(vec![(0, "in".into(), b"a\nb\tc\npanic\nz\nb\tc\n".to_vec())])?;
    let setting = Setting { max_bad_records: 2, ..Setting::PLAIN };
    let ran = trial.run::<Fields>(&[], setting)?;
    assert_eq!(ran.outcome.state, JobState::Succeeded, "{:?}", ran.outcome.failure);
    assert_eq!(ran.lines("part-"), ["before\t1", "a\tafter", "before\t1", "z\tafter"]);
    let bad = ran.lines("_bad/");
    assert_eq!((bad.len(), ran.outcome.bad_records), (2, 2));
    assert!(bad[0].starts_with(r#"{"key":"b\tc","error":"#), "{}", bad[0]);
    assert!(bad[1].starts_with(r#"{"key":"panic","error":"a bad key","at":"#), "{}", bad[1]);

    let ran = trial.run::<Fields>(&[], Setting { max_bad_records: 1, ..Setting::PLAIN })?;
    let (_, failure) = ran.outcome.failure.ok_or("one too many")?;
    assert_eq!(
        (failure.message.as_str(), failure.details[0].as_str()),
        ("a bad key", "key: `panic`")
    );
    Ok(())
}
