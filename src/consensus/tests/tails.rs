//! Torn tails: after a crash, any part of the last write may be missing.
//!
//! A crash image combines two copies of a running node's log. One was made before a command was committed, the other
//! after it. Each sector that differs comes from either copy. A disk may hold such a mixture if the power fails before
//! fsync returns.

use std::fs;

use super::counting::Bench;
use crate::consensus::snapshot::SNAPSHOTS;
use crate::consensus::tables::LOG_FILE;
use crate::consensus::{Error, IDENTITY_FILE};

/// The unit in which a disk writes.
const SECTOR_BYTES: usize = 512;
const IMAGES: u64 = 60;

/// Random numbers, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn of(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn torn(before: &[u8], after: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut image = before.to_vec();
    // The file may not have its new length yet.
    if chance.of(2) == 0 {
        image.resize(after.len().max(before.len()), 0);
    }
    let weight = chance.of(5);
    for (place, sector) in image.chunks_mut(SECTOR_BYTES).enumerate() {
        let at = place * SECTOR_BYTES;
        if let Some(new) = after.get(at..at + sector.len())
            && chance.of(4) < weight
        {
            sector.copy_from_slice(new);
        }
    }
    image
}

#[tokio::test]
async fn torn_tail_is_cut_and_acknowledged_entries_stay() {
    let bench = Bench::new();
    let running = bench.begin().await;
    let log = bench.data().join(LOG_FILE);
    let mut sum = 0;
    for n in 1..=40 {
        sum = running.add(n).await;
    }
    let before = fs::read(&log).unwrap();
    let torn_sum = running.add(1_000).await;
    let after = fs::read(&log).unwrap();
    assert_ne!(before, after);

    let (mut with, mut without) = (0, 0);
    for seed in 0..IMAGES {
        let folder = bench.folder.path().join(format!("crash-{seed}"));
        fs::create_dir_all(folder.join(SNAPSHOTS)).unwrap();
        fs::copy(bench.data().join(IDENTITY_FILE), folder.join(IDENTITY_FILE)).unwrap();
        fs::write(folder.join(LOG_FILE), torn(&before, &after, &mut Chance(seed))).unwrap();
        let opened = bench.open(&folder).await;
        let opened = opened.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        match opened.counter.state() {
            (found, 41) if found == torn_sum => with += 1,
            (found, 40) if found == sum => without += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
        assert_eq!(opened.add(1).await, opened.counter.state().0, "seed {seed}: it goes on");
        opened.node.close().await;
    }
    assert!(with > 0 && without > 0, "{with} {without}");
}

/// redb sets the file's length before it writes there, so no crash leaves such an end.
#[tokio::test]
async fn garbage_after_the_end_is_not_a_torn_tail() {
    let bench = Bench::new();
    let running = bench.begin().await;
    running.add(7).await;
    running.node.close().await;
    let log = bench.data().join(LOG_FILE);
    let whole = fs::read(&log).unwrap();
    fs::write(&log, [&whole[..], &[0xab; 10_000]].concat()).unwrap();
    assert!(matches!(bench.open(&bench.data()).await.err(), Some(Error::Damaged { .. })));
    fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(bench.open(&bench.data()).await.err(), Some(Error::Damaged { .. })));
    fs::write(&log, &whole).unwrap();
    assert_eq!(bench.open(&bench.data()).await.unwrap().counter.state(), (7, 1));
}
