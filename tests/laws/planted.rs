//! One mistake per law, planted.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use clap::Args;
use gristmill::format::{self, Last, Source};
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, Law, TEXT, broken, check};

/// A job over lines of text with word keys, whose other parts are given.
macro_rules! job {
    ($name:ident { $($fields:tt)* }, input $input:ty, value $value:ty, { $($parts:item)* }) => {
        #[derive(Args, Serialize, Deserialize, Default)]
        struct $name { $($fields)* }

        impl Job for $name {
            type Input = $input;
            type Key<'a> = &'a Text;
            type Value<'a> = $value;
            type Output = Tsv;
            $($parts)*
        }
    };
}

/// A combiner over values of one type, given as what it does with them.
macro_rules! combiner {
    ($name:ident of $job:ident, $value:ty, $fold:expr) => {
        struct $name;

        impl Combine<$job> for $name {
            type Acc = $value;

            fn start(&self, value: $value) -> Result<$value> {
                Ok(value)
            }

            fn fold(&self, acc: &mut $value, value: $value) -> Result {
                let fold: fn($value, $value) -> $value = $fold;
                *acc = fold(*acc, value);
                Ok(())
            }

            fn value<'a>(&self, acc: &'a $value) -> Result<$value> {
                Ok(*acc)
            }
        }
    };
}

job!(MeanOfMeans {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        (1..).zip(line.words()).try_for_each(|(place, word)| out.emit(word, place * 64))
    }
    fn combiner(&self) -> impl Combine<Self> {
        Halfway
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let values = values.to_vec()?;
        out.write((word, values.iter().sum::<u64>() / values.len() as u64))
    }
});
combiner!(Halfway of MeanOfMeans, u64, |acc, value| (acc + value) / 2);

#[test]
fn a_mean_of_means_is_not_associative() {
    let violation = broken(MeanOfMeans::default());
    assert_eq!(violation.breach.law(), Some(Law::CombinerIsAssociative), "{violation}");
    let Breach::CombinerGroups { key, values, grouping, .. } = &violation.breach else {
        panic!("{violation}")
    };
    assert_eq!((key.as_str(), values.as_str()), ("\"the\"", "[64, 256, 128]"));
    assert_eq!(grouping, "(64 (256 128))");
}

job!(LastPlace {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        (1..).zip(line.words()).try_for_each(|(place, word)| out.emit(word, place))
    }
    fn combiner(&self) -> impl Combine<Self> {
        KeepLast
    }
    fn reduce(&self, word: &Text, mut values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let mut last = 0;
        while let Some(value) = values.next()? {
            last = value;
        }
        out.write((word, last))
    }
});
combiner!(KeepLast of LastPlace, u64, |_, value| value);

#[test]
fn keeping_the_last_is_not_commutative() {
    let violation = broken(LastPlace::default());
    assert_eq!(violation.breach.law(), Some(Law::CombinerIsCommutative), "{violation}");
}

job!(Squares {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }
    fn reduce(&self, word: &Text, mut values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let mut squares = 0;
        while let Some(value) = values.next()? {
            squares += value * value;
        }
        out.write((word, squares))
    }
});

#[test]
fn a_reduce_that_minds_the_combiner_is_found() {
    let violation = broken(Squares::default());
    assert_eq!(violation.breach.law(), Some(Law::CombinerIsOptional), "{violation}");
}

job!(Doubling {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn combiner(&self) -> impl Combine<Self> {
        Twice
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

/// Counts each value twice, and so on each way through.
struct Twice;

impl Combine<Doubling> for Twice {
    type Acc = u64;

    fn start(&self, value: u64) -> Result<u64> {
        Ok(value * 2)
    }

    fn fold(&self, acc: &mut u64, value: u64) -> Result {
        *acc += value * 2;
        Ok(())
    }

    fn value<'a>(&self, acc: &'a u64) -> Result<u64> {
        Ok(*acc)
    }
}

#[test]
fn a_combiner_that_does_not_take_its_own_results_is_found() {
    let violation = broken(Doubling::default());
    assert_eq!(violation.breach.law(), Some(Law::CombinerRoundTrips), "{violation}");
}

job!(Numbered {
    #[arg(skip)]
    #[serde(skip)]
    lines: Cell<u64>,
}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        self.lines.set(self.lines.get() + 1);
        line.words().try_for_each(|word| out.emit(word, self.lines.get()))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn hidden_state_between_records_shows_in_the_cuts() {
    let violation = broken(Numbered::default());
    assert_eq!(
        violation.to_string(),
        "the result depends on where the input is cut: for key \"and\" one map task gives \"and\\t4\", map tasks over \
         input-1.txt 0-1 | input-1.txt 1-29 give \"and\\t2\"; keep nothing from one record to the next and do not use \
         the task's number, and what a task gathers, emit in `cleanup` \
         (seed 0, input \"\\nand the wheel and the river\\n\")"
    );
}

static LINES: AtomicU64 = AtomicU64::new(0);

job!(NumberedForEver {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        line.words().try_for_each(|word| out.emit(word, number))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn hidden_state_in_a_static_shows_when_a_record_is_mapped_again() {
    let violation = broken(NumberedForEver::default());
    assert_eq!(violation.breach.law(), Some(Law::MapIsDeterministic), "{violation}");
    assert!(violation.to_string().contains("static"), "{violation}");
}

job!(Shuffled {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let chance = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        line.words().try_for_each(|word| out.emit(word, chance))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.count()?))
    }
});

#[test]
fn a_map_that_draws_by_chance_is_not_deterministic() {
    let violation = broken(Shuffled::default());
    assert_eq!(violation.breach.law(), Some(Law::MapIsDeterministic), "{violation}");
}

job!(Header {
    #[arg(skip)]
    #[serde(skip)]
    seen: Cell<bool>,
}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        if !self.seen.replace(true) {
            return Ok(());
        }
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

job!(TaskNumber {
    #[arg(skip)]
    #[serde(skip)]
    task: u64,
}, input Lines, value u64, {
    fn setup(&mut self, task: &Task) -> Result {
        self.task = u64::from(task.id.index);
        Ok(())
    }
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, self.task))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn maps_that_depend_on_the_split_are_found() {
    for violation in [broken(Header::default()), broken(TaskNumber::default())] {
        assert_eq!(violation.breach.law(), Some(Law::CutsDoNotShow), "{violation}");
    }
}

/// Lines, but a range begins with whatever stands there.
struct Torn(Source);

impl Input for Torn {
    type Record<'a> = &'a Text;

    fn open(source: Source) -> Result<Self, format::Error> {
        Ok(Torn(source))
    }

    fn next(&mut self) -> Result<Option<&Text>, format::Error> {
        if self.0.offset() >= self.0.range().end {
            return Ok(None);
        }
        let found = self.0.find(b"\n")?;
        let (line, bytes) = match found {
            Some(end) => (end, end + 1),
            None => (self.0.window().len(), self.0.window().len()),
        };
        Ok(Some(Text::new(self.0.lend(0..line, bytes))))
    }

    fn last(&self) -> Last<'_> {
        self.0.last()
    }
}

job!(TornLines {}, input Torn, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn an_input_format_that_tears_records_is_found() {
    let violation = broken(TornLines::default());
    assert_eq!(violation.breach.law(), Some(Law::RecordsAreFound), "{violation}");
}

job!(FirstPlace {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        (1..).zip(line.words()).try_for_each(|(place, word)| out.emit(word, place))
    }
    fn reduce(&self, word: &Text, mut values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let first = values.next()?.unwrap_or(0);
        out.write((word, first))
    }
});

#[test]
fn a_reduce_whose_first_value_wins_depends_on_order() {
    let violation = broken(FirstPlace::default());
    assert_eq!(violation.breach.law(), Some(Law::ValueOrderDoesNotShow), "{violation}");
    check(FirstPlace::default()).input(TEXT).ordered_values().run();
}

job!(Ranked {
    #[arg(skip)]
    #[serde(skip)]
    rank: Cell<u64>,
}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, _: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        self.rank.set(self.rank.get() + 1);
        out.write((word, self.rank.get()))
    }
});

#[test]
fn a_reduce_that_counts_its_calls_is_not_deterministic() {
    let violation = broken(Ranked::default());
    assert_eq!(violation.breach.law(), Some(Law::ReduceIsDeterministic), "{violation}");
}

job!(Share {
    #[arg(skip)]
    #[serde(skip)]
    reducers: u64,
}, input Lines, value u64, {
    fn setup(&mut self, task: &Task) -> Result {
        self.reducers = u64::from(task.reducers);
        Ok(())
    }
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.count()? * self.reducers))
    }
});

#[test]
fn a_reduce_that_uses_the_number_of_reducers_is_found() {
    let violation = broken(Share::default());
    assert_eq!(violation.breach.law(), Some(Law::ReducersDoNotShow), "{violation}");
}

/// A job whose partitioner is given.
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
}

#[test]
fn a_partitioner_that_sees_what_the_task_has_mapped_is_found() {
    let violation = broken(ByLines::default());
    let when = "asked in a task that has mapped records";
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

/// Partitions by the whole key, though it is only grouped by the first letter.
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

job!(Strict {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        out.emit(line, line.to_str()?.parse()?)
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn what_stands_in_the_way_of_a_check_is_said() {
    let violation = broken(Strict::default());
    let sentence = violation.to_string();
    assert!(
        sentence.starts_with("the map failed on record \"the mill and the river\" at tests/laws/"),
        "{sentence}"
    );
    assert!(sentence.contains("invalid digit found in string"), "{sentence}");
    for check in [check(Strict::default()), check(Strict::default()).input("")] {
        assert_eq!(check.verdict().expect_err("nothing to check").breach, Breach::NoRecords);
    }
    let nowhere = check(Strict::default()).input("1").temporary("/nowhere/at/all").verdict();
    assert!(matches!(nowhere.expect_err("no folder").breach, Breach::NotRun { .. }));
}

#[test]
fn a_seed_gives_the_same_sentence_again() {
    let found =
        |seed| check(FirstPlace::default()).input(TEXT).seed(seed).verdict().expect_err("found");
    assert_eq!(found(7), found(7));
    assert_eq!(found(7).seed, 7);
}

#[test]
fn a_run_panics_with_the_sentence() {
    let panic = std::panic::catch_unwind(|| check(FirstPlace::default()).input(TEXT).run());
    let panic = panic.expect_err("it panics");
    let sentence = panic.downcast_ref::<String>().expect("with a sentence");
    assert!(
        sentence.starts_with("the reduce depends on the order of values: for key "),
        "{sentence}"
    );
}
