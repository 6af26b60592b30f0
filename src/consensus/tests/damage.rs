//! Damage other than a torn tail is detected and reported, never ignored.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use redb::backends::InMemoryBackend;
use redb::{ReadableTable, StorageBackend};

use super::counting::Bench;
use crate::consensus::disk_stall::stalled;
use crate::consensus::snapshot::SNAPSHOTS;
use crate::consensus::tables::{LOG, LOG_FILE, Tables};
use crate::consensus::writer::{Write, Writer};
use crate::consensus::{Begin, Error};

/// A folder in which 50 numbers were agreed on.
async fn used() -> Bench {
    let bench = Bench::new();
    let running = bench.begin().await;
    for n in 0..50 {
        running.add(n).await;
    }
    running.node.close().await;
    bench
}

async fn refusal(bench: &Bench) -> String {
    let said = bench.open(&bench.data()).await.err().expect("it is refused").to_string();
    assert!(said.contains("nothing was changed") && said.contains("restore the file"), "{said}");
    said
}

fn with_log(bench: &Bench, change: impl FnOnce(&mut redb::Table<'_, u64, &[u8]>)) {
    let database = redb::Database::open(bench.data().join(LOG_FILE)).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&mut transaction.open_table(LOG).unwrap());
    transaction.commit().unwrap();
}

#[tokio::test]
async fn damaged_log_entry_is_named() {
    let bench = used().await;
    let mut row = Vec::new();
    with_log(&bench, |log| {
        row = log.get(20).unwrap().unwrap().value().to_vec();
        let mut other = row.clone();
        *other.last_mut().unwrap() ^= 1;
        log.insert(20, other.as_slice()).unwrap();
    });
    let said = refusal(&bench).await;
    assert!(said.contains("damaged at log entry 20: the checksum differs"), "{said}");
    with_log(&bench, |log| drop(log.remove(20).unwrap()));
    let said = refusal(&bench).await;
    assert!(said.contains("damaged at log entry 21: entry 20 is missing"), "{said}");
    with_log(&bench, |log| drop(log.insert(20, row.as_slice()).unwrap()));
    assert_eq!(bench.open(&bench.data()).await.unwrap().counter.state(), (49 * 25, 50));
}

/// A folder that was closed properly has no torn tail. A page that differs is either damaged or unused.
#[tokio::test]
async fn a_flipped_bit_anywhere_is_found_or_does_not_matter() {
    let bench = used().await;
    let log = bench.data().join(LOG_FILE);
    let whole = fs::read(&log).unwrap();
    let mut found = 0;
    for place in (200..whole.len()).step_by(1_024) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(&log, &bytes).unwrap();
        match bench.open(&bench.data()).await {
            Ok(running) => {
                assert_eq!(running.counter.state(), (49 * 25, 50), "at {place}");
                running.node.close().await;
            }
            Err(Error::Damaged { .. }) => found += 1,
            Err(other) => panic!("at {place}: {other}"),
        }
    }
    assert!(found > 0);
}

#[tokio::test]
async fn a_damaged_snapshot_is_named_with_its_offset() {
    let mut bench = Bench::new();
    bench.limits.log_bytes = 1_500;
    let running = bench.begin().await;
    for n in 0..60 {
        running.add(n).await;
    }
    running.node.close().await;
    let snapshots = bench.data().join(SNAPSHOTS);
    let file = fs::read_dir(snapshots).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    let end = format!("damaged at offset {}: the checksum", whole.len() - 4);
    let table = [
        (3, "damaged at offset 0: it does not begin like a snapshot"),
        (9, "damaged at offset 8: its length"),
        (40, &end),
        (whole.len() - 1, &end),
    ];
    for (place, expected) in table {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let said = refusal(&bench).await;
        assert!(said.contains(expected) && said.contains(".snapshot"), "{said}");
    }
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(&bench).await.contains("damaged at offset 8: its length"));
    fs::write(&file, &whole).unwrap();
    assert_eq!(bench.open(&bench.data()).await.unwrap().counter.state(), (59 * 30, 60));
}

/// A disk whose fsync fails or is slow when a test asks for that.
#[derive(Debug, Default)]
struct Disk {
    memory: InMemoryBackend,
    fails: Arc<AtomicBool>,
    stalls: Arc<AtomicBool>,
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        while self.stalls.load(Ordering::SeqCst) {
            thread::park_timeout(Duration::from_millis(5));
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write(offset, data)
    }
}

fn tables_on(disk: Disk) -> Arc<Tables> {
    let database = redb::Builder::new().create_with_backend(disk).unwrap();
    Arc::new(Tables { database, path: "/data/m1/log.redb".into() })
}

fn vote(n: u8) -> Write {
    Write::Fact { name: "vote", body: vec![n] }
}

#[tokio::test]
async fn after_a_disk_error_nothing_is_acknowledged() {
    let bench = Bench::new();
    let disk = Disk::default();
    let fails = Arc::clone(&disk.fails);
    let on_fatal = bench.options(&bench.data(), Begin::Nothing).on_fatal;
    let (writer, _writes) = Writer::start(tables_on(disk), None, on_fatal).unwrap();
    writer.write(vote(1)).await.unwrap();
    fails.store(true, Ordering::SeqCst);
    let fatal = writer.write(vote(2)).await.unwrap_err();
    assert!(fatal.message.contains("cannot write the log"), "{fatal}");
    assert!(fatal.message.contains("/data/m1/log.redb"), "{fatal}");
    fails.store(false, Ordering::SeqCst);
    assert_eq!(writer.write(vote(3)).await.unwrap_err(), fatal, "also when the disk is well again");
    assert_eq!(*bench.fatal.lock().unwrap(), [fatal], "it is told once");
}

#[tokio::test]
async fn a_disk_that_does_not_answer_is_noticed() {
    let disk = Disk::default();
    let stalls = Arc::clone(&disk.stalls);
    let (writer, writes) = Writer::start(tables_on(disk), None, Arc::new(|_| {})).unwrap();
    let mut watched = Box::pin(stalled(writes.clone(), || Duration::from_millis(200)));
    for n in 0..50 {
        writer.write(vote(n)).await.unwrap();
    }
    stalls.store(true, Ordering::SeqCst);
    let write = tokio::spawn({
        let writer = writer.clone();
        async move { writer.write(vote(99)).await }
    });
    assert!(watched.as_mut().await, "it waits for longer than it should");
    stalls.store(false, Ordering::SeqCst);
    write.await.unwrap().unwrap();
    drop(writer);
    assert!(!stalled(writes, || Duration::from_millis(200)).await, "the writer is gone");
}
