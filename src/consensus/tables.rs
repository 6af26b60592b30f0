//! The tables in `log.redb`, and how they are read.
//!
//! ```text
//!   table `log`     index: u64          → crc32c: u32 LE over index (LE) and entry │ entry: bincode
//!
//!   table `facts`   name: &str          → crc32c: u32 LE over name and body        │ body
//!                   "identity"            the text of the identity file
//!                   "vote"                the last vote, bincode
//!                   "committed"           the log id of a committed entry, perhaps not of the last one
//!                   "purged"              the log id up to which entries were removed
//!                   "starts"              how often a master was started in this folder, u64 LE
//!                   "snapshot"            the newest snapshot: its file's name and openraft's metadata, bincode
//! ```
//!
//! Indexes in `log` are consecutive, starting after "purged". redb checks its own pages when the file is opened. The
//! checksums here also catch memory errors, and name the damaged key.

use std::ops::{Range, RangeBounds};
use std::path::{Path, PathBuf};

use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable,
    TableDefinition,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, LogId, SnapshotMeta};
use super::identity::Identity;
use super::{Disk, Error};

/// The file in a master's folder.
pub(super) const LOG_FILE: &str = "log.redb";
/// Memory for pages of the file.
const CACHE_BYTES: usize = 32 << 20;
/// Length of a checksum.
const CRC_BYTES: usize = 4;

pub(super) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
pub(super) const FACTS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("facts");

pub(super) const IDENTITY: &str = "identity";
pub(super) const VOTE: &str = "vote";
pub(super) const COMMITTED: &str = "committed";
pub(super) const PURGED: &str = "purged";
pub(super) const SNAPSHOT: &str = "snapshot";
const STARTS: &str = "starts";

/// The open file.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) database: Database,
    pub(super) path: PathBuf,
}

/// What `log.redb` knows of the newest snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Newest {
    pub(super) file: String,
    pub(super) meta: SnapshotMeta,
}

/// The contents of a log when it is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Tables {
    /// Creates the file atomically: it gets its name only once it contains the identity.
    pub(super) fn make(
        folder: &Path,
        identity: Identity,
        under: Option<&dyn Disk>,
    ) -> Result<(), Error> {
        let incoming = folder.join(format!(".incoming-{LOG_FILE}"));
        let path = folder.join(LOG_FILE);
        let disk = |what, source| Error::Disk { what, path: path.clone(), source };
        match std::fs::remove_file(&incoming) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = "remove an incomplete file";
                return Err(Error::Disk { what, path: incoming.clone(), source: error });
            }
            _ => {}
        }
        let written = || -> Result<(), redb::Error> {
            let database = match under {
                Some(under) => under.open(&Builder::new(), &incoming)?,
                None => Database::create(&incoming)?,
            };
            let transaction = database.begin_write()?;
            transaction.open_table(LOG)?;
            let text = identity.text();
            let row = seal(IDENTITY.as_bytes(), text.as_bytes());
            transaction.open_table(FACTS)?.insert(IDENTITY, row.as_slice())?;
            transaction.commit()?;
            Ok(database.close()?)
        };
        written().map_err(|error| disk("write", std::io::Error::other(error)))?;
        std::fs::rename(&incoming, &path).map_err(|error| disk("rename the new file", error))?;
        let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| disk("sync the folder", error))
    }

    /// Opens the file and checks all its pages.
    pub(super) fn open(
        folder: &Path,
        identity: Identity,
        under: Option<&dyn Disk>,
    ) -> Result<Self, Error> {
        let path = folder.join(LOG_FILE);
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let opened = match under {
            Some(under) => under.open(&builder, &path),
            None => builder.open(&path),
        };
        let database = opened.map_err(|error| refused(error, &path))?;
        let tables = Self { database, path };
        let body = tables.fact_bytes(IDENTITY)?;
        let found = body.map(|body| String::from_utf8_lossy(&body).into_owned());
        let found = Identity::parse(&found.unwrap_or_default())
            .map_err(|what| Error::Format { path: tables.path.clone(), what })?;
        if found != identity {
            let (found, expected) = (found.to_string(), identity.to_string());
            return Err(Error::Foreign { path: tables.path, found, expected });
        }
        Ok(tables)
    }

    /// Reads all entries, and checks that none is damaged or missing.
    pub(super) fn check(&self, snapshot: Option<&LogId>) -> Result<Found, Error> {
        let purged: Option<LogId> = self.fact(PURGED)?;
        let purged = purged.map(|id| id.index);
        if purged > snapshot.map(|id| id.index) {
            let what = "entries that no snapshot covers were removed".into();
            return Err(self.damaged(format!("fact `{PURGED}`"), what));
        }
        let mut expected = purged.map_or(0, |index| index + 1);
        let mut found = Found::default();
        self.each(.., |index, bytes| {
            let entry = self.entry(index, bytes)?;
            if entry.log_id.index != index || index != expected {
                let what = format!("entry {expected} is missing");
                return Err(self.damaged(format!("log entry {index}"), what));
            }
            expected += 1;
            if snapshot.is_none_or(|snapshot| index > snapshot.index) {
                found.entries += 1;
                found.bytes += bytes.len() as u64;
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The entries of a range, in order.
    pub(super) fn entries(&self, range: impl RangeBounds<u64>) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        self.each(range, |index, bytes| {
            entries.push(self.entry(index, bytes)?);
            Ok(())
        })?;
        Ok(entries)
    }

    /// The first entries of a range: at least one, and otherwise at most this many bytes.
    pub(super) fn entries_within(
        &self,
        range: Range<u64>,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, Error> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let table = self.read(LOG)?;
        for row in table.range(range).map_err(|error| self.unreadable(error.into()))? {
            let (index, row) = row.map_err(|error| self.unreadable(error.into()))?;
            bytes += row.value().len() as u64;
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(self.entry(index.value(), row.value())?);
        }
        Ok(entries)
    }

    /// The last entry's log id.
    pub(super) fn last(&self) -> Result<Option<LogId>, Error> {
        let table = self.read(LOG)?;
        let last = table.last().map_err(|error| self.unreadable(error.into()))?;
        let Some((index, bytes)) = last else { return Ok(None) };
        Ok(Some(self.entry(index.value(), bytes.value())?.log_id))
    }

    /// A fact, if it was ever written.
    pub(super) fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(body) = self.fact_bytes(name)? else { return Ok(None) };
        let read = bincode::deserialize(&body);
        read.map(Some).map_err(|error| self.damaged(format!("fact `{name}`"), error.to_string()))
    }

    /// The log id of an entry, if it is in the log.
    pub(super) fn log_id(&self, index: u64) -> Result<Option<LogId>, Error> {
        Ok(self.entries(index..=index)?.pop().map(|entry| entry.log_id))
    }

    /// Counts this start. The count is on stable storage when this returns.
    pub(super) fn count_start(&self) -> Result<u64, Error> {
        let count = self.fact::<u64>(STARTS)?.unwrap_or_default() + 1;
        let written = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            let row = seal(STARTS.as_bytes(), &count.to_le_bytes());
            transaction.open_table(FACTS)?.insert(STARTS, row.as_slice())?;
            Ok(transaction.commit()?)
        };
        let path = || self.path.clone();
        written().map(|()| count).map_err(|error| Error::Disk {
            what: "write",
            path: path(),
            source: std::io::Error::other(error),
        })
    }

    /// Returns what is known about the newest snapshot.
    pub(super) fn snapshot(&self) -> Result<Option<Newest>, Error> {
        self.fact(SNAPSHOT)
    }

    fn fact_bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let table = self.read(FACTS)?;
        let row = table.get(name).map_err(|error| self.unreadable(error.into()))?;
        let Some(row) = row else { return Ok(None) };
        match unseal(name.as_bytes(), row.value()) {
            Some(body) => Ok(Some(body.to_vec())),
            None => Err(self.damaged(format!("fact `{name}`"), "the checksum differs".into())),
        }
    }

    fn entry(&self, index: u64, row: &[u8]) -> Result<Entry, Error> {
        let damaged = |what| self.damaged(format!("log entry {index}"), what);
        let body = unseal(&index.to_le_bytes(), row);
        let body = body.ok_or_else(|| damaged("the checksum differs".into()))?;
        bincode::deserialize(body).map_err(|error| damaged(error.to_string()))
    }

    fn each(
        &self,
        range: impl RangeBounds<u64>,
        mut see: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let table = self.read(LOG)?;
        let rows = table.range(range).map_err(|error| self.unreadable(error.into()))?;
        for row in rows {
            let (index, bytes) = row.map_err(|error| self.unreadable(error.into()))?;
            see(index.value(), bytes.value())?;
        }
        Ok(())
    }

    fn read<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, Error> {
        let transaction =
            self.database.begin_read().map_err(|error| self.unreadable(error.into()))?;
        transaction.open_table(table).map_err(|error| self.unreadable(error.into()))
    }

    fn damaged(&self, place: String, what: String) -> Error {
        Error::Damaged { path: self.path.clone(), place, what }
    }

    fn unreadable(&self, error: redb::Error) -> Error {
        match error {
            redb::Error::Io(source) => {
                Error::Disk { what: "read", path: self.path.clone(), source }
            }
            other => self.damaged("a page".into(), other.to_string()),
        }
    }
}

/// The row that holds these bytes under this key.
pub(super) fn seal(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(CRC_BYTES + body.len());
    row.extend(checksum(key, body).to_le_bytes());
    row.extend(body);
    row
}

fn unseal<'r>(key: &[u8], row: &'r [u8]) -> Option<&'r [u8]> {
    let (crc, body) = row.split_first_chunk::<CRC_BYTES>()?;
    (u32::from_le_bytes(*crc) == checksum(key, body)).then_some(body)
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), body)
}

fn refused(error: DatabaseError, path: &Path) -> Error {
    let path = path.to_path_buf();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            Error::InUse { path }
        }
        DatabaseError::UpgradeRequired(format) => Error::Format {
            path,
            what: format!("the log is a redb file of the old format {format}"),
        },
        DatabaseError::Storage(redb::StorageError::Io(source))
            if source.kind() != std::io::ErrorKind::InvalidData
                && source.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            Error::Disk { what: "open", path, source }
        }
        other => Error::Damaged { path, place: "a page".into(), what: other.to_string() },
    }
}
