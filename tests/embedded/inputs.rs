//! Inputs of all kinds: compressed files, many small files, and empty files.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::jobs::terasort::TeraSort;
use crate::jobs::wordcount::WordCount;
use crate::trial::{Result, Setting, Trial};
use gristmill::model::JobState;

const TEXT: &[u8] = b"a b a\nc  b a\r\n\nlast line without an end";

fn counts(files: Vec<(u32, String, Vec<u8>)>) -> Result<Vec<u8>> {
    let ran = Trial::new(files)?.run::<WordCount>(&[], Setting::PLAIN)?;
    assert_eq!(ran.outcome.state, JobState::Succeeded, "{:?}", ran.outcome.failure);
    assert!(ran.litter.is_empty(), "{:?}", ran.litter);
    Ok(ran.joined("part-"))
}

/// Pipes bytes through a program of the system.
fn through(program: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut child =
        Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no pipe")?.write_all(bytes)?;
    Ok(child.wait_with_output()?.stdout)
}

#[test]
fn compressed_files_are_read_as_their_content() -> Result {
    let plain = counts(vec![(0, "in.txt".into(), TEXT.to_vec())])?;
    assert_eq!(plain, b"a\t3\nan\t1\nb\t2\nc\t1\nend\t1\nlast\t1\nline\t1\nwithout\t1\n");
    for program in ["gzip", "bzip2", "zstd", "xz", "lz4"] {
        // Two members, one after the other, are one file.
        let (first, second) = TEXT.split_at(9);
        let members = [through(program, first)?, through(program, second)?].concat();
        assert_eq!(counts(vec![(0, "in".into(), members)])?, plain, "{program}");
    }
    Ok(())
}

#[test]
fn a_truncated_file_fails_and_names_itself() -> Result {
    let mut bytes = through("gzip", &TEXT.repeat(100))?;
    bytes.truncate(bytes.len() / 2);
    let ran =
        Trial::new(vec![(0, "in.gz".into(), bytes)])?.run::<WordCount>(&[], Setting::PLAIN)?;
    let (_, failure) = ran.outcome.failure.ok_or("half a file was taken for a whole one")?;
    assert!(
        failure.message.contains("in.gz") && failure.message.contains("truncated"),
        "{failure:?}"
    );
    assert!(ran.parts.is_empty() && ran.litter.is_empty());
    Ok(())
}

#[test]
fn many_small_files_are_few_tasks() -> Result {
    let files =
        (0..2_000).map(|i| (0, format!("{i}.txt"), format!("word-{}\n", i % 10).into_bytes()));
    let trial = Trial::new(files.collect())?;
    let ran = trial.run_on_folder::<WordCount>(&[], Setting { threads: 2, ..Setting::PLAIN })?;
    assert_eq!(ran.lines("part-").len(), 10);
    assert!(ran.lines("part-").iter().all(|line| line.ends_with("\t200")));
    let tasks = ran.outcome.counters.get("Map-Reduce Framework", "map_input_records");
    assert_eq!(tasks, 2_000);
    Ok(())
}

#[test]
fn no_input_and_empty_input_give_empty_parts() -> Result {
    for files in [vec![], vec![(0, "empty.txt".to_string(), vec![])]] {
        let trial = Trial::new(files)?;
        let setting = Setting { reducers: Some(3), threads: 2, ..Setting::PLAIN };
        let ran = trial.run_on_folder::<WordCount>(&[], setting)?;
        assert_eq!(ran.outcome.state, JobState::Succeeded);
        let parts: Vec<_> =
            ran.parts.iter().map(|(name, bytes)| (name.as_str(), bytes.len())).collect();
        assert_eq!(parts, [("part-00000.tsv", 0), ("part-00001.tsv", 0), ("part-00002.tsv", 0)]);
    }
    Ok(())
}

/// Returns terasort records with rising keys.
fn rising(keys: std::ops::Range<u32>) -> Vec<u8> {
    keys.flat_map(|key| format!("{key:010}{}", "x".repeat(90)).into_bytes()).collect()
}

#[test]
fn parts_by_range_are_even_over_sorted_input_that_is_compressed() -> Result {
    let compress = |keys| through("gzip", &rising(keys));
    let inputs = [
        vec![(0, "all.gz".to_string(), compress(0..40_000)?)],
        // Only the second file has the upper keys.
        vec![
            (0, "a.gz".into(), compress(0..10_000)?),
            (0, "b.gz".into(), compress(10_000..40_000)?),
        ],
        // A compressed file has few bytes for its records.
        vec![(0, "a".into(), rising(0..20_000)), (0, "b.gz".into(), compress(20_000..40_000)?)],
        vec![(0, "a.gz".into(), compress(0..20_000)?), (0, "b".into(), rising(20_000..40_000))],
        (0..40)
            .map(|n| {
                let keys = n * 1_000..(n + 1) * 1_000;
                let is_plain = n % 4 == 0;
                let bytes = if is_plain { rising(keys) } else { compress(keys)? };
                Ok((0, format!("{n:02}{}", if is_plain { "" } else { ".gz" }), bytes))
            })
            .collect::<Result<Vec<_>>>()?,
    ];
    for (number, files) in inputs.into_iter().enumerate() {
        let setting = Setting { reducers: Some(8), ..Setting::PLAIN };
        let ran = Trial::new(files)?.run::<TeraSort>(&[], setting)?;
        let sizes: Vec<usize> = ran.parts.values().map(Vec::len).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (8, 4_000_000), "{number}");
        assert!(sizes.iter().all(|size| *size <= 1_000_000), "{number}: {sizes:?}");
    }
    Ok(())
}
