//! Combiners with a planted mistake.

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, Law, broken};

/// Defines a combiner over values of one type, given the expression that folds two of them.
macro_rules! combiner {
    ($name:ident of $job:ident, $value:ty, |$acc:ident, $next:ident| $fold:expr) => {
        struct $name;

        impl Combine<$job> for $name {
            type Acc = $value;

            const EXACT: bool = true;

            fn start(&self, value: $value) -> Result<$value> {
                Ok(value)
            }

            fn fold(&self, acc: &mut $value, $next: $value) -> Result {
                let $acc = *acc;
                *acc = $fold;
                Ok(())
            }

            fn value(&self, acc: &$value) -> Result<$value> {
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
    assert_eq!(
        violation.to_string(),
        "the combiner is not associative: for key \"the\" the values [64, 256, 128] folded one by one give \"the\\t144\", \
         but folded as (64 (256 128)) they give \"the\\t128\"; a combined value must hold all that further folding needs, \
         such as sum and count for an average (seed 0, input \"the mill and the river\\nstone the\\n\")"
    );
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
combiner!(KeepLast of LastPlace, u64, |_acc, value| value);

#[test]
fn keeping_the_last_is_not_commutative() {
    let violation = broken(LastPlace::default());
    assert_eq!(violation.breach.law(), Some(Law::CombinerIsCommutative), "{violation}");
    let sentence = violation.to_string();
    assert!(sentence.starts_with("the combiner is not commutative: for key "), "{sentence}");
    assert!(sentence.contains(" folded in this order give "), "{sentence}");
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
fn reduce_that_depends_on_combining_is_found() {
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

/// Counts each value twice, again on every pass through the combiner.
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

    fn value(&self, acc: &u64) -> Result<u64> {
        Ok(*acc)
    }
}

#[test]
fn a_combiner_that_does_not_take_its_own_results_is_found() {
    let violation = broken(Doubling::default());
    assert_eq!(violation.breach.law(), Some(Law::CombinerRoundTrips), "{violation}");
}
