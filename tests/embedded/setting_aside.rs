//! Records that are set aside leave nothing in any output.

use clap::Args;
use gristmill::prelude::{
    Emitter, Error, Gzip, Job, Lines, MapJob, MapOnly, Side, Text, Tsv, Values, Writer,
};
use serde::{Deserialize, Serialize};

use crate::trial::{Result, Setting, Trial};
use gristmill::model::JobState;

const SEEN: Side<Tsv> = Side::new("seen");

/// Writes every line to a side output, and then fails on lines that begin with `bad`.
#[derive(Args, Serialize, Deserialize)]
struct Aside {}

impl Job for Aside {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result<(), Error> {
        out.side(SEEN)?.write(line)?;
        if line.starts_with("bad") {
            Err("bad line")?;
        }
        out.emit(line, 1)
    }

    fn reduce(&self, line: &Text, n: Values<Self>, out: &mut Writer<Tsv>) -> Result<(), Error> {
        out.write((line, n.sum()?))
    }
}

#[test]
fn a_bad_record_that_begins_a_side_output_leaves_nothing_in_it() -> Result {
    for text in ["bad 1\ngood\nbad 2\n", "good\nbad 1\nbad 2\n", "bad 1\nbad 2\ngood\n"] {
        let setting = Setting { max_bad_records: 2, ..Setting::PLAIN };
        let trial = Trial::new(vec![(0, "in".into(), text.into())])?;
        let ran = trial.run::<Aside>(&[], setting)?;
        assert_eq!(ran.outcome.state, JobState::Succeeded, "{:?}", ran.outcome.failure);
        assert_eq!(ran.lines("seen-"), ["good"], "{text:?}");
        assert_eq!((ran.lines("part-"), ran.lines("_bad/").len()), (vec!["good\t1".into()], 2));
    }
    Ok(())
}

/// Writes every line to an output format that buffers records.
#[derive(Args, Serialize, Deserialize)]
struct Packed {}

impl MapJob for Packed {
    type Input = Lines;
    type Output = Gzip<Tsv>;

    fn map(&self, line: &Text, out: &mut Writer<Gzip<Tsv>>) -> Result<(), Error> {
        out.write(line)
    }
}

const PACKED_SEEN: Side<Gzip<Tsv>> = Side::new("seen");

/// Writes every line to a side output whose format buffers records.
#[derive(Args, Serialize, Deserialize)]
struct PackedAside {}

impl MapJob for PackedAside {
    type Input = Lines;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Writer<Tsv>) -> Result<(), Error> {
        out.side(PACKED_SEEN)?.write(line)
    }
}

#[test]
fn good_records_are_kept_if_output_cannot_roll_back() -> Result {
    let trial = Trial::new(vec![(0, "in".into(), b"one\ntwo\n".to_vec())])?;
    let setting = Setting { max_bad_records: 10, ..Setting::PLAIN };
    let runs = [
        trial.run::<MapOnly<Packed>>(&[], setting)?,
        trial.run::<MapOnly<PackedAside>>(&[], setting)?,
    ];
    for ran in runs {
        assert_eq!(ran.outcome.state, JobState::Failed, "{:?}", ran.parts);
        let (_, failure) = ran.outcome.failure.ok_or("no failure is reported")?;
        assert!(failure.message.contains("leave out --max-bad-records"), "{}", failure.message);
        assert!(failure.record.is_none() && ran.parts.is_empty());
    }
    Ok(())
}
