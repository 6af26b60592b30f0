//! Tests that merges of any number of files, in any number of passes, are sorted, stable, complete
//! and folded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{ProgressCheck, Records, Sum, all, any_key, header, spill};
use crate::record::block::Codec;
use crate::shuffle::merge::{BUFFER_BYTES_LEAST, FAN_IN_MAX};
use crate::shuffle::{
    Error, Fold, Folded, MergeLimits, Merged, Merger, NoFold, ReadProgress, SpillFile, Spilled,
    merged_segments,
};

const PARTITIONS: usize = 3;

/// Spills each of `files` (lists of partitions of sorted records), merges them, and returns the result.
fn merge<F: Fold>(files: &[Vec<Records>], limits: MergeLimits, fold: &F) -> (Vec<Records>, Merged) {
    let folder = TempDir::new().unwrap();
    let spilled = (0..).zip(files).map(|(i, partitions)| {
        let path = folder.path().join(format!("spill {i}"));
        let raw_bytes = spill(&path, Codec::Lz4, partitions).unwrap().raw_bytes();
        Spilled { path, raw_bytes }
    });
    let (stop, progress) = (AtomicBool::new(false), ReadProgress::default());
    let header = header(Codec::Lz4, PARTITIONS as u32);
    let merger = Merger { header, limits, fold, stop: &stop, progress: &progress };
    let mut check = ProgressCheck::default();
    let mut paths = (0..).map(|i| folder.path().join(format!("merged {i}")));
    let next_path = || {
        check.check(&progress);
        paths.next().unwrap()
    };
    let merged = merger.merge_to_fan_in(spilled.collect(), next_path).unwrap();

    let mut left: Vec<PathBuf> =
        folder.path().read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    left.sort();
    let mut expected: Vec<PathBuf> = merged.files.iter().map(|file| file.path.clone()).collect();
    expected.sort();
    assert_eq!(left, expected, "merged files are removed and no others");

    let open = |file: &Spilled| SpillFile::open(&file.path).unwrap();
    let files: Vec<SpillFile> = merged.files.iter().map(open).collect();
    let partition = |i| {
        let segments = merged_segments(&files, i as u32, limits, progress.counter());
        all(Folded::new(segments, fold)).unwrap()
    };
    let partitions = (0..PARTITIONS).map(partition).collect();
    check.end(&progress);
    (partitions, merged)
}

/// Files of partitions of sorted records. Each record's value is the number of its file.
fn any_files() -> impl Strategy<Value = Vec<Vec<Records>>> {
    let partition = proptest::collection::vec(any_key(), 0..30);
    let file = proptest::collection::vec(partition, PARTITIONS);
    proptest::collection::vec(file, 0..12).prop_map(|mut files| {
        let mut number = 0_u64;
        let mut numbered = |key: &Vec<u8>| {
            number += 1;
            (key.clone(), number.to_le_bytes().to_vec())
        };
        let mut records = |keys: &mut Vec<Vec<u8>>| {
            keys.sort();
            keys.iter().map(&mut numbered).collect()
        };
        files.iter_mut().map(|file| file.iter_mut().map(&mut records).collect()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merged_files_are_sorted_stable_and_complete(files in any_files(), fan_in in 2_usize..9) {
        let limits = MergeLimits { fan_in, buffer_bytes: 100 };
        let (merged, _) = merge(&files, limits, &NoFold);
        for (partition, merged) in merged.into_iter().enumerate() {
            let mut expected: Records = files.iter().flat_map(|file| file[partition].clone()).collect();
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(merged, expected);
        }
    }

    #[test]
    fn merged_sums_are_those_of_a_map(files in any_files(), fan_in in 2_usize..9) {
        let limits = MergeLimits { fan_in, buffer_bytes: 100 };
        let (merged, _) = merge(&files, limits, &Sum);
        for (partition, merged) in merged.into_iter().enumerate() {
            let mut sums = BTreeMap::new();
            for (key, value) in files.iter().flat_map(|file| &file[partition]) {
                *sums.entry(key.clone()).or_insert(0) += Sum.init(value).unwrap();
            }
            let expected: Records =
                sums.into_iter().map(|(key, sum)| (key, sum.to_le_bytes().to_vec())).collect();
            prop_assert_eq!(merged, expected);
        }
    }
}

fn one_file(key: &str, records: usize) -> Vec<Records> {
    let record = |i: usize| (format!("{key} {i:06}").into_bytes(), 1_u64.to_le_bytes().to_vec());
    vec![vec![], (0..records).map(record).collect(), vec![]]
}

#[test]
fn many_files_take_several_passes_and_come_down_to_the_fan_in() {
    let files: Vec<_> = (0..30).map(|i| one_file(&format!("{:02}", i % 10), 3000)).collect();
    let (partitions, merged) = merge(&files, MergeLimits { fan_in: 4, buffer_bytes: 4096 }, &Sum);
    assert_eq!((merged.files.len(), merged.merges, merged.files_merged), (4, 9, 35));
    assert_eq!(partitions[1].len(), 10 * 3000);
    assert!(partitions[1].iter().all(|(_, value)| value[..] == 3_u64.to_le_bytes()));
}

#[test]
fn a_merge_that_is_told_to_stop_leaves_no_half_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("spill");
    let raw_bytes = spill(&path, Codec::Lz4, &one_file("k", 10)).unwrap().raw_bytes();
    let (stop, progress) = (AtomicBool::new(true), ReadProgress::default());
    let limits = MergeLimits::within(0, 3);
    let merger = Merger {
        header: header(Codec::Lz4, 3),
        limits,
        fold: &NoFold,
        stop: &stop,
        progress: &progress,
    };
    let result = merger.merge_into(&folder.path().join("merged"), &[Spilled { path, raw_bytes }]);
    assert!(matches!(result, Err(Error::Stopped)));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_file_of_another_job_is_not_merged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("spill");
    let raw_bytes = spill(&path, Codec::Lz4, &one_file("k", 10)).unwrap().raw_bytes();
    let (stop, progress) = (AtomicBool::new(false), ReadProgress::default());
    let limits = MergeLimits::within(0, 3);
    let ours = header(Codec::Lz4, 3);
    let others = [
        ("nonce", super::SpillHeader { nonce: 1, ..ours }),
        ("number of partitions", header(Codec::Lz4, 4)),
    ];
    for (expected, header) in others {
        let merger = Merger { header, limits, fold: &NoFold, stop: &stop, progress: &progress };
        let spilled = Spilled { path: path.clone(), raw_bytes };
        let result = merger.merge_into(&folder.path().join("merged"), &[spilled]);
        assert!(matches!(result, Err(Error::Foreign { what, .. }) if what == expected));
    }
}

#[test]
fn limits_follow_the_memory() {
    let mib = 1024 * 1024;
    let table = [
        (0, 1, 2, BUFFER_BYTES_LEAST),
        (mib, 1, 3, BUFFER_BYTES_LEAST),
        (256 * mib, 1, FAN_IN_MAX, mib),
        (8 * mib, 10_000, 12, BUFFER_BYTES_LEAST),
    ];
    for (memory_bytes, partitions, fan_in, buffer_least) in table {
        let limits = MergeLimits::within(memory_bytes, partitions);
        assert_eq!(limits.fan_in, fan_in, "{memory_bytes} bytes, {partitions} partitions");
        assert!((buffer_least..=mib).contains(&limits.buffer_bytes), "{limits:?}");
    }
}
