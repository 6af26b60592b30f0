//! A failure of the framework ends the attempt, even if the job's code drops the error.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use gristmill::model::{Cause, JobState};
use gristmill::prelude::{Combine, Emitter, Error, Job, Lines, Text, Tsv, Values, Writer};
use serde::{Deserialize, Serialize};

use crate::trial::{Result, Setting, Trial};

/// What goes wrong once 1,500 lines have been counted.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
enum Fails {
    /// The combiner panics, the first time.
    Once,
    /// The combiner's `fold` returns an error.
    Folding,
    /// The combiner cannot return the sum as a value, which the reduce notices when it reads it.
    Reading,
}

const MANY: u64 = 1_500;

/// A combiner that sums, and fails as configured.
struct Limited {
    fails: Fails,
}

static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

impl<J: for<'v> Job<Value<'v> = u64>> Combine<J> for Limited {
    type Acc = u64;

    const EXACT: bool = true;

    fn start(&self, value: u64) -> Result<u64, Error> {
        Ok(value)
    }

    fn fold(&self, sum: &mut u64, value: u64) -> Result<(), Error> {
        *sum += value;
        match self.fails {
            Fails::Once => {
                let is_first = *sum == MANY && !HAS_PANICKED.swap(true, Ordering::Relaxed);
                assert!(!is_first, "out of luck");
                Ok(())
            }
            Fails::Folding if *sum > MANY => Err("too many".into()),
            _ => Ok(()),
        }
    }

    fn value(&self, sum: &u64) -> Result<u64, Error> {
        if self.fails == Fails::Reading && *sum > MANY { Err("too many".into()) } else { Ok(*sum) }
    }
}

/// Counts lines, and drops every error that it gets.
#[derive(Args, Serialize, Deserialize)]
struct Careless {
    #[arg(long)]
    fails: Fails,
}

impl Job for Careless {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        let _dropped = out.emit(line, 1);
        Ok(())
    }

    fn combiner(&self) -> impl Combine<Self> {
        Limited { fails: self.fails }
    }

    fn reduce(
        &self,
        line: &Text,
        mut values: Values<Self>,
        out: &mut Writer<Tsv>,
    ) -> Result<(), Error> {
        let mut sum = 0;
        while let Ok(Some(n)) = values.next() {
            sum += n;
        }
        out.write((line, sum))
    }
}

#[test]
fn a_combiners_panic_in_the_middle_of_a_batch_is_not_a_bad_record() -> Result {
    // Regression test: with bad records allowed, the current record was set aside, and the half of its batch that had
    // already been counted was counted again.
    let trial = Trial::new(vec![(0, "in".into(), b"same\n".repeat(5_000))])?;
    let setting = Setting { max_bad_records: 10, ..Setting::PLAIN };
    let ran = trial.run::<Careless>(&["--fails=once"], setting)?;
    let (_, failure) = ran.outcome.failure.ok_or("the job has no failure")?;
    assert_eq!(ran.outcome.state, JobState::Failed);
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::Panic, "out of luck"));
    assert!(failure.at.is_some_and(|at| at.starts_with(file!())));
    assert!(ran.parts.is_empty());
    Ok(())
}

#[test]
fn an_error_of_emit_that_a_map_drops_fails_the_job() -> Result {
    let trial = Trial::new(vec![(0, "in".into(), b"same\n".repeat(5_000))])?;
    for max_bad_records in [0, 10] {
        let setting = Setting { max_bad_records, ..Setting::PLAIN };
        let ran = trial.run::<Careless>(&["--fails=folding"], setting)?;
        let (_, failure) = ran.outcome.failure.ok_or("the job has no failure")?;
        assert_eq!(ran.outcome.state, JobState::Failed);
        assert_eq!((failure.cause, failure.message.as_str()), (Cause::UserError, "too many"));
        assert!(ran.parts.is_empty());
    }
    Ok(())
}

#[test]
fn an_error_of_values_that_a_reduce_drops_fails_the_job() -> Result {
    let trial = Trial::new(vec![(0, "in".into(), b"same\n".repeat(3_000))])?;
    let ran = trial.run::<Careless>(&["--fails=reading"], Setting::PLAIN)?;
    let (_, failure) = ran.outcome.failure.ok_or("the job has no failure")?;
    assert_eq!(ran.outcome.state, JobState::Failed);
    assert_eq!(failure.message, "too many");
    assert!(ran.parts.is_empty());
    Ok(())
}
