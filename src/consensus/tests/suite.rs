//! Runs openraft's own storage tests on our storage.

use std::sync::Arc;

use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::counting::{Counter, evidence};
use crate::consensus::OnFatal;
use crate::consensus::apply::Applier;
use crate::consensus::entry::{Kind, StorageError};
use crate::consensus::identity::Identity;
use crate::consensus::log_store::{Growth, LogStore};
use crate::consensus::snapshot::{SNAPSHOTS, Snapshots};
use crate::consensus::tables::Tables;
use crate::consensus::writer::Writer;

struct Ours;

impl StoreBuilder<Kind, LogStore, Applier<Counter>, TempDir> for Ours {
    async fn build(&self) -> Result<(TempDir, LogStore, Applier<Counter>), StorageError> {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity { cluster: 7, node: 0, is_guest: false };
        std::fs::create_dir(folder.path().join(SNAPSHOTS)).unwrap();
        Tables::make(folder.path(), identity, None).unwrap();
        let tables = Arc::new(Tables::open(folder.path(), identity, None).unwrap());
        let on_fatal: OnFatal = Arc::new(|fatal| panic!("{fatal}"));
        let compared = (Arc::default(), Arc::clone(&on_fatal));
        let (writer, _) = Writer::start(Arc::clone(&tables), None, on_fatal).unwrap();
        let growth = Arc::<Growth>::default();
        let log = LogStore::new(tables, writer.clone(), Arc::clone(&growth), evidence(1));
        let snapshots = Snapshots::new(folder.path(), writer);
        Ok((
            folder,
            log,
            Applier::new(
                Arc::default(),
                snapshots,
                growth,
                compared,
                (Arc::default(), evidence(1)),
                None,
            ),
        ))
    }
}

#[test]
fn openrafts_own_storage_suite_passes() {
    Suite::test_all(Ours).unwrap();
}
