//! Jobs whose reduce has a planted mistake, and how a check reports it.

use std::cell::Cell;

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, Law, TEXT, broken, check};

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
    let sentence = violation.to_string();
    assert!(
        sentence.starts_with("the reduce depends on the order of values: for key "),
        "{sentence}"
    );
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

job!(Strict {}, input Lines, value u64, {
    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        out.emit(line, line.to_str()?.parse()?)
    }
    fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, values.sum()?))
    }
});

#[test]
fn unchecked_laws_are_reported_with_the_reason() {
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
