//! Tests that segments merged a few at a time give the same records as one merge of all segments.

use std::io::Write;

use super::*;
use crate::model::SegmentPlace;
use crate::shuffle::{Gatherer, LoserTree, MergeLimits, NoFold, ReadProgress, Segment, SpillFile};

/// Writes this many segments, each with a key of its own and a key that all have. Every third is empty. Some are
/// gathered in one file.
fn places(folder: &Path, count: u32) -> Vec<SegmentPlace> {
    let mut gathered = std::fs::File::create(folder.join("gathered")).unwrap();
    let mut gathered_bytes = 0;
    let mut places = Vec::new();
    for map in 0..count {
        let value = u64::from(map).to_le_bytes().to_vec();
        let records = match map % 3 {
            0 => Vec::new(),
            _ => vec![
                (b"all".to_vec(), value.clone()),
                (format!("own {map:05}").into_bytes(), value),
            ],
        };
        let path = folder.join(format!("map-{map}"));
        spill(&path, Codec::Lz4, &[Vec::new(), records]).unwrap();
        let mut info = SpillFile::open(&path).unwrap().index().segments[1];
        if map % 2 == 0 {
            places.push(SegmentPlace { path: path.into(), info });
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let from = info.offset as usize;
        gathered.write_all(&bytes[from..from + info.stored_bytes as usize]).unwrap();
        info.offset = gathered_bytes;
        gathered_bytes += info.stored_bytes;
        places.push(SegmentPlace { path: folder.join("gathered").into(), info });
    }
    places
}

fn gather<F: Fold>(
    folder: &Path,
    places: Vec<SegmentPlace>,
    fan_in: usize,
    fold: &F,
) -> Result<(Vec<Segment>, u64, ReadProgress), Error> {
    let progress = ReadProgress::default();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let limits = MergeLimits { fan_in, buffer_bytes: 4096 };
    let header = header(Codec::Lz4, 1);
    let gatherer =
        Gatherer { header, partition: 1, limits, fold, stop: &stop, progress: &progress };
    let mut merges = 0;
    let mut check = ProgressCheck::default();
    let segments = gatherer.open(places, || {
        check.check(&progress);
        merges += 1;
        folder.join(format!("merged-{merges}"))
    })?;
    Ok((segments, merges, progress))
}

#[test]
fn three_hundred_segments_give_the_same_however_few_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path(), 300);
    let mut whole = None;
    for fan_in in [200, 64, 7, 2] {
        let run = tempfile::tempdir().unwrap();
        let (segments, merges, progress) =
            gather(run.path(), places.clone(), fan_in, &NoFold).unwrap();
        assert!(segments.len() <= fan_in && (merges > 0) == (fan_in < 200), "{fan_in}");
        let left = std::fs::read_dir(run.path()).unwrap().count();
        assert!(left <= fan_in, "{left} merged files are left of {merges}");
        let records = all(LoserTree::new(segments)).unwrap();
        ProgressCheck::default().end(&progress);
        assert_eq!(records.len(), 400);
        // Equal keys in the order of the maps.
        assert!(records[..200].is_sorted_by_key(|(_, value)| u64::from_le_bytes(
            value.as_slice().try_into().unwrap()
        )));
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records, "{fan_in}");
    }
}

#[test]
fn merged_segments_are_combined() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path(), 30);
    let (segments, _, progress) = gather(folder.path(), places, 2, &Sum).unwrap();
    let records = all(LoserTree::new(segments)).unwrap();
    ProgressCheck::default().end(&progress);
    let of_all: u64 = records
        .iter()
        .filter(|(key, _)| key == b"all")
        .map(|(_, value)| u64::from_le_bytes(value.as_slice().try_into().unwrap()))
        .sum();
    assert_eq!(of_all, (0..30).filter(|map| map % 3 != 0).sum::<u64>());
}

#[test]
fn segment_that_differs_from_its_index_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let mut places = places(folder.path(), 3);
    places[1].info.digest ^= 1;
    let (segments, _, _) = gather(folder.path(), places.clone(), 2, &NoFold).unwrap();
    let error = all(LoserTree::new(segments)).unwrap_err();
    assert!(matches!(error, Error::Segment { what: "digest", partition: 1, .. }), "{error}");
    places[1].info.stored_bytes += 1;
    let error = gather(folder.path(), places, 2, &NoFold).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Length { .. }), "{error}");
}
