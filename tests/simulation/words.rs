//! The job of the simulation, its input, and what comes of it without any cluster.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gristmill::record::value;
use gristmill::spec::{InputSpec, JobSpec, Location, SideFileSpec};
use gristmill::storage::verify;

use crate::chance::Chance;
use crate::wordcount::WordCount;

/// Parts of every output.
pub(crate) const REDUCES: u32 = 3;
/// Bytes of a split: the least that there may be.
const SPLIT_BYTES: u64 = 1 << 10;
/// Words that there are.
const WORDS: u64 = 300;

/// A text that follows from its seed, of about so many splits.
pub(crate) fn text(chance: &mut Chance, splits: u64) -> String {
    let mut text = String::new();
    while (text.len() as u64) < splits * SPLIT_BYTES {
        let words = (0..chance.between(1, 12)).map(|_| format!("w{}", chance.between(1, WORDS)));
        text.push_str(&words.collect::<Vec<_>>().join(" "));
        text.push('\n');
    }
    text
}

/// What to run. The input goes along as a side file too, which every task has a copy of.
pub(crate) fn spec(name: &str, input: &Path, output: &Path) -> JobSpec {
    let input = Location::from(input);
    let mut job = Vec::new();
    value::encode_into(&WordCount {}, &mut job).expect("a value without fields");
    JobSpec {
        name: name.into(),
        inputs: vec![InputSpec { source: 0, location: input.clone() }],
        output: Some(Location::from(output)),
        overwrite: false,
        reducers: Some(REDUCES),
        split_bytes: Some(SPLIT_BYTES),
        memory_bytes: 16 << 20,
        max_bad_records: 0,
        sync: false,
        side_files: vec![SideFileSpec { name: input.clone(), location: input, digest: None }],
        job,
    }
}

/// The output as ten lines of sequential code make it.
fn expected(text: &str) -> Vec<String> {
    let mut counts = BTreeMap::<&str, u64>::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    counts.iter().map(|(word, count)| format!("{word}\t{count}")).collect()
}

/// What is wrong with an output, if anything is.
pub(crate) fn difference(output: &Path, text: &str) -> Option<String> {
    let verified = match verify(output) {
        Ok(verified) => verified,
        Err(error) => return Some(error.to_string()),
    };
    if !verified.findings.is_empty() {
        return Some(format!("{:?}", verified.findings));
    }
    let mut lines = Vec::new();
    for part in 0..REDUCES {
        let part = output.join(format!("part-{part:05}.tsv"));
        let part = fs::read_to_string(part).expect("it was verified");
        let of_part: Vec<String> = part.lines().map(String::from).collect();
        if !of_part.is_sorted() {
            return Some("a part is not sorted".into());
        }
        lines.extend(of_part);
    }
    lines.sort_unstable();
    let expected = expected(text);
    (lines != expected).then(|| {
        let first = lines.iter().zip(&expected).find(|(ours, right)| ours != right);
        format!("{} lines, not {}; the first difference: {first:?}", lines.len(), expected.len())
    })
}
