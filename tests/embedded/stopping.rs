//! A run that is asked to stop ends, whatever it is doing, and reports that it was cancelled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Args;
use gristmill::prelude::{Combine, Emitter, Error, Job, Lines, Text, Tsv, Values, Writer};
use serde::{Deserialize, Serialize};

use crate::trial::{Ran, Result, Setting, Trial};
use gristmill::model::JobState;

fn assert_cancelled(ran: &Ran) {
    assert_eq!(ran.outcome.state, JobState::Cancelled, "{:?}", ran.outcome.failure);
    assert!(ran.parts.is_empty() && ran.litter.is_empty(), "{:?}", ran.litter);
}

/// Stops the run at its first record.
#[derive(Args, Serialize, Deserialize)]
struct StopsInMap {}

static MAP_STOP: AtomicBool = AtomicBool::new(false);
static MAPPED: AtomicU64 = AtomicU64::new(0);

impl Job for StopsInMap {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = ();
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        MAP_STOP.store(true, Ordering::Relaxed);
        MAPPED.fetch_add(1, Ordering::Relaxed);
        out.emit(line, ())
    }

    fn reduce(&self, line: &Text, _: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        out.write(line)
    }
}

#[test]
fn many_small_files_and_tasks_are_stopped_between_them() -> Result {
    let files = (0..400).map(|i| (0, format!("in-{i:03}"), vec![b'x'; 64]));
    let trial = Trial::new(files.collect())?;
    for split_bytes in [None, Some(1 << 10)] {
        MAP_STOP.store(false, Ordering::Relaxed);
        MAPPED.store(0, Ordering::Relaxed);
        let setting = Setting { split_bytes, ..Setting::PLAIN };
        let ran = trial.run_until::<StopsInMap>(setting, &MAP_STOP)?;
        assert_cancelled(&ran);
        let mapped = MAPPED.load(Ordering::Relaxed);
        assert!(mapped <= 16, "{mapped} records were mapped after the run was to stop");
    }
    Ok(())
}

/// Stops the run in the middle of its only group.
#[derive(Args, Serialize, Deserialize)]
struct StopsInReduce {}

static REDUCE_STOP: AtomicBool = AtomicBool::new(false);
static REDUCED: AtomicU64 = AtomicU64::new(0);
const LINES: u64 = 100_000;

impl Job for StopsInReduce {
    type Input = Lines;
    type Key<'a> = ();
    type Value<'a> = ();
    type Output = Tsv;

    fn map(&self, _: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        out.emit((), ())
    }

    fn reduce(&self, (): (), values: Values<Self>, _: &mut Writer<Tsv>) -> Result<(), Error> {
        values.each(|()| {
            REDUCE_STOP.store(true, Ordering::Relaxed);
            REDUCED.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }
}

#[test]
fn a_large_group_is_stopped_in_the_middle() -> Result {
    let trial = Trial::new(vec![(0, "in".into(), vec![b'\n'; LINES as usize])])?;
    let ran = trial.run_until::<StopsInReduce>(Setting::PLAIN, &REDUCE_STOP)?;
    assert_cancelled(&ran);
    let reduced = REDUCED.load(Ordering::Relaxed);
    assert!(reduced < LINES / 2, "{reduced} values were reduced after the run was to stop");
    Ok(())
}

/// Counts, and stops the run once values are combined during a merge, outside the map threads.
#[derive(Args, Serialize, Deserialize)]
struct StopsInMerge {}

static MERGE_STOP: AtomicBool = AtomicBool::new(false);

struct Counted;

impl Combine<StopsInMerge> for Counted {
    type Acc = u64;

    const EXACT: bool = true;

    fn start(&self, value: u64) -> Result<u64, Error> {
        let maps = std::thread::current().name().is_some_and(|name| name.starts_with("slot-"));
        MERGE_STOP.fetch_or(!maps, Ordering::Relaxed);
        Ok(value)
    }

    fn fold(&self, acc: &mut u64, value: u64) -> Result<(), Error> {
        *acc += value;
        Ok(())
    }

    fn value(&self, acc: &u64) -> Result<u64, Error> {
        Ok(*acc)
    }
}

impl Job for StopsInMerge {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        out.emit(line, 1)
    }

    fn combiner(&self) -> impl Combine<Self> {
        Counted
    }

    fn reduce(&self, line: &Text, n: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        out.write((line, n.sum()?))
    }
}

#[test]
fn merges_are_stopped_and_the_run_is_cancelled() -> Result {
    // Every spill has the small numbers, so any spills that are merged first have values to combine.
    let number = |i: u32| if i.is_multiple_of(3) { i % 1_000 } else { i % 1_000_000 };
    let text: String = (0..4_000_000).map(|i| format!("{}\n", number(i))).collect();
    let trial = Trial::new(vec![(0, "in".into(), text.into())])?;
    let setting = Setting { memory_bytes: 16 << 20, ..Setting::PLAIN };
    let ran = trial.run_until::<StopsInMerge>(setting, &MERGE_STOP)?;
    assert!(MERGE_STOP.load(Ordering::Relaxed), "nothing was merged");
    assert_cancelled(&ran);
    Ok(())
}
