//! openraft's state machine: applies entries to the [`Machine`], and takes its snapshots.

use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};

use super::digest::{DigestAt, Digests};
use super::entry::{
    Body, Entry, Kind, LogId, Membership, Reply, Snapshot, SnapshotMeta, StorageError,
};
use super::evidence::Evidence;
use super::log_store::Growth;
use super::removed_members::RemovedMembers;
use super::snapshot::{Snapshots, read};
use super::tables::Newest;
use super::{Fatal, Machine, OnFatal, Unreadable};
use crate::crash::crash_point;

/// Applies entries to the machine.
pub(super) struct Applier<M> {
    machine: Arc<M>,
    snapshots: Snapshots,
    growth: Arc<Growth>,
    digests: Arc<Digests>,
    removed_members: Arc<RemovedMembers>,
    evidence: Arc<Evidence>,
    on_fatal: OnFatal,
    applied: Option<LogId>,
    membership: Membership,
    newest: Arc<tokio::sync::Mutex<Option<Newest>>>,
}

/// The serialized state after an entry, which is then written to a snapshot.
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
        (digests, on_fatal): (Arc<Digests>, OnFatal),
        (removed_members, evidence): (Arc<RemovedMembers>, Arc<Evidence>),
        newest: Option<Newest>,
    ) -> Self {
        let (applied, membership) = match &newest {
            Some(newest) => (newest.meta.last_log_id, newest.meta.last_membership.clone()),
            None => (None, Membership::default()),
        };
        let newest = Arc::new(tokio::sync::Mutex::new(newest));
        Self {
            machine,
            snapshots,
            growth,
            digests,
            removed_members,
            evidence,
            on_fatal,
            applied,
            membership,
            newest,
        }
    }

    fn apply_one(&mut self, entry: Entry) -> Result<Reply, StorageError> {
        let log_id = entry.log_id;
        self.applied = Some(log_id);
        let failed = |error: &dyn std::error::Error| {
            StorageError::from(StorageIOError::apply(log_id, AnyError::error(error.to_string())))
        };
        let (mut command, mut reply) = (Vec::new(), Reply::default());
        match entry.payload {
            EntryPayload::Blank => self.evidence.apply(log_id, None),
            EntryPayload::Normal(entry) => {
                self.compare(entry.last_applied).map_err(|fatal| failed(&fatal))?;
                self.evidence.apply(log_id, Some(&entry));
                command = entry.body;
            }
            EntryPayload::Membership(membership) => {
                // Until the leader completes the change, majorities of both the old and the new members decide.
                crash_point!("s08", membership.get_joint_config().len() > 1);
                self.membership = Membership::new(Some(log_id), membership);
                self.removed_members.apply(&self.membership);
                self.evidence.apply(log_id, None);
            }
        }
        if !command.is_empty() {
            let applied = self.machine.apply(log_id.index, &command);
            reply = Reply(applied.map_err(|error| failed(&error))?);
        }
        self.digests.add(log_id.index, &command, &reply.0);
        Ok(reply)
    }

    /// Ends a node whose state differs from the leader's after the same entries.
    fn compare(&self, theirs: DigestAt) -> Result<(), Fatal> {
        let Some(ours) = self.digests.differs(theirs) else { return Ok(()) };
        let DigestAt { index, digest } = theirs;
        let fatal = Fatal {
            message: format!(
                "the state of this master differs from the leader's: after entry {index} its \
                 digest is {ours:016x}, and the leader's is {digest:016x}: {}\nhint: keep this \
                  folder and report the bug; to replace this master, join the others with an empty \
                 folder and another --id",
                self.snapshots.folder().display()
            ),
        };
        (self.on_fatal)(fatal.clone());
        Err(fatal)
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
        crash_point!("l05");
        entries.into_iter().map(|entry| self.apply_one(entry)).collect()
    }

    /// Serializes the state between two entries. The file is written in the background.
    async fn get_snapshot_builder(&mut self) -> Builder {
        let last = self.applied.unwrap_or_default();
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: format!("{:020}-{}", last.index, last.leader_id.term),
        };
        let state = self.machine.save().map(|state| self.removed_members.saved(state));
        let state = state.and_then(|state| self.evidence.saved(state));
        let body = state.map(|state| self.digests.saved(state));
        // From here on, the log counts towards the next snapshot.
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
            let error = Unreadable("the received snapshot is not the announced one".into());
            return Err(failed(&error));
        }
        let mut newest = self.newest.lock().await;
        let kept = self.snapshots.keep(meta.clone(), body.clone()).await;
        *newest = Some(kept.map_err(|error| failed(&error))?);
        crash_point!("s07");
        let index = meta.last_log_id.unwrap_or_default().index;
        let rest = self.digests.load(index, &body);
        let rest = rest.and_then(|rest| self.evidence.load(meta.last_log_id, rest));
        let state = rest.and_then(|rest| self.removed_members.load(&meta.last_membership, rest));
        let loaded = state.and_then(|state| self.machine.load(index, state));
        loaded.map_err(|error| failed(&error))?;
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
        let body = std::mem::replace(
            &mut self.body,
            Err(Unreadable("this builder has already built its snapshot".into())),
        );
        let body = body.map_err(|error| failed(&error))?;
        let mut newest = self.newest.lock().await;
        // A snapshot that was installed in the meantime is newer.
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
