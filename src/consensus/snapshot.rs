//! Snapshot files: `snapshots/<index>-<term>.snapshot`.
//!
//! ```text
//!   magic "GMSNAP01"  │ head bytes: u64 LE │ body bytes: u64 LE │ head: bincode │ body │ crc32c: u32 LE
//!                                                                openraft's words  the machine's    over all before
//! ```
//!
//! A snapshot is written in four steps. First the file is written under another name, and synced. Then it is renamed.
//! Then `log.redb` names it as the newest snapshot. Finally, older snapshots and the log entries that the new one
//! covers are removed. If the process is killed between two steps, either the old snapshot or the new one is complete.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{Body, Snapshot, SnapshotMeta};
use super::identity::place;
use super::tables::{Newest, SNAPSHOT, Tables};
use super::writer::{Write, Writer};
use super::{Error, Fatal};
use crate::offload::offload;

/// The folder of snapshots in a master's folder.
pub(super) const SNAPSHOTS: &str = "snapshots";
const MAGIC: &[u8; 8] = b"GMSNAP01";
const LENGTHS_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
/// The name of a snapshot that is arriving.
const RECEIVED: &str = ".incoming-received";

/// The folder of snapshots. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Snapshots {
    folder: Arc<PathBuf>,
    writer: Writer,
}

impl Snapshots {
    pub(super) fn new(folder: &Path, writer: Writer) -> Self {
        Self { folder: Arc::new(folder.join(SNAPSHOTS)), writer }
    }

    /// Keeps a snapshot. When this returns, it is the newest one, and is on stable storage.
    pub(super) async fn keep(&self, meta: SnapshotMeta, body: Vec<u8>) -> Result<Newest, Fatal> {
        let file = name(&meta);
        let newest = Newest { file: file.clone(), meta: meta.clone() };
        let folder = Arc::clone(&self.folder);
        let written = offload(move || write(&folder, &file, &meta, &body)).await;
        written
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| self.fatal(&error))?;
        let row = bincode::serialize(&newest).map_err(|error| self.fatal(&error))?;
        self.writer.write(Write::Fact { name: SNAPSHOT, body: row }).await?;
        self.sweep(&newest.file);
        Ok(newest)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file into which a snapshot of another node is received. The next one replaces it.
    pub(super) fn incoming_path(folder: &Path) -> PathBuf {
        folder.join(SNAPSHOTS).join(RECEIVED)
    }

    /// Path of the file into which a snapshot is received.
    pub(super) fn incoming(&self) -> Body {
        Body { path: self.folder.join(RECEIVED) }
    }

    /// Describes a kept snapshot for openraft.
    pub(super) fn lent(&self, newest: &Newest) -> Snapshot {
        let path = self.folder.join(&newest.file);
        Snapshot { meta: newest.meta.clone(), snapshot: Box::new(Body { path }) }
    }

    /// Removes all snapshots except one. What cannot be removed now is removed after the next one.
    fn sweep(&self, newest: &str) {
        let Ok(entries) = fs::read_dir(self.folder.as_path()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name != newest && name != RECEIVED {
                let _removed_or_later = fs::remove_file(entry.path());
            }
        }
    }

    fn fatal(&self, error: &dyn std::error::Error) -> Fatal {
        let path = self.folder.display();
        Fatal {
            message: format!(
                "cannot write a snapshot: {error}: {path}\nhint: free space or fix the disk, \
                 and start this master again; without snapshots the log would grow without \
                 bound"
            ),
        }
    }
}

/// Reads the newest snapshot that the tables name.
pub(super) fn newest(
    folder: &Path,
    tables: &Tables,
    node: u64,
) -> Result<Option<(Newest, Vec<u8>)>, Error> {
    let Some(newest) = tables.snapshot()? else { return Ok(None) };
    let path = folder.join(SNAPSHOTS).join(&newest.file);
    if !path.exists() {
        let missing = format!("{SNAPSHOTS}/{}", newest.file);
        return Err(Error::Wiped { path: folder.to_path_buf(), node, missing });
    }
    let (meta, body) = read(&path)?;
    if meta != newest.meta {
        let (place, what) =
            ("offset 24".into(), "it is not the snapshot that the log names".into());
        return Err(Error::Damaged { path, place, what });
    }
    Ok(Some((newest, body)))
}

/// Reads a file and checks all of it.
pub(super) fn read(path: &Path) -> Result<(SnapshotMeta, Vec<u8>), Error> {
    let bytes = fs::read(path).map_err(|source| Error::Disk {
        what: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let damaged = |offset: usize, what: &str| Error::Damaged {
        path: path.to_path_buf(),
        place: format!("offset {offset}"),
        what: what.into(),
    };
    let (magic, rest) = bytes.split_first_chunk().ok_or_else(|| damaged(0, "it is too short"))?;
    if magic != MAGIC {
        return Err(damaged(0, "it does not begin like a snapshot"));
    }
    let lengths = rest.split_first_chunk::<LENGTHS_BYTES>();
    let (lengths, rest) = lengths.ok_or_else(|| damaged(8, "it is too short"))?;
    let [head_bytes, body_bytes] = [0, 8].map(|at| {
        let bytes = lengths[at..].first_chunk().copied().unwrap_or_default();
        usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    });
    let expected = head_bytes.checked_add(body_bytes).and_then(|sum| sum.checked_add(CRC_BYTES));
    if expected != Some(rest.len()) {
        return Err(damaged(8, "its length differs from the length in its header"));
    }
    let covered = bytes.len() - CRC_BYTES;
    let crc = bytes[covered..].first_chunk().copied().map(u32::from_le_bytes);
    if crc != Some(crc32c::crc32c(&bytes[..covered])) {
        return Err(damaged(covered, "the checksum of its contents differs"));
    }
    let meta = bincode::deserialize(&rest[..head_bytes]);
    let meta = meta.map_err(|error| damaged(24, &error.to_string()))?;
    Ok((meta, rest[head_bytes..head_bytes + body_bytes].to_vec()))
}

fn write(folder: &Path, file: &str, meta: &SnapshotMeta, body: &[u8]) -> io::Result<()> {
    let head = bincode::serialize(meta).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(MAGIC.len() + LENGTHS_BYTES + head.len() + body.len() + 4);
    bytes.extend(MAGIC);
    bytes.extend((head.len() as u64).to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(head);
    bytes.extend(body);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    place(folder, file, &bytes)
}

fn name(meta: &SnapshotMeta) -> String {
    format!("{}.snapshot", meta.snapshot_id)
}
