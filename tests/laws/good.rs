//! Jobs that obey the laws, of every kind that an author can write.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use clap::Args;
use gristmill::prelude::*;
use gristmill::testing::check;
use serde::{Deserialize, Serialize};

use super::{Law, TEXT};

#[derive(Args, Serialize, Deserialize)]
struct WordCount {
    #[arg(long)]
    lowercase: bool,
    /// Filled in `setup`, so it is not part of the serialized job.
    #[arg(skip)]
    #[serde(skip)]
    stop_words: Vec<String>,
}

impl Job for WordCount {
    type Input = Lines;
    type Key<'a> = &'a str;
    type Value<'a> = u64;
    type Output = Tsv;

    fn setup(&mut self, _: &Task) -> Result {
        self.stop_words = vec!["and".into()];
        Ok(())
    }

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        for word in line.words() {
            let word = word.to_str()?;
            let word = if self.lowercase { word.to_lowercase() } else { word.into() };
            if !self.stop_words.contains(&word) {
                out.emit(&word, 1)?;
            }
        }
        Ok(())
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, word: &str, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, counts.sum()?))
    }
}

#[test]
fn word_count_obeys() {
    let job = WordCount { lowercase: true, stop_words: Vec::new() };
    let report = check(job).input(TEXT).input("").input("The\r\nend").verdict().expect("obeys");
    assert_eq!((report.records, report.groups), (7, 6));
    assert_eq!(report.unchecked, [(Law::PartitionIsOfKey, "the job uses a built-in partitioner")]);
}

/// A mean per word length, combined by sum and count. Each map task folds values first, and emits the means in
/// `cleanup`.
#[derive(Args, Serialize, Deserialize, Default)]
struct MeanPlace {
    #[arg(skip)]
    #[serde(skip)]
    gathered: RefCell<HashMap<u32, (u64, u64)>>,
}

#[derive(Clone, Copy)]
struct Pairwise;

impl Combine<MeanPlace> for Pairwise {
    type Acc = (u64, u64);

    const EXACT: bool = true;

    fn start(&self, value: (u64, u64)) -> Result<(u64, u64)> {
        Ok(value)
    }

    fn fold(&self, acc: &mut (u64, u64), value: (u64, u64)) -> Result {
        *acc = (acc.0 + value.0, acc.1 + value.1);
        Ok(())
    }

    fn value(&self, acc: &(u64, u64)) -> Result<(u64, u64)> {
        Ok(*acc)
    }
}

struct ByLength;

impl Partition<MeanPlace> for ByLength {
    fn partition(&self, key: u32, parts: u32) -> Result<u32> {
        Ok(key % parts)
    }
}

impl Job for MeanPlace {
    type Input = Lines;
    type Key<'a> = u32;
    type Value<'a> = (u64, u64);
    type Output = Json;

    fn map(&self, line: &Text, _: &mut Emitter<Self>) -> Result {
        let mut gathered = self.gathered.borrow_mut();
        for (place, word) in (0..).zip(line.words()) {
            let (sum, count) = gathered.entry(word.len() as u32).or_default();
            (*sum, *count) = (*sum + place, *count + 1);
        }
        Ok(())
    }

    fn cleanup(&self, out: &mut Emitter<Self>) -> Result {
        // The order is that of a hash map, which does not matter: each key is emitted once.
        self.gathered.take().into_iter().try_for_each(|(length, mean)| out.emit(length, mean))
    }

    fn combiner(&self) -> impl Combine<Self> {
        Pairwise
    }

    fn partitioner(&self) -> impl Partition<Self> {
        ByLength
    }

    fn reduce(&self, length: u32, mut values: Values<Self>, out: &mut Writer<Json>) -> Result {
        let (mut sum, mut count) = (0, 0);
        while let Some(mean) = values.next()? {
            (sum, count) = (sum + mean.0, count + mean.1);
        }
        out.write((length, sum as f64 / count as f64))
    }
}

#[test]
fn a_map_that_combines_by_itself_obeys_beside_its_combiner() {
    let report = check(MeanPlace::default()).input(TEXT).verdict().expect("obeys");
    assert_eq!(report.unchecked, []);
}

#[test]
fn a_combiner_that_has_nothing_to_combine_is_not_called_checked() {
    let refused = check(MeanPlace::default()).input("a mill\nby\n").verdict();
    let refused = refused.expect_err("each length once");
    assert!(refused.to_string().starts_with("no key of the input has three values"), "{refused}");
}

/// A secondary sort: each user's actions in the order of time.
#[derive(Args, Serialize, Deserialize)]
struct History {}

impl Job for History {
    type Input = Lines;
    type Key<'a> = Grouped<&'a Text, u32>;
    type Value<'a> = &'a Text;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let mut fields = line.split(b' ');
        let (Some(user), Some(time), Some(what)) = (fields.next(), fields.next(), fields.next())
        else {
            return Ok(());
        };
        out.emit(Grouped { group: user, order: time.to_str()?.parse()? }, what)
    }

    fn reduce(&self, user: &Text, mut events: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let mut at_once: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        while let Some((time, what)) = events.next_ordered()? {
            at_once.entry(time).or_default().push(what.to_string());
        }
        for (time, mut what) in at_once {
            what.sort();
            out.write((user, time, what.join("+")))?;
        }
        Ok(())
    }
}

/// A job like [`History`] whose reduce relies on the order of its group. Within a moment it relies on the order of the
/// input.
#[derive(Args, Serialize, Deserialize)]
struct Path {}

impl Job for Path {
    type Input = Lines;
    type Key<'a> = Grouped<&'a Text, u32>;
    type Value<'a> = &'a Text;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let mut fields = line.split(b' ');
        let (Some(user), Some(time), Some(what)) = (fields.next(), fields.next(), fields.next())
        else {
            return Ok(());
        };
        out.emit(Grouped { group: user, order: time.to_str()?.parse()? }, what)
    }

    fn reduce(&self, user: &Text, mut events: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let mut path = String::new();
        while let Some(what) = events.next()? {
            path.push_str(&what.to_string());
        }
        out.write((user, path))
    }
}

const EVENTS: &str = "ann 3 c\nbob 1 x\nann 1 a\nann 2 b\nbob 1 y\nbob 0 w\nbob 1 z\n";

#[test]
fn secondary_sort_keeps_its_order_and_only_equal_keys_change_theirs() {
    check(History {}).input(EVENTS).run();
    let violation = check(Path {}).input(EVENTS).verdict().expect_err("x, y and z are at one time");
    assert_eq!(violation.breach.law(), Some(Law::ValueOrderDoesNotShow), "{violation}");
    check(Path {}).input(EVENTS).ordered_values().run();
}

/// Lines with a word, each with its file's path. There is no reduce.
#[derive(Args, Serialize, Deserialize)]
struct Grep {
    #[arg(long)]
    word: String,
}

const MATCHES: Side<Tsv> = Side::new("matches");
const LINES: Counter = Counter::new("grep", "lines");

impl MapJob for Grep {
    type Input = Lines;
    type Output = Gzip<TextLines>;

    fn map(&self, line: &Text, out: &mut Writer<Self::Output>) -> Result {
        out.count(LINES, 1);
        if !line.contains(&self.word) {
            return Ok(());
        }
        let path = out.path();
        out.side(MATCHES)?.write((path, 1u64))?;
        out.write(line)
    }
}

#[test]
fn a_job_without_a_reduce_obeys_compressed_or_not() {
    let report =
        check(MapOnly::new(Grep { word: "river".into() })).input(TEXT).input("no river").verdict();
    let report = report.expect("obeys");
    assert_eq!(report.records, 6);
    assert!(report.unchecked.iter().all(|(_, reason)| *reason == "the job has no reduce"));
}

/// Two inputs, joined on the first field, with the parts in key order.
#[derive(Args, Serialize, Deserialize)]
struct Join {}

impl Job for Join {
    type Input = Either<Lines, JsonLines<(String, u32)>>;
    type Key<'a> = Grouped<String, bool>;
    type Value<'a> = String;
    type Output = Tsv;

    const INPUTS: &'static [&'static str] = &["users", "orders"];

    fn map(&self, record: Either<&Text, (String, u32)>, out: &mut Emitter<Self>) -> Result {
        match record {
            Either::Left(line) => {
                let (id, name) = line.split_once(b' ').ok_or("a user has an id and a name")?;
                out.emit(Grouped { group: id.to_string(), order: false }, name.to_string())
            }
            Either::Right((id, amount)) => {
                out.emit(Grouped { group: id, order: true }, amount.to_string())
            }
        }
    }

    fn partitioner(&self) -> impl Partition<Self> {
        TotalOrder
    }

    fn reduce(&self, id: String, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let [name, amounts @ ..] = &mut values.to_vec()?[..] else { return Ok(()) };
        amounts.sort();
        out.write((id, name.as_str(), amounts.join(",")))
    }
}

#[test]
fn a_join_of_named_inputs_obeys() {
    let users = "1 ann\n2 bob\n";
    let orders = "[\"2\",5]\n[\"1\",7]\n[\"2\",3]\n";
    check(Join {}).named_input("users", users).named_input("orders", orders).run();
    let refused = check(Join {}).input(users).verdict().expect_err("which input?");
    assert!(refused.to_string().contains("use `.named_input(name, …)`"), "{refused}");
    let refused = check(Join {}).named_input("order", orders).verdict().expect_err("no such input");
    assert!(
        refused.to_string().contains("no input named \"order\"; its inputs: users, orders"),
        "{refused}"
    );
}

/// A sum of floats, which is not exact.
#[derive(Args, Serialize, Deserialize)]
struct Total {}

impl Job for Total {
    type Input = Lines;
    type Key<'a> = ();
    type Value<'a> = f64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        out.emit((), line.to_str()?.parse()?)
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, (): (), values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write(values.sum()?)
    }
}

#[test]
fn sums_of_floats_may_be_off_a_little() {
    const NUMBERS: &str = "0.1\n0.2\n0.3\n1e10\n0.7\n";
    check(Total {}).input(NUMBERS).run();
    let violation = check(Total {}).input(NUMBERS).tolerance(0.0).verdict().expect_err("0.1 + 0.2");
    assert_eq!(violation.breach.law(), Some(Law::CombinerIsAssociative), "{violation}");
}
