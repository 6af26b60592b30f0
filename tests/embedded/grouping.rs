//! A combiner that is not exact gives the same bytes with any amount of memory and any number of threads.

use clap::Args;
use gristmill::prelude::{Combine, Emitter, Error, Job, Lines, Sum, Text, Tsv, Values, Writer};
use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::trial::{Result, Setting, Trial};

/// Sums floats. The last digits depend on how they are grouped.
#[derive(Args, Serialize, Deserialize)]
struct Floats {}

impl Job for Floats {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = f64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        let (key, number) = line.split_once(b' ').ok_or("a line is a key and a number")?;
        let number: f64 = number.to_str()?.parse()?;
        out.emit(key, number / 7.0 * 1e3_f64.powf(number % 5.0))
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, key: &Text, v: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        out.write((key, v.sum()?))
    }
}

/// Records how values were grouped, as `(1 2) 3`.
#[derive(Args, Serialize, Deserialize)]
struct Brackets {}

/// A combiner that does not declare that it is exact.
struct InBrackets;

impl Combine<Brackets> for InBrackets {
    type Acc = String;

    fn start(&self, value: &str) -> Result<String, Error> {
        Ok(value.to_owned())
    }

    fn fold(&self, acc: &mut String, value: &str) -> Result<(), Error> {
        if !acc.starts_with('(') {
            *acc = format!("({acc})");
        }
        acc.insert_str(acc.len() - 1, &format!(" {value}"));
        Ok(())
    }

    fn value<'a>(&self, acc: &'a String) -> Result<&'a str, Error> {
        Ok(acc)
    }

    fn heap_bytes(&self, acc: &String) -> usize {
        acc.capacity()
    }
}

impl Job for Brackets {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = &'a str;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        let (key, number) = line.split_once(b' ').ok_or("a line is a key and a number")?;
        out.emit(key, number.to_str()?)
    }

    fn combiner(&self) -> impl Combine<Self> {
        InBrackets
    }

    fn reduce(&self, key: &Text, mut v: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        let mut all = String::new();
        while let Some(value) = v.next()? {
            all = format!("{all} {value}");
        }
        out.write((key, all))
    }
}

/// Returns lines of a key and a number. Some keys are frequent and some rare, and there are long ones of both kinds.
fn lines() -> Vec<u8> {
    let mut random = Random(11);
    let mut lines = String::new();
    for number in 0..600_000 {
        let key = if random.below(2) == 0 { random.below(100) } else { random.below(60_000) };
        let width = if key % 3 == 0 { 24 } else { 5 };
        lines += &format!("{key:0width$} {}\n", number % 1000);
    }
    lines.into_bytes()
}

fn gives_the_same_bytes<J: Job>() -> Result<Vec<u8>> {
    let trial = Trial::new(vec![(0, "in.txt".into(), lines())])?;
    let run = |threads, memory_bytes, split_bytes| {
        let reducers = Some(3);
        let split_bytes = Some(split_bytes);
        trial.run::<J>(
            &[],
            Setting { threads, memory_bytes, split_bytes, reducers, ..Setting::PLAIN },
        )
    };
    let mut parts = Vec::new();
    // The first setting has few maps, which spill early. The second one has many, whose spills are merged in passes.
    for (split_bytes, merges) in [(3 << 20, false), (128 << 10, true)] {
        let plenty = run(2, 1 << 30, split_bytes)?;
        assert_eq!(plenty.outcome.collected.spills, 0);
        for threads in [1, 2, 3] {
            let little = run(threads, 16 << 20, split_bytes)?;
            let spills = little.outcome.collected.spills;
            assert!(spills > 0, "nothing was spilled with splits of {split_bytes}");
            assert!(little.outcome.merges > 0 || !merges, "nothing was merged");
            assert!(plenty.parts == little.parts, "{threads} threads, splits of {split_bytes}");
        }
        parts = plenty.joined("part-");
    }
    Ok(parts)
}

#[test]
fn sums_of_floats_do_not_depend_on_memory_or_threads() -> Result {
    gives_the_same_bytes::<Floats>().map(drop)
}

#[test]
fn combiners_that_are_not_exact_do_not_depend_on_memory_or_threads() -> Result {
    let grouped = String::from_utf8(gives_the_same_bytes::<Brackets>()?)?;
    let line = grouped.lines().next().unwrap_or_default();
    assert!(line.contains("\t (") && line.matches('(').count() > 2, "values were not combined");
    Ok(())
}
