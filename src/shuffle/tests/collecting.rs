//! Tests that a combining table gives the same sums as a `BTreeMap`, with any amount of memory and
//! any batch size.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::{Sum, all, header};
use crate::record::block::Codec;
use crate::record::hash;
use crate::shuffle::{
    Batch, Collect, Error, FoldError, Folded, LoserTree, Partitioner, ReadProgress, Source,
    SpillFile, SpillPlace, TableCollector,
};

struct ByHash(u32);

impl Partitioner for ByHash {
    fn partition(&self, _: &[u8], hash: u64) -> Result<u32, FoldError> {
        Ok(hash::partition(hash, self.0))
    }
}

/// The sums of these keys, collected in batches of `batch_pairs` with `memory_bytes` of memory.
fn sums(keys: &[Vec<u8>], batch_pairs: usize, memory_bytes: usize) -> BTreeMap<Vec<u8>, u64> {
    const PARTITIONS: u32 = 3;
    let folder = tempfile::TempDir::new().expect("there is room");
    let place = SpillPlace {
        folder: folder.path().into(),
        name: "test".into(),
        header: header(Codec::Lz4, PARTITIONS),
        given: 0,
    };
    let mut collector = TableCollector::new(&Sum, ByHash(PARTITIONS), place, memory_bytes);
    let mut batch = Batch::new(true);
    for keys in keys.chunks(batch_pairs) {
        for key in keys {
            let pushed: Result<(), Error> = batch.push(key, |into| {
                into.extend(1u64.to_le_bytes());
                Ok(())
            });
            pushed.expect("a number can be written");
        }
        collector.accept(&mut batch).expect("collects");
    }
    let collected = collector.finish().expect("sorts");
    let files: Vec<SpillFile> =
        collected.files.iter().map(|file| SpillFile::open(&file.path).expect("opens")).collect();
    let progress = ReadProgress::default();
    progress.expect(collected.run.counted_bytes());
    progress.expect(collected.files.iter().map(|file| file.raw_bytes).sum());
    let mut sums = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let mut sources: Vec<Source<'_, Sum>> = files
            .iter()
            .map(|file| {
                Source::Segment(Box::new(file.segment(partition, 1 << 16, progress.counter())))
            })
            .collect();
        sources.push(Source::Table(collected.run.cursor(partition, &Sum, progress.counter())));
        for (key, value) in all(Folded::new(LoserTree::new(sources), &Sum)).expect("reads") {
            let value = u64::from_le_bytes(value.try_into().expect("a number"));
            assert!(sums.insert(key, value).is_none(), "a key came twice");
        }
    }
    assert_eq!(progress.bytes.load(Ordering::Relaxed), progress.total.into_inner());
    sums
}

#[test]
fn batches_of_any_size_are_collected_in_little_memory() {
    let keys: Vec<Vec<u8>> = (0..30_000u32)
        .map(|i| format!("{:0width$}", i % 9_000, width = (i % 3 * 14) as usize).into_bytes())
        .collect();
    let mut expected = BTreeMap::new();
    for key in &keys {
        *expected.entry(key.clone()).or_insert(0) += 1;
    }
    for batch_pairs in [1_000, 5_000, 30_000] {
        for memory_bytes in [0, 1 << 20, 1 << 30] {
            let found = sums(&keys, batch_pairs, memory_bytes);
            assert!(found == expected, "{batch_pairs} pairs at once in {memory_bytes} bytes");
        }
    }
}
