//! Counters and side outputs that depend on how the work was done instead of on the input.

use std::cell::Cell;

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, Law, TEXT, broken, check};

const TASKS: Counter = Counter::new("words", "tasks");
const DISTINCT: Counter = Counter::new("words", "distinct");
const COUNTS: Counter = Counter::new("words", "counts");
const FIRST: Side<Tsv> = Side::new("first");
const THREADS: Side<Tsv> = Side::new("threads");
const SEEN: Counter = Counter::new("words", "seen");

thread_local! {
    /// Whether to count, set only on the thread of a test.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
}

/// Defines a word count with an additional action in each of map, cleanup and reduce.
macro_rules! beside {
    ($name:ident, map $map:expr, cleanup $cleanup:expr, reduce $reduce:expr) => {
        job!($name {
            #[arg(skip)]
            #[serde(skip)]
            begun: Cell<bool>,
        }, input Lines, value u64, {
            fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
                let beside: fn(&mut Emitter<Self>) -> Result = $map;
                beside(out)?;
                line.words().try_for_each(|word| out.emit(word, 1))
            }
            fn cleanup(&self, out: &mut Emitter<Self>) -> Result {
                let beside: fn(&mut Emitter<Self>) -> Result = $cleanup;
                beside(out)
            }
            fn combiner(&self) -> impl Combine<Self> {
                Sum
            }
            fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
                let beside: fn(&Text, bool, usize, &mut Writer<Tsv>) -> Result = $reduce;
                let values = values.to_vec()?;
                beside(word, self.begun.replace(true), values.len(), out)?;
                out.write((word, values.iter().sum::<u64>()))
            }
        });
    };
}

beside!(
    CountsTasks,
    map | _ | Ok(()),
    cleanup | out | {
        out.count(TASKS, 1);
        Ok(())
    },
    reduce | _,
    _,
    _,
    out | {
        out.count(DISTINCT, 1);
        Ok(())
    }
);
beside!(
    CountsValues,
    map | _ | Ok(()),
    cleanup | _ | Ok(()),
    reduce | _,
    _,
    values,
    out | {
        out.count(COUNTS, values as u64);
        Ok(())
    }
);
beside!(
    SetsFirstAside,
    map | _ | Ok(()),
    cleanup | _ | Ok(()),
    reduce | word,
    begun,
    _,
    out | { if begun { Ok(()) } else { out.side(FIRST)?.write(word) } }
);
beside!(
    CountsOnOneThread,
    map | out | {
        out.count(SEEN, u64::from(COUNTING.get()));
        Ok(())
    },
    cleanup | _ | Ok(()),
    reduce | _,
    _,
    _,
    _ | Ok(())
);
beside!(
    SetsThreadAside,
    map | out | {
        let id = format!("{:?}", std::thread::current().id());
        out.side(THREADS)?.write(id)
    },
    cleanup | _ | Ok(()),
    reduce | _,
    _,
    _,
    _ | Ok(())
);

#[test]
fn a_counter_of_tasks_is_found_unless_it_is_said_to_vary() {
    let violation = broken(CountsTasks::default());
    assert_eq!(violation.breach.law(), Some(Law::TotalsDoNotShow), "{violation}");
    let sentence = violation.to_string();
    assert!(
        sentence.starts_with(
            "the counter \"tasks\" in group \"words\" depends on how the work is done: \
             with one map task and one reducer it is 1, but with map tasks over input-1.txt 0-"
        ),
        "{sentence}"
    );
    check(CountsTasks::default()).input(TEXT).varying_counter(TASKS).run();
}

#[test]
fn a_counter_of_values_that_a_combiner_folds_is_found() {
    let violation = broken(CountsValues::default());
    let how = "with values combined before the reduce";
    assert!(
        matches!(&violation.breach, Breach::TotalsShow { how: found, .. } if found == how),
        "{violation}"
    );
    check(CountsValues::default()).input(TEXT).varying_counter(COUNTS).run();
}

#[test]
fn a_side_output_of_each_reducer_is_found_unless_it_is_said_to_vary() {
    let violation = broken(SetsFirstAside::default());
    let Breach::TotalsShow { what, how, .. } = &violation.breach else { panic!("{violation}") };
    assert_eq!(what, "the side output \"first\"");
    assert!(how.ends_with(" reducers"), "{violation}");
    check(SetsFirstAside::default()).input(TEXT).varying_side(FIRST).run();
}

#[test]
fn what_is_counted_on_one_thread_only_is_found() {
    COUNTING.set(true);
    let violation = broken(CountsOnOneThread::default());
    let Breach::RunTotalsDiffer { what, expected, found, .. } = &violation.breach else {
        panic!("{violation}")
    };
    assert_eq!(what, "the counter \"seen\" in group \"words\"");
    assert!(expected != "0" && found == "0", "{violation}");
}

#[test]
fn a_map_that_sets_its_thread_aside_is_found() {
    let violation = broken(SetsThreadAside::default());
    assert!(
        matches!(&violation.breach, Breach::RunTotalsDiffer { what, .. } if what == "the side-output part threads-m-00000.tsv"),
        "{violation}"
    );
    check(SetsThreadAside::default()).input(TEXT).varying_side(THREADS).run();
}
