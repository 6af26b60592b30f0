//! The jobs that read lines of words: word count, find-lines and the inverted index.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, FindLines, files, line};
use crate::jobs::inverted_index::InvertedIndex;
use crate::jobs::wordcount::WordCount;
use crate::random::Random;
use crate::trial::{InputFile, Ran, Result};

/// Returns lines of up to eight words. Some words are frequent, and most are rare.
fn words(random: &mut Random, lines: usize, gaps: &[&str], odd: &[&[u8]]) -> Vec<Vec<u8>> {
    let line = |random: &mut Random| {
        let mut line = Vec::new();
        for _ in 0..random.below(9) {
            let frequent = random.below(3) > 0;
            let number = random.below(if frequent { 12 } else { 8 * lines as u64 });
            match random.below(40) {
                0 => line.extend(random.pick(odd)),
                _ => line.extend(format!("w{number}").bytes()),
            }
            line.extend(random.pick(gaps).bytes());
        }
        line.push(b'\n');
        line
    };
    (0..lines).map(|_| line(random)).collect()
}

fn without_last_newline(mut files: Vec<(u32, String, Vec<u8>)>) -> Vec<(u32, String, Vec<u8>)> {
    files.iter_mut().for_each(|(_, _, bytes)| bytes.truncate(bytes.len().saturating_sub(1)));
    files
}

pub(crate) struct WordCountCase;

impl Case for WordCountCase {
    type Job = WordCount;

    fn input(random: &mut Random, records: usize) -> Vec<(u32, String, Vec<u8>)> {
        let long = [b'l'; 300];
        let odd: [&[u8]; 5] = [b"\xc3\xff", b"\0", b"a\0b", "größer".as_bytes(), &long];
        let lines =
            words(random, records, &[" ", "\t", " \x0b ", "\x0c", "\r", "\r\n", "\n\n"], &odd);
        without_last_newline(files(0, "", 3, &lines))
    }

    fn answer(files: &[InputFile]) -> Vec<Vec<u8>> {
        let mut counts: BTreeMap<&[u8], u64> = BTreeMap::new();
        for file in files {
            for word in file
                .bytes
                .split(|byte| b" \t\n\x0b\x0c\r".contains(byte))
                .filter(|word| !word.is_empty())
            {
                *counts.entry(word).or_default() += 1;
            }
        }
        counts
            .into_iter()
            .map(|(word, count)| [word, b"\t", &line(count.to_string())].concat())
            .collect()
    }
}

pub(crate) struct GrepCase;

/// Returns the lines of a file that `find-lines` finds.
fn found(file: &InputFile) -> impl Iterator<Item = &[u8]> {
    let lines = file.bytes.split(|byte| *byte == b'\n');
    lines.filter(|line| line.windows(2).any(|window| window == b"w7"))
}

impl Case for GrepCase {
    type Job = FindLines;
    const FLAGS: &'static [&'static str] = &["-e", "w7", "--counts"];
    const TOTAL: bool = true;

    fn input(random: &mut Random, records: usize) -> Vec<(u32, String, Vec<u8>)> {
        without_last_newline(files(
            0,
            "",
            3,
            &words(random, records, &[" ", "\t"], &[b"\xc3\xff", b"\0"]),
        ))
    }

    fn answer(files: &[InputFile]) -> Vec<Vec<u8>> {
        files.iter().flat_map(found).map(|line| [line, b"\n"].concat()).collect()
    }

    fn check_sides(files: &[InputFile], ran: &Ran) -> Result {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in ran.lines("counts-") {
            let (file, count): (String, usize) = serde_json::from_str(&line)?;
            *counts.entry(file).or_default() += count;
        }
        let expected = files.iter().map(|file| (file.name().to_string(), found(file).count()));
        let expected: BTreeMap<_, _> = expected.filter(|(_, count)| *count > 0).collect();
        if counts == expected {
            Ok(())
        } else {
            Err(format!("{counts:?} instead of {expected:?}").into())
        }
    }
}

pub(crate) struct InvertedIndexCase;

impl Case for InvertedIndexCase {
    type Job = InvertedIndex;

    fn input(random: &mut Random, records: usize) -> Vec<(u32, String, Vec<u8>)> {
        files(
            0,
            "",
            5,
            &words(random, records, &[" ", "  ", "\r\n"], &["größer".as_bytes(), b"a\"b"]),
        )
    }

    fn answer(files: &[InputFile]) -> Vec<Vec<u8>> {
        let mut index: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for file in files {
            for word in str::from_utf8(&file.bytes).unwrap_or_default().split_ascii_whitespace() {
                index.entry(word).or_default().insert(file.name());
            }
        }
        index.into_iter().map(|entry| line(serde_json::json!(entry).to_string())).collect()
    }
}
