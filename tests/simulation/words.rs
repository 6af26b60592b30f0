//! The job of the simulation, its input, and its expected output.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gristmill::model::{InputSpec, JobSpec, Location, SideFileSpec};
use gristmill::record::value;
use gristmill::storage::verify;

use crate::chance::Chance;
use crate::moody::{self, without_mood};
use crate::wordcount::WordCount;

/// Number of parts of each output.
pub(crate) const REDUCES: u32 = 3;
/// Bytes of a split, the smallest that is allowed.
const SPLIT_BYTES: u64 = 1 << 10;
/// Number of different words.
const WORDS: u64 = 300;

/// Draws a text of at least this many splits.
pub(crate) fn text(chance: &mut Chance, splits: u64) -> String {
    let mut text = String::new();
    while (text.len() as u64) < splits * SPLIT_BYTES {
        let words = (0..chance.between(1, 12)).map(|_| format!("w{}", chance.between(1, WORDS)));
        text.push_str(&words.collect::<Vec<_>>().join(" "));
        text.push('\n');
    }
    text
}

/// Returns the spec of a job. The input is also a side file, so each task has a copy of it.
pub(crate) fn spec(name: &str, input: &Path, output: &Path) -> JobSpec {
    let input = Location::from(input);
    let mut job = Vec::new();
    let encoded = match name {
        moody::NAME => value::encode_into(&moody::mood(1), &mut job),
        _ => value::encode_into(&WordCount {}, &mut job),
    };
    encoded.expect("a value of strings");
    JobSpec {
        name: name.into(),
        inputs: vec![InputSpec { source: 0, location: input.clone() }],
        output: Some(Location::from(output)),
        overwrite: false,
        reducers: Some(REDUCES),
        split_bytes: Some(SPLIT_BYTES),
        memory_bytes: 16 << 20,
        memory_is_given: false,
        max_bad_records: 0,
        umask: 0o022,
        sync: false,
        side_files: vec![SideFileSpec { name: input.clone(), location: input, digest: None }],
        job,
        invocation: Default::default(),
    }
}

/// Returns the expected output, computed by simple sequential code.
fn expected(text: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::<String, u64>::new();
    for word in text.split_whitespace() {
        *counts.entry(word.into()).or_default() += 1;
    }
    counts
}

/// Returns what is wrong with an output, if anything is. The counts of a word with different moods are added up: if two
/// reduces have read different attempts of one map, they have read some of its words twice or not at all.
pub(crate) fn difference(output: &Path, text: &str) -> Option<String> {
    let verified = match verify(output) {
        Ok(verified) => verified,
        Err(error) => return Some(error.to_string()),
    };
    if !verified.findings.is_empty() {
        return Some(format!("{:?}", verified.findings));
    }
    let mut counts = BTreeMap::<String, u64>::new();
    for part in 0..REDUCES {
        let part = output.join(format!("part-{part:05}.tsv"));
        let Ok(part) = fs::read_to_string(&part) else { return Some(format!("no {part:?}")) };
        if !part.lines().map(|line| line.split('\t').next()).is_sorted() {
            return Some("a part is not sorted".into());
        }
        for line in part.lines() {
            let Some((word, count)) = line.split_once('\t') else { return Some(line.into()) };
            let count: u64 = count.parse().expect("a count");
            *counts.entry(without_mood(word).into()).or_default() += count;
        }
    }
    let expected = expected(text);
    (counts != expected).then(|| {
        let first = counts.iter().zip(&expected).find(|(ours, right)| ours != right);
        format!("{} words, not {}; the first difference: {first:?}", counts.len(), expected.len())
    })
}
