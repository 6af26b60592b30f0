//! Maps that combine in their own table, in addition to a combiner.

use std::cell::RefCell;
use std::collections::HashMap;

use clap::Args;
use gristmill::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Breach, Law, TEXT, broken, check};

/// Defines a job that counts words in a table. The arguments give its other parts.
macro_rules! gathering {
    ($name:ident, emit $emit:expr, combine $combiner:expr, total $total:expr) => {
        job!($name {
            #[arg(skip)]
            #[serde(skip)]
            table: RefCell<HashMap<Vec<u8>, u64>>,
        }, input Lines, value u64, {
            fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
                let emit: fn(&Self, &mut Emitter<Self>) -> Result = $emit;
                for word in line.words() {
                    *self.table.borrow_mut().entry(word.as_bytes().to_vec()).or_default() += 1;
                }
                emit(self, out)
            }
            fn cleanup(&self, out: &mut Emitter<Self>) -> Result {
                let mut table = self.table.take().into_iter();
                table.try_for_each(|(word, count)| out.emit(Text::new(&word), count))
            }
            fn combiner(&self) -> impl Combine<Self> {
                $combiner
            }
            fn reduce(&self, word: &Text, values: Values<Self>, out: &mut Writer<Tsv>) -> Result {
                let total: fn(Vec<u64>) -> u64 = $total;
                out.write((word, total(values.to_vec()?)))
            }
        });
    };
}

gathering!(Gathered, emit |_, _| Ok(()), combine Sum, total |counts| counts.iter().sum());
gathering!(Greatest, emit |_, _| Ok(()), combine Max, total |counts| counts.iter().sum());
gathering!(Pieces, emit |_, _| Ok(()), combine Sum, total |counts| counts.len() as u64);
gathering!(Evicting, emit evict, combine Sum, total |counts| counts.iter().sum());
gathering!(Forgetful, emit forget, combine Sum, total |counts| counts.iter().sum());

/// Most words that the tables of `Evicting` and `Forgetful` hold.
const ROOM: usize = 2;

/// Makes room by emitting the first word in the table, which differs from table to table.
fn evict(job: &Evicting, out: &mut Emitter<Evicting>) -> Result {
    let mut table = job.table.borrow_mut();
    while table.len() > ROOM {
        let Some(word) = table.keys().next().cloned() else { break };
        let count = table.remove(&word).unwrap_or(0);
        out.emit(Text::new(&word), count)?;
    }
    Ok(())
}

/// Makes room without emitting the word.
fn forget(job: &Forgetful, _: &mut Emitter<Forgetful>) -> Result {
    let mut table = job.table.borrow_mut();
    while table.len() > ROOM {
        let Some(least) = table.keys().min().cloned() else { break };
        table.remove(&least);
    }
    Ok(())
}

#[test]
fn a_table_in_the_map_and_a_combiner_obey_and_every_law_is_checked() {
    let report = check(Gathered::default()).input(TEXT).verdict().expect("obeys");
    assert_eq!(report.unchecked, [(Law::PartitionIsOfKey, "the job uses a built-in partitioner")]);
}

#[test]
fn only_totals_of_emitted_tables_are_compared() {
    check(Evicting::default()).input(TEXT).run();
}

#[test]
fn a_combiner_that_does_not_fit_the_table_is_found() {
    let violation = broken(Greatest::default());
    assert_eq!(violation.breach.law(), Some(Law::CombinerIsOptional), "{violation}");
    let Breach::CombinerShows { values, folded, .. } = &violation.breach else {
        panic!("{violation}")
    };
    assert_ne!(values, folded, "{violation}");
}

#[test]
fn a_reduce_that_counts_what_tables_emit_shows_where_the_input_is_cut() {
    let violation = broken(Pieces::default());
    assert_eq!(violation.breach.law(), Some(Law::CutsDoNotShow), "{violation}");
}

#[test]
fn table_that_drops_entries_is_found() {
    let violation = broken(Forgetful::default());
    assert_eq!(violation.breach.law(), Some(Law::CutsDoNotShow), "{violation}");
}
