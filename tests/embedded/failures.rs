//! How a run ends after a bad record or an error in the job's code.

use clap::Args;
use gristmill::model::{Cause, JobState};
use gristmill::prelude::{
    Combine, Emitter, Error, Job, Lines, NoCombiner, Partition, Sum, Text, Tsv, Values, Writer,
};
use serde::{Deserialize, Serialize};

use crate::jobs::join_orders::JoinOrders;
use crate::trial::{Result, Setting, Trial};

/// Emits the words of a line, but fails at the word `error` and panics at the word `panic`.
#[derive(Args, Serialize, Deserialize)]
struct Touchy {}

const ERROR_LINE: u32 = line!() + 12;

impl Job for Touchy {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        for word in line.words() {
            out.emit(word, 1)?;
            if word == "error" {
                Err("bad word")?;
            }
            assert!(word != "panic", "worse word");
        }
        Ok(())
    }

    fn reduce(&self, word: &Text, n: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        if word == "reduce-fails" {
            return Err(Error::new("bad key"));
        }
        out.write((word, n.sum()?))
    }
}

fn trial(text: &str) -> Result<Trial> {
    Trial::new(vec![(0, "in.txt".into(), text.into())])
}

#[test]
fn an_error_and_a_panic_name_their_line_and_the_record() -> Result {
    let table = [
        ("fine\nx error y\n", Cause::UserError, "bad word", ERROR_LINE, "x error y"),
        ("fine\nan panic\n", Cause::Panic, "worse word", ERROR_LINE + 2, "an panic"),
    ];
    for (text, cause, message, line, excerpt) in table {
        let ran = trial(text)?.run::<Touchy>(&[], Setting::PLAIN)?;
        assert_eq!(ran.outcome.state, JobState::Failed);
        let (attempt, failure) = ran.outcome.failure.clone().ok_or("no failure is reported")?;
        assert_eq!((attempt.to_string().as_str(), failure.cause), ("j1/m0#1", cause));
        assert_eq!(failure.message, message);
        assert_eq!(failure.at, Some(format!("{}:{line}", file!())));
        let record = failure.record.ok_or("no record is named")?;
        assert_eq!((record.offset, record.excerpt.as_slice()), (5, excerpt.as_bytes()));
        assert!(ran.parts.is_empty() && ran.litter.is_empty(), "{:?}", ran.litter);
    }
    Ok(())
}

/// A partitioner that misbehaves as a flag says.
struct Wrong(Part);

#[derive(Clone, Copy, clap::ValueEnum, Serialize, Deserialize)]
enum Part {
    OneTooMany,
    Last,
    Refuse,
    Panic,
}

macro_rules! parted {
    ($($name:ident $combiner:expr;)*) => {$(
        #[derive(Args, Serialize, Deserialize)]
        struct $name {
            #[arg(long, value_enum)]
            part: Part,
        }

        impl Partition<$name> for Wrong {
            fn partition(&self, _: &Text, parts: u32) -> Result<u32, Error> {
                match self.0 {
                    Part::OneTooMany => Ok(parts),
                    Part::Last => Ok(u32::MAX),
                    Part::Refuse => Err("no part for it".into()),
                    Part::Panic => panic!("no part at all"),
                }
            }
        }

        impl Job for $name {
            type Input = Lines;
            type Key<'a> = &'a Text;
            type Value<'a> = u64;
            type Output = Tsv;

            fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
                out.emit(line, 1)
            }

            fn combiner(&self) -> impl Combine<Self> {
                $combiner
            }

            fn partitioner(&self) -> impl Partition<Self> {
                Wrong(self.part)
            }

            fn reduce(&self, k: &Text, v: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
                out.write((k, v.sum()?))
            }
        }
    )*};
}
parted! {
    Parted NoCombiner;
    PartedAndCombined Sum;
}

fn partitioner_is_blamed<J: Job>() -> Result {
    for (part, said, detail) in [
        (
            "one-too-many",
            "the partitioner chose partition 2, but the highest partition number is 1 (parts: 2)\nhint: ",
            true,
        ),
        (
            "last",
            "the partitioner chose partition 4294967295, but the highest partition number is 1 (parts: 2)\nhint: ",
            true,
        ),
        ("refuse", "no part for it", true),
        ("panic", "no part at all", false),
    ] {
        let setting = Setting { reducers: Some(2), ..Setting::PLAIN };
        let ran = trial("a\na\n")?.run::<J>(&["--part", part], setting)?;
        let (_, failure) = ran.outcome.failure.ok_or("no failure is reported")?;
        assert!(failure.message.starts_with(said), "{part}: {}", failure.message);
        assert!(!format!("{failure:?}").contains("combining"), "{part}: {failure:?}");
        let details = failure.details.join("\n");
        assert_eq!(
            details.contains("while choosing the partition of key \"a\""),
            detail,
            "{details}"
        );
        assert!(ran.parts.is_empty() && ran.litter.is_empty());
    }
    Ok(())
}

#[test]
fn mistakes_of_a_partitioner_are_called_so() -> Result {
    partitioner_is_blamed::<Parted>()?;
    partitioner_is_blamed::<PartedAndCombined>()
}

#[test]
fn an_error_in_a_reduce_fails_the_job_without_a_record() -> Result {
    let ran = trial("a reduce-fails\n")?.run::<Touchy>(&[], Setting::PLAIN)?;
    let (attempt, failure) = ran.outcome.failure.ok_or("no failure is reported")?;
    assert_eq!((attempt.to_string().as_str(), failure.message.as_str()), ("j1/r0#1", "bad key"));
    assert!(failure.record.is_none() && ran.parts.is_empty() && ran.litter.is_empty());
    Ok(())
}

#[test]
fn bad_records_are_set_aside_and_take_nothing_else_with_them() -> Result {
    let mut text = String::new();
    for i in 0..5_000 {
        text += ["good one\n", "bad error\n", "good two\n", "half panic\n"]
            [usize::from(i % 1_000 == 7) * (1 + i / 1_000 % 2 * 2)];
    }
    for threads in [1, 3] {
        let setting =
            Setting { max_bad_records: 5, threads, split_bytes: Some(4 << 10), ..Setting::PLAIN };
        let ran = trial(&text)?.run::<Touchy>(&[], setting)?;
        assert_eq!(ran.outcome.state, JobState::Succeeded, "{:?}", ran.outcome.failure);
        assert_eq!(ran.lines("part-"), ["good\t4995", "one\t4995"]);
        let bad = ran.lines("_bad/");
        assert_eq!((bad.len(), ran.outcome.bad_records), (5, 5));
        let manifest = ran.outcome.manifest.as_ref().ok_or("what succeeded has a manifest")?;
        assert_eq!((manifest.records, manifest.bad_records()), (2, 5), "bad ones are no output");
        assert!(bad.iter().all(|line| line.contains("in.txt")
            && line.contains("\"offset\":")
            && line.contains("failures.rs")));
        let less = Setting { max_bad_records: 4, ..setting };
        let ran = trial(&text)?.run::<Touchy>(&[], less)?;
        assert_eq!(ran.outcome.state, JobState::Failed);
        assert!(ran.parts.is_empty() && ran.litter.is_empty());
    }
    Ok(())
}

#[test]
fn unreadable_record_does_not_affect_the_previous_one() -> Result {
    let orders = "{\"user\":\"u1\",\"item\":\"lamp\",\"cents\":1}\n{\"user\":1}\n{\"user\":\"u1\",\"item\":\"desk\",\"cents\":2}\n";
    let files =
        vec![(0, "users".into(), b"u1\tAnn\n".to_vec()), (1, "orders".into(), orders.into())];
    let setting = Setting { max_bad_records: 1, ..Setting::PLAIN };
    let ran = Trial::new(files)?.run::<JoinOrders>(&[], setting)?;
    assert_eq!(ran.lines("part-"), ["u1\tAnn\tlamp\t1", "u1\tAnn\tdesk\t2"]);
    assert_eq!(ran.lines("_bad/").len(), 1);
    Ok(())
}
