//! Stores openraft's log and vote in the tables of `log.redb`.

use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader, StorageIOError};
use serde::Serialize;
use tokio::sync::Notify;

use super::entry::{Entry, Kind, LogId, StorageError, Vote};
use super::evidence::Evidence;
use super::tables::{COMMITTED, PURGED, Tables, VOTE};
use super::writer::{Write, Writer};
use crate::crash::crash_point;

/// Most bytes of entries that are read for one message to another master, which must arrive within a heartbeat.
const READ_BYTES_MAX: u64 = 512 << 10;
/// Most entries that are read for one message to another master.
const READ_ENTRIES_MAX: u64 = 256;

/// The growth of the log since the newest snapshot.
#[derive(Debug, Default)]
pub(super) struct Growth {
    pub(super) bytes: AtomicU64,
    /// Size of the newest snapshot's body.
    pub(super) snapshot_bytes: AtomicU64,
    /// Notified with each entry.
    pub(super) grown: Notify,
}

/// The log. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LogStore {
    tables: Arc<Tables>,
    writer: Writer,
    growth: Arc<Growth>,
    evidence: Arc<Evidence>,
}

impl Growth {
    /// Records that a snapshot with a body of this size was taken.
    pub(super) fn begin_anew(&self, snapshot_bytes: usize) {
        self.bytes.store(0, Ordering::Relaxed);
        self.snapshot_bytes.store(snapshot_bytes as u64, Ordering::Relaxed);
    }

    /// Whether it is time for a snapshot.
    pub(super) fn is_due(&self, log_bytes: u64) -> bool {
        let snapshot_bytes = self.snapshot_bytes.load(Ordering::Relaxed);
        self.bytes.load(Ordering::Relaxed) >= log_bytes.max(snapshot_bytes)
    }
}

impl LogStore {
    pub(super) fn new(
        tables: Arc<Tables>,
        writer: Writer,
        growth: Arc<Growth>,
        evidence: Arc<Evidence>,
    ) -> Self {
        Self { tables, writer, growth, evidence }
    }

    async fn save(&self, name: &'static str, value: &impl Serialize) -> Result<(), StorageError> {
        let body = bincode::serialize(value).map_err(|error| write_failed(&error))?;
        self.write(Write::Fact { name, body }).await
    }

    async fn write(&self, write: Write) -> Result<(), StorageError> {
        self.writer.write(write).await.map_err(|fatal| write_failed(&fatal))
    }
}

fn write_failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIOError::write_logs(AnyError::new(error)).into()
}

fn read_failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIOError::read_logs(AnyError::new(error)).into()
}

impl RaftLogReader<Kind> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        self.tables.entries(range).map_err(|error| read_failed(&error))
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, StorageError> {
        let end = end.min(start.saturating_add(READ_ENTRIES_MAX));
        let read = self.tables.entries_within(start..end, READ_BYTES_MAX);
        read.map_err(|error| read_failed(&error))
    }
}

impl RaftLogStorage<Kind> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Kind>, StorageError> {
        let purged: Option<LogId> =
            self.tables.fact(PURGED).map_err(|error| read_failed(&error))?;
        let last = self.tables.last().map_err(|error| read_failed(&error))?;
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.or(purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.save(VOTE, vote).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        self.tables.fact(VOTE).map_err(|error| read_failed(&error))
    }

    /// This needs no fsync of its own: a new entry is committed at each start, so an older index does no harm.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.writer.note_committed(committed);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        if let Some(noted) = self.writer.noted_committed() {
            return Ok(Some(noted));
        }
        self.tables.fact(COMMITTED).map_err(|error| read_failed(&error))
    }

    /// Returns when the entries are on stable storage, because openraft waits for that.
    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<Kind>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encode = |entry: Entry| Ok((entry.log_id.index, bincode::serialize(&entry)?));
        let entries: Result<Vec<_>, bincode::Error> = entries.into_iter().map(encode).collect();
        let entries = entries.map_err(|error| write_failed(&error))?;
        let bytes: usize = entries.iter().map(|(_, body)| body.len()).sum();
        let last = entries.last().map(|(index, _)| *index);
        self.write(Write::Append { entries }).await?;
        last.into_iter().for_each(|last| self.evidence.set_last(last));
        // openraft sends them to the other masters only after this returns.
        crash_point!("l04");
        self.growth.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.growth.grown.notify_one();
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.write(Write::Truncate { from: log_id.index }).await?;
        self.evidence.set_last(log_id.index.saturating_sub(1));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        crash_point!("s05");
        self.write(Write::Purge { through: log_id }).await
    }
}
