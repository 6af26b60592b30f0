//! The one thread that writes `log.redb`: all waiting writes go into one transaction, with one fsync.
//!
//! Writes are applied in order of arrival, votes and entries alike, and acknowledged once they are on stable storage.
//! After the first error, every write fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use redb::{Durability, WriteTransaction};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::entry::LogId;
use super::tables::{COMMITTED, FACTS, LOG, PURGED, Tables, seal};
use super::{Disk, Error, Fatal, OnFatal};
use crate::crash::crash_point;

/// Writes in one transaction.
const BATCH_MAX: usize = 1_024;

/// A write.
#[derive(Debug)]
pub(super) enum Write {
    /// Appends entries after the last one.
    Append { entries: Vec<(u64, Vec<u8>)> },
    /// Replaces a fact.
    Fact { name: &'static str, body: Vec<u8> },
    /// Removes all entries from this one on.
    Truncate { from: u64 },
    /// Removes all entries up to this one, and records that.
    Purge { through: LogId },
}

struct Task {
    write: Write,
    done: oneshot::Sender<Result<(), Fatal>>,
}

/// A handle to the thread, which ends when all handles are dropped.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    tasks: UnboundedSender<Task>,
    /// Written together with the next write. Losing it costs only time.
    committed: Arc<Mutex<Option<LogId>>>,
}

impl Writer {
    /// Starts the thread, or a task if a simulation provides the disk. The second value counts the starts and ends of
    /// writes: it is odd during a write.
    pub(super) fn start(
        tables: Arc<Tables>,
        under: Option<Arc<dyn Disk>>,
        on_fatal: OnFatal,
    ) -> Result<(Self, watch::Receiver<u64>), Error> {
        let (tasks, waiting) = unbounded_channel();
        let (count, writes) = watch::channel(0);
        let committed = Arc::<Mutex<Option<LogId>>>::default();
        let path = tables.path.clone();
        let writing = Writing { tables, count, committed: Arc::clone(&committed), on_fatal };
        if let Some(under) = under {
            tokio::spawn(writing.write_all(waiting, move || under.latency()));
            return Ok((Self { tasks, committed }, writes));
        }
        let runtime = Handle::current();
        thread::Builder::new()
            .name("log".into())
            .spawn(move || runtime.block_on(writing.write_all(waiting, || Duration::ZERO)))
            .map_err(|source| Error::Disk {
                what: "start the thread that writes the log",
                path,
                source,
            })?;
        Ok((Self { tasks, committed }, writes))
    }

    /// Writes, and returns when the write is on stable storage.
    pub(super) async fn write(&self, write: Write) -> Result<(), Fatal> {
        let gone = || Fatal { message: "the log is closed".into() };
        let (done, written) = oneshot::channel();
        self.tasks.send(Task { write, done }).map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }

    /// Records the commit index, to be written with the next write.
    pub(super) fn note_committed(&self, committed: Option<LogId>) {
        *self.committed.lock().expect("code that holds this lock cannot panic") = committed;
    }

    /// The recorded commit index that is not written yet.
    pub(super) fn noted_committed(&self) -> Option<LogId> {
        *self.committed.lock().expect("code that holds this lock cannot panic")
    }
}

/// The state of the writing thread.
struct Writing {
    tables: Arc<Tables>,
    count: watch::Sender<u64>,
    committed: Arc<Mutex<Option<LogId>>>,
    on_fatal: OnFatal,
}

impl Writing {
    /// Writes until all handles are dropped.
    async fn write_all(self, mut waiting: UnboundedReceiver<Task>, latency: impl Fn() -> Duration) {
        let mut failed: Option<Fatal> = None;
        while let Some(first) = waiting.recv().await {
            if failed.is_none() {
                self.count.send_modify(|count| *count += 1);
                let latency = latency();
                if !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
            }
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(next) = waiting.try_recv()
            {
                batch.push(next);
            }
            if failed.is_none() {
                let written = commit(&self.tables, &batch, self.take_committed());
                self.count.send_modify(|count| *count += 1);
                if let Err(error) = written {
                    let fatal = fatal(&self.tables, &error);
                    (self.on_fatal)(fatal.clone());
                    failed = Some(fatal);
                }
            }
            for task in batch {
                // The caller may have given up.
                let _heard_or_gone = task.done.send(failed.clone().map_or(Ok(()), Err));
            }
        }
        if failed.is_none()
            && let Some(committed) = self.take_committed()
        {
            // If this fails, the next committed entry repeats it.
            let _written_or_not = commit(&self.tables, &[], Some(committed));
        }
    }

    fn take_committed(&self) -> Option<LogId> {
        self.committed.lock().expect("code that holds this lock cannot panic").take()
    }
}

fn commit(tables: &Tables, batch: &[Task], committed: Option<LogId>) -> Result<(), redb::Error> {
    let mut transaction = tables.database.begin_write()?;
    transaction.set_durability(Durability::Immediate).map_err(io::Error::other)?;
    for task in batch {
        put(&transaction, &task.write)?;
    }
    if let Some(committed) = committed {
        fact(&transaction, COMMITTED, &encode(&committed)?)?;
    }
    crash_point!("l03", batch.iter().any(|task| matches!(task.write, Write::Append { .. })));
    Ok(transaction.commit()?)
}

fn put(transaction: &WriteTransaction, write: &Write) -> Result<(), redb::Error> {
    match write {
        Write::Append { entries } => {
            let mut log = transaction.open_table(LOG)?;
            for (index, body) in entries {
                log.insert(index, seal(&index.to_le_bytes(), body).as_slice())?;
                crash_point!("s01");
            }
        }
        Write::Fact { name, body } => {
            fact(transaction, name, body)?;
            crash_point!("s02", *name == super::tables::VOTE);
        }
        Write::Truncate { from } => {
            transaction.open_table(LOG)?.retain_in(*from.., |_, _| false)?;
        }
        Write::Purge { through } => {
            transaction.open_table(LOG)?.retain_in(..=through.index, |_, _| false)?;
            crash_point!("s06");
            fact(transaction, PURGED, &encode(through)?)?;
        }
    }
    Ok(())
}

fn fact(transaction: &WriteTransaction, name: &str, body: &[u8]) -> Result<(), redb::Error> {
    let row = seal(name.as_bytes(), body);
    transaction.open_table(FACTS)?.insert(name, row.as_slice())?;
    Ok(())
}

fn encode(id: &LogId) -> Result<Vec<u8>, redb::Error> {
    bincode::serialize(id).map_err(|error| redb::Error::Io(io::Error::other(error)))
}

fn fatal(tables: &Tables, error: &redb::Error) -> Fatal {
    let path = tables.path.display();
    Fatal {
        message: format!(
            "cannot write the log: {error}: {path}\nhint: fix the disk, and start this master \
             again; it stopped because the disk's contents are unknown after an error"
        ),
    }
}
