//! Every job agrees with a sequential program on random inputs.

#[path = "cases/by_user.rs"]
mod by_user;
#[path = "cases/of_lines.rs"]
mod of_lines;
#[path = "cases/sorting.rs"]
mod sorting;

use gristmill::job::{Job, MapOnly};
use proptest::prelude::*;

pub(crate) use by_user::{JoinCase, SessionsCase};
pub(crate) use of_lines::{GrepCase, InvertedIndexCase, WordCountCase};
pub(crate) use sorting::TeraSortCase;

use crate::random::Random;
use crate::trial::{InputFile, Ran, Result, Setting, Trial};
use gristmill::model::JobState;

/// A job, inputs for it, and the expected output.
pub(crate) trait Case {
    /// The job.
    type Job: Job;
    /// The job's own flags.
    const FLAGS: &'static [&'static str] = &[];
    /// Whether the concatenated parts are the answer. Otherwise each part has some of the answer's records, in the
    /// answer's order.
    const TOTAL: bool = false;

    /// Returns input files with about `records` records: the named input that each belongs to, its name and its bytes.
    fn input(random: &mut Random, records: usize) -> Vec<(u32, String, Vec<u8>)>;

    /// Returns the expected records of the output, in key order, as a sequential program finds them.
    fn answer(files: &[InputFile]) -> Vec<Vec<u8>>;

    /// Cuts a part into records, by default into lines.
    fn records(part: &[u8]) -> Vec<&[u8]> {
        part.split_inclusive(|byte| *byte == b'\n').collect()
    }

    /// Checks the side outputs.
    fn check_sides(_files: &[InputFile], _ran: &Ran) -> Result {
        Ok(())
    }
}

/// Runs a case, and checks that its output is the answer and that nothing else is left behind.
pub(crate) fn check<C: Case>(trial: &Trial, setting: Setting) -> Result<Ran> {
    let ran = trial.run::<C::Job>(C::FLAGS, setting)?;
    if ran.outcome.state != JobState::Succeeded {
        return Err(format!("{:?} {:?}", ran.outcome.state, ran.outcome.failure).into());
    }
    let answer = C::answer(&trial.files);
    if C::TOTAL {
        same(C::records(&ran.joined("part-")), answer.iter().map(Vec::as_slice).collect())?;
    } else {
        let mut found = Vec::new();
        for (name, part) in ran.parts.iter().filter(|(name, _)| name.starts_with("part-")) {
            let mut rest = answer.iter();
            for record in C::records(part) {
                let shown = record.escape_ascii();
                rest.find(|next| *next == record)
                    .ok_or(format!("{name}: `{shown}` is wrong, or not in its place"))?;
                found.push(record);
            }
        }
        let mut expected: Vec<&[u8]> = answer.iter().map(Vec::as_slice).collect();
        found.sort_unstable();
        expected.sort_unstable();
        same(found, expected)?;
    }
    C::check_sides(&trial.files, &ran)?;
    if ran.litter.is_empty() {
        Ok(ran)
    } else {
        Err(format!("left behind: {:?}", ran.litter).into())
    }
}

/// Checks that two lists of records are the same. The error shows the first difference.
pub(crate) fn same<T: AsRef<[u8]>>(found: Vec<T>, expected: Vec<T>) -> Result {
    let shown = |list: &[T], at: usize| {
        list.get(at).map(|record| record.as_ref().escape_ascii().to_string())
    };
    let at =
        (0..found.len().max(expected.len())).find(|at| shown(&found, *at) != shown(&expected, *at));
    match at {
        None => Ok(()),
        Some(at) => {
            let (found, expected) = (shown(&found, at), shown(&expected, at));
            Err(format!("record {at} is {found:?} instead of {expected:?}").into())
        }
    }
}

/// Returns text as a line of a part.
pub(crate) fn line(text: impl Into<String>) -> Vec<u8> {
    (text.into() + "\n").into_bytes()
}

/// Cuts records into this many files of one named input, which are called `a`, `b` and so on after the prefix.
pub(crate) fn files(
    source: u32,
    prefix: &str,
    count: u64,
    records: &[Vec<u8>],
) -> Vec<(u32, String, Vec<u8>)> {
    let size = records.len().div_ceil(count as usize).max(1);
    let file = |n: u64| {
        let own = records.chunks(size).nth(n as usize).unwrap_or_default();
        (source, format!("{prefix}{}", char::from(b'a' + n as u8)), own.concat())
    };
    (0..count).map(file).collect()
}

fn setting() -> impl Strategy<Value = Setting> {
    (1024_u64..6000, 1_u32..6, 1_usize..4).prop_map(|(split_bytes, reducers, threads)| Setting {
        split_bytes: Some(split_bytes),
        reducers: Some(reducers),
        threads,
        memory_bytes: 16 << 20,
        max_bad_records: 0,
    })
}

fn agrees<C: Case>(seed: u64, records: usize, setting: Setting) -> Result<(), TestCaseError> {
    let fail = |error: Box<dyn std::error::Error>| TestCaseError::fail(error.to_string());
    let trial = Trial::new(C::input(&mut Random(seed), records)).map_err(fail)?;
    check::<C>(&trial, setting).map(drop).map_err(fail)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn word_count_is_right(seed: u64, records in 0_usize..600, setting in setting()) {
        agrees::<WordCountCase>(seed, records, setting)?;
    }

    #[test]
    fn find_lines_is_right(seed: u64, records in 0_usize..600, setting in setting()) {
        agrees::<GrepCase>(seed, records, setting)?;
    }

    #[test]
    fn terasort_is_right(seed: u64, records in 0_usize..600, setting in setting()) {
        agrees::<TeraSortCase>(seed, records, setting)?;
    }

    #[test]
    fn the_inverted_index_is_right(seed: u64, records in 0_usize..600, setting in setting()) {
        agrees::<InvertedIndexCase>(seed, records, setting)?;
    }

    #[test]
    fn sessions_are_right(seed: u64, records in 0_usize..600, setting in setting()) {
        agrees::<SessionsCase>(seed, records, setting)?;
    }

    #[test]
    fn the_join_is_right(seed: u64, records in 0_usize..600, setting in setting()) {
        agrees::<JoinCase>(seed, records, setting)?;
    }
}

/// The job, which has no reduce, as it is launched.
pub(crate) type FindLines = MapOnly<crate::jobs::find_lines::FindLines>;
