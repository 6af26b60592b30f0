//! openraft's state machine: hands what was agreed on to the [`Machine`], and takes its snapshots.

use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};

use super::entry::{
    Body, Entry, Kind, LogId, Membership, Reply, Snapshot, SnapshotMeta, StorageError,
};
use super::log_store::Growth;
use super::snapshot::{Newest, Snapshots, read};
use super::{Machine, Unreadable};

/// Applies entries.
pub(super) struct Applier<M> {
    machine: Arc<M>,
    snapshots: Snapshots,
    growth: Arc<Growth>,
    applied: Option<LogId>,
    membership: Membership,
    newest: Arc<tokio::sync::Mutex<Option<Newest>>>,
}

/// The state as it was at one entry, ready to be written down.
pub(super) struct Builder {
    snapshots: Snapshots,
    newest: Arc<tokio::sync::Mutex<Option<Newest>>>,
    meta: SnapshotMeta,
    body: Result<Vec<u8>, Unreadable>,
}

impl<M: Machine> Applier<M> {
    /// Begins with a machine that has loaded this snapshot.
    pub(super) fn new(
        machine: Arc<M>,
        snapshots: Snapshots,
        growth: Arc<Growth>,
        newest: Option<Newest>,
    ) -> Self {
        let (applied, membership) = match &newest {
            Some(newest) => (newest.meta.last_log_id, newest.meta.last_membership.clone()),
            None => (None, Membership::default()),
        };
        let newest = Arc::new(tokio::sync::Mutex::new(newest));
        Self { machine, snapshots, growth, applied, membership, newest }
    }

    fn apply_one(&mut self, entry: Entry) -> Result<Reply, StorageError> {
        let log_id = entry.log_id;
        self.applied = Some(log_id);
        match entry.payload {
            EntryPayload::Blank => Ok(Reply::default()),
            EntryPayload::Normal(command) if command.0.is_empty() => Ok(Reply::default()),
            EntryPayload::Normal(command) => {
                let applied = self.machine.apply(&command.0);
                let failed = |error| StorageIOError::apply(log_id, AnyError::new(&error)).into();
                applied.map(Reply).map_err(failed)
            }
            EntryPayload::Membership(membership) => {
                self.membership = Membership::new(Some(log_id), membership);
                Ok(Reply::default())
            }
        }
    }
}

impl<M: Machine> RaftStateMachine<Kind> for Applier<M> {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Reply>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        entries.into_iter().map(|entry| self.apply_one(entry)).collect()
    }

    /// The state is written down here, between two entries; its file is made beside what goes on.
    async fn get_snapshot_builder(&mut self) -> Builder {
        let last = self.applied.unwrap_or_default();
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: format!("{:020}-{}", last.index, last.leader_id.term),
        };
        let body = self.machine.save();
        // What is logged from here on is for the next one.
        self.growth.begin_anew(body.as_ref().map_or(0, Vec::len));
        Builder { snapshots: self.snapshots.clone(), newest: Arc::clone(&self.newest), meta, body }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Body>, StorageError> {
        Ok(Box::new(self.snapshots.incoming()))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Body>,
    ) -> Result<(), StorageError> {
        let (read_meta, body) = read(&snapshot.path).map_err(|error| failed(&error))?;
        if read_meta != *meta {
            let error = Unreadable("the snapshot that was sent is another one".into());
            return Err(failed(&error));
        }
        let mut newest = self.newest.lock().await;
        let kept = self.snapshots.keep(meta.clone(), body.clone()).await;
        *newest = Some(kept.map_err(|error| failed(&error))?);
        self.machine.load(&body).map_err(|error| failed(&error))?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.growth.begin_anew(body.len());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let newest = self.newest.lock().await;
        Ok(newest.as_ref().map(|newest| self.snapshots.lent(newest)))
    }
}

impl RaftSnapshotBuilder<Kind> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let body = std::mem::replace(&mut self.body, Err(Unreadable("it was taken".into())));
        let body = body.map_err(|error| failed(&error))?;
        let mut newest = self.newest.lock().await;
        // One that was installed meanwhile is newer.
        if let Some(newer) =
            newest.as_ref().filter(|it| it.meta.last_log_id > self.meta.last_log_id)
        {
            return Ok(self.snapshots.lent(newer));
        }
        let kept = self.snapshots.keep(self.meta.clone(), body).await;
        let kept = kept.map_err(|error| failed(&error))?;
        let lent = self.snapshots.lent(&kept);
        *newest = Some(kept);
        Ok(lent)
    }
}

fn failed(error: &(impl std::error::Error + 'static)) -> StorageError {
    StorageIOError::write_snapshot(None, AnyError::new(error)).into()
}
