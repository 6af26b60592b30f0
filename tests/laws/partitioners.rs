//! Partitioners with a planted mistake.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, broken, check};

/// Defines a job with a given partitioner.
macro_rules! partitioned {
    ($name:ident, $partitioner:expr) => {
        job!($name {
            #[arg(skip)]
            #[serde(skip)]
            lines: Cell<u32>,
        }, input Lines, value u64, {
            fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
                self.lines.set(self.lines.get() + 1);
                line.words().try_for_each(|word| out.emit(word, 1))
            }
            fn partitioner(&self) -> impl Partition<Self> {
                let make: fn(&Self) -> _ = $partitioner;
                make(self)
            }
            fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
                out.write((word, values.sum()?))
            }
        });
    };
}

#[derive(Default)]
struct RoundRobin(AtomicU32);

impl<J: Job> Partition<J> for RoundRobin {
    fn partition(&self, _: J::Key<'_>, parts: u32) -> Result<u32> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed) % parts)
    }
}

struct Always(u32);

impl<J: Job> Partition<J> for Always {
    fn partition(&self, _: J::Key<'_>, parts: u32) -> Result<u32> {
        Ok(self.0 % parts)
    }
}

struct OneTooMany;

impl<J: Job> Partition<J> for OneTooMany {
    fn partition(&self, _: J::Key<'_>, parts: u32) -> Result<u32> {
        Ok(parts)
    }
}

partitioned!(InTurn, |_| RoundRobin::default());
partitioned!(ByLines, |job| Always(job.lines.get()));
partitioned!(OutOfRange, |_| OneTooMany);

#[test]
fn a_partitioner_that_takes_turns_is_not_a_function_of_the_key() {
    let violation = broken(InTurn::default());
    assert!(matches!(violation.breach, Breach::PartitionDiffers { .. }), "{violation}");
    let sentence = violation.to_string();
    assert!(
        sentence.starts_with("the partitioner is not a function of the key: it puts key "),
        "{sentence}"
    );
}

#[test]
fn a_partitioner_that_sees_what_the_task_has_mapped_is_found() {
    let violation = broken(ByLines::default());
    let when = "in a task that has mapped records";
    assert!(
        matches!(violation.breach, Breach::PartitionDiffers { when: at, .. } if at == when),
        "{violation}"
    );
}

#[test]
fn a_partitioner_out_of_range_is_found() {
    let violation = broken(OutOfRange::default());
    assert!(
        matches!(violation.breach, Breach::PartitionOutOfRange { partition: 1, parts: 1, .. }),
        "{violation}"
    );
}

/// Partitions by the whole key, although groups share only the first letter.
#[derive(Args, Serialize, Deserialize)]
struct ByLetter {}

struct ByOrder;

impl Partition<ByLetter> for ByOrder {
    fn partition(&self, key: Grouped<char, String>, parts: u32) -> Result<u32> {
        Ok(key.order.len() as u32 % parts)
    }
}

impl Job for ByLetter {
    type Input = Utf8Lines;
    type Key<'a> = Grouped<char, String>;
    type Value<'a> = ();
    type Output = Tsv;

    fn map(&self, line: &str, out: &mut Emitter<Self>) -> Result {
        for word in line.split_ascii_whitespace() {
            let first = word.chars().next().unwrap_or_default();
            out.emit(Grouped { group: first, order: word.to_owned() }, ())?;
        }
        Ok(())
    }

    fn partitioner(&self) -> impl Partition<Self> {
        ByOrder
    }

    fn reduce(&self, letter: char, words: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((letter.to_string(), words.count()?))
    }
}

#[test]
fn a_partitioner_that_splits_groups_is_found() {
    let violation = check(ByLetter {}).input("the tree\n").verdict().expect_err("found");
    assert!(matches!(violation.breach, Breach::PartitionSplitsGroup { .. }), "{violation}");
}
