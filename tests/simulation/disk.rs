//! The disk under a master's log: a power failure loses all or some of what was written and not synced.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gristmill::master;
use redb::{Builder, Database, DatabaseError, StorageBackend};

use crate::chance::Chance;
use crate::faults::WRITE_MS;

/// The disk of a machine, from one start to the next. Synced data is in real files. Clones share one disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    chance: Chance,
    write_ms: (u64, u64),
    /// Whether the power fails during the next sync.
    fails_next: bool,
    /// Whether writes and syncs no longer reach the disk.
    is_gone: bool,
    next_file: u64,
    files: BTreeMap<u64, Open>,
}

/// An open file.
#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    /// Writes that are not synced yet, in order.
    pending: Vec<Pending>,
}

#[derive(Debug)]
enum Pending {
    Write { offset: u64, bytes: Vec<u8> },
    Length { bytes: u64 },
}

impl Disk {
    pub(crate) fn new(chance: Chance) -> Self {
        let inner = Inner {
            chance,
            write_ms: WRITE_MS,
            fails_next: false,
            is_gone: false,
            next_file: 0,
            files: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn take(&self, write_ms: (u64, u64)) {
        self.inner().write_ms = write_ms;
    }

    /// Returns whether writes take longer than normal.
    pub(crate) fn is_slow(&self) -> bool {
        self.inner().write_ms.1 > WRITE_MS.1
    }

    pub(crate) fn fail_next(&self) {
        self.inner().fails_next = true;
    }

    /// Returns whether the power has failed or the writing process is gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.inner().is_gone
    }

    /// Ends the writing process. Data that the system has received reaches the disk, unless the power is gone too.
    pub(crate) fn end(&self, has_power: bool) {
        let mut inner = self.inner();
        match (inner.is_gone, has_power) {
            (true, _) => {}
            (false, true) => {
                inner.files.values_mut().for_each(|open| open.settle().unwrap());
                inner.is_gone = true;
            }
            (false, false) => inner.lose_power(),
        }
    }
}

impl master::Disk for Disk {
    fn open(&self, builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
        let mut how = OpenOptions::new();
        let file = how.read(true).write(true).create(true).truncate(false).open(path)?;
        let bytes = file.metadata()?.len();
        let number = {
            let mut inner = self.inner();
            inner.next_file += 1;
            let number = inner.next_file;
            inner.files.insert(number, Open { file, bytes, pending: Vec::new() });
            number
        };
        builder.create_with_backend(Backend { disk: self.clone(), number })
    }

    fn latency(&self) -> Duration {
        let mut inner = self.inner();
        let (least, most) = inner.write_ms;
        Duration::from_millis(inner.chance.between(least, most))
    }
}

impl Inner {
    /// Loses the power. Each unsynced write may reach the disk completely, partly or not at all.
    fn lose_power(&mut self) {
        self.is_gone = true;
        for open in self.files.values_mut() {
            for mut pending in std::mem::take(&mut open.pending) {
                if let Pending::Write { bytes, .. } = &mut pending
                    && self.chance.permille(200)
                {
                    bytes.truncate(self.chance.between(0, bytes.len() as u64 / 512) as usize * 512);
                }
                if self.chance.permille(500) {
                    open.put(&pending).unwrap();
                }
            }
        }
    }
}

impl Open {
    fn put(&self, pending: &Pending) -> io::Result<()> {
        match pending {
            Pending::Write { offset, bytes } => self.file.write_all_at(bytes, *offset),
            Pending::Length { bytes } => self.file.set_len(*bytes),
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.pending).iter().try_for_each(|pending| self.put(pending))
    }

    /// Reads the data as the writing process sees it.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < out.len() {
            match self.file.read_at(&mut out[filled..], offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        out[filled..].fill(0);
        let end = offset + out.len() as u64;
        for pending in &self.pending {
            let Pending::Write { offset: at, bytes } = pending else { continue };
            let (from, to) = (offset.max(*at), end.min(at + bytes.len() as u64));
            if from < to {
                let taken = &bytes[(from - at) as usize..(to - at) as usize];
                out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(taken);
            }
        }
        Ok(())
    }
}

/// One file, as a storage backend of redb.
#[derive(Debug)]
struct Backend {
    disk: Disk,
    number: u64,
}

impl Backend {
    fn with<T>(&self, act: impl FnOnce(&mut Open) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.disk.inner();
        if inner.is_gone {
            return Err(io::Error::other("the disk has no power"));
        }
        act(inner.files.get_mut(&self.number).expect("open files stay"))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.with(|open| Ok(open.bytes))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|open| open.read(offset, out))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.with(|open| {
            open.bytes = bytes;
            open.pending.push(Pending::Length { bytes });
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let fails = std::mem::take(&mut self.disk.inner().fails_next);
        if fails {
            self.disk.inner().lose_power();
        }
        self.with(Open::settle)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|open| {
            open.bytes = open.bytes.max(offset + data.len() as u64);
            open.pending.push(Pending::Write { offset, bytes: data.to_vec() });
            Ok(())
        })
    }
}
