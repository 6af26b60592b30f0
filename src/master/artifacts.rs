//! Artifacts on disk: `artifacts/<digest>`, each whole, checked and on stable storage.
//!
//! An artifact is written under a temporary name, and only what has the right digest is renamed, so
//! whatever has a digest for a name was whole once. One that no job names is removed an hour after
//! somebody last asked for it: it may be about to be named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use xxhash_rust::xxh3::Xxh3;

use super::copies::Found;
use super::submitting::ELF_HEAD_BYTES;
use super::{Error, Master};
use crate::offload::offload;
use crate::rpc::artifacts::{ARTIFACT_BYTES_MAX, Artifacts, Digest};
use crate::rpc::refusal::Refusal;

/// How long an artifact that no job names is kept, in milliseconds.
const UNNAMED_MS_MAX: u64 = 3_600_000;
/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;
/// Beginning of the names of artifacts that are not whole yet.
const INCOMING: &str = ".incoming-";

/// Artifacts on disk. Clones are the same ones.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: Arc<PathBuf>,
    incoming: Arc<AtomicU64>,
    /// When each was last asked for, by the master's clock.
    asked_ms: Arc<Mutex<BTreeMap<Digest, u64>>>,
}

impl Artifacts for Master {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        // Whoever asks another one, or all of them, is told of this one alone.
        Ok(self.shared.store.has(digest, self.shared.now_ms()))
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.shared.takes_part()?;
        let (store, file) = (self.shared.store.clone(), file.to_path_buf());
        let now_ms = self.shared.now_ms();
        blocking(move || store.put(digest, &file, now_ms)).await
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.shared.takes_part()?;
        if self.shared.obtain(digest).await? == Found::Unheard {
            let message = format!(
                "no master that answers has artifact {digest}; one that does not may have it"
            );
            return Err(Refusal::Unavailable { message });
        }
        // One that is nowhere is refused below.
        let (store, file) = (self.shared.store.clone(), file.to_path_buf());
        let now_ms = self.shared.now_ms();
        blocking(move || store.get(digest, &file, now_ms)).await
    }
}

async fn blocking(
    work: impl FnOnce() -> Result<(), Refusal> + Send + 'static,
) -> Result<(), Refusal> {
    let done = offload(work).await;
    done.unwrap_or_else(|error| Err(Refusal::Internal { message: error.to_string() }))
}

impl Store {
    /// Takes over a folder: what is whole in it stays, what is not is removed.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Data { path: folder.to_path_buf(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut asked_ms = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(INCOMING) {
                fs::remove_file(entry.path()).map_err(failed)?;
            } else if let Some(digest) = parse(&name) {
                asked_ms.insert(digest, 0);
            }
        }
        Ok(Self {
            folder: Arc::new(folder.to_path_buf()),
            incoming: Arc::default(),
            asked_ms: Arc::new(Mutex::new(asked_ms)),
        })
    }

    /// Whether it is here; whoever asks may count on it for a while.
    pub(super) fn has(&self, digest: Digest, now_ms: u64) -> bool {
        let mut asked_ms = self.asked_ms();
        // What somebody has taken away can be sent again.
        let is_there = asked_ms.contains_key(&digest) && self.path(digest).is_file();
        if is_there {
            asked_ms.insert(digest, now_ms);
        } else {
            asked_ms.remove(&digest);
        }
        is_there
    }

    /// Its first bytes.
    pub(super) fn head(&self, digest: Digest) -> Result<Vec<u8>, Refusal> {
        let path = self.path(digest);
        let read = || {
            let mut head = Vec::with_capacity(ELF_HEAD_BYTES);
            File::open(&path)?.take(ELF_HEAD_BYTES as u64).read_to_end(&mut head)?;
            Ok(head)
        };
        read().map_err(|error| broken("read", &path, &error))
    }

    pub(super) fn put(&self, digest: Digest, file: &Path, now_ms: u64) -> Result<(), Refusal> {
        if self.has(digest, now_ms) {
            return Ok(());
        }
        let incoming = self.place();
        let stored = self.take_in(digest, file, &incoming);
        if stored.is_err() {
            // Whatever is left is removed when the master starts again.
            fs::remove_file(&incoming).ok();
        }
        stored?;
        self.asked_ms().insert(digest, now_ms);
        Ok(())
    }

    /// A name beside the artifacts that no file has yet.
    pub(super) fn place(&self) -> PathBuf {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{INCOMING}{number}"))
    }

    fn take_in(&self, digest: Digest, file: &Path, incoming: &Path) -> Result<(), Refusal> {
        let written = copy(file, incoming, File::sync_all)?;
        if written != digest {
            let message = format!(
                "artifact {digest} was sent with other bytes, whose digest is {written}; send it again"
            );
            return Err(Refusal::Invalid { message });
        }
        let path = self.path(digest);
        fs::rename(incoming, &path).map_err(|error| broken("name", &path, &error))?;
        let synced = File::open(self.folder.as_path()).and_then(|folder| folder.sync_all());
        synced.map_err(|error| broken("sync", &self.folder, &error))
    }

    fn get(&self, digest: Digest, file: &Path, now_ms: u64) -> Result<(), Refusal> {
        if !self.has(digest, now_ms) {
            return Err(Refusal::NotFound { message: format!("no artifact {digest}") });
        }
        let path = self.path(digest);
        // Whoever asked for it keeps it elsewhere, and asks again if need be.
        let copied = copy(&path, file, |_| Ok(()))?;
        if copied == digest {
            return Ok(());
        }
        fs::remove_file(file).map_err(|error| broken("remove", file, &error))?;
        // So that it can be sent again.
        self.asked_ms().remove(&digest);
        let message = format!("artifact {digest} is damaged on this master's disk; send it again");
        Err(Refusal::Internal { message })
    }

    /// Removes what no job names and nobody has asked for; gives what could not be removed.
    pub(super) fn clean(&self, named: &BTreeSet<Digest>, now_ms: u64) -> Vec<String> {
        let mut problems = Vec::new();
        self.asked_ms().retain(|digest, asked_ms| {
            if named.contains(digest) || now_ms.saturating_sub(*asked_ms) < UNNAMED_MS_MAX {
                return true;
            }
            let path = self.path(*digest);
            if let Err(error) = fs::remove_file(&path) {
                problems.push(format!("cannot remove {}: {error}", path.display()));
            }
            false
        });
        problems
    }

    /// Where one lies that is here.
    pub(super) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    fn asked_ms(&self) -> MutexGuard<'_, BTreeMap<Digest, u64>> {
        self.asked_ms.lock().expect("whoever holds it only changes numbers")
    }
}

fn parse(name: &str) -> Option<Digest> {
    let digest = Digest(u128::from_str_radix(name, 16).ok()?);
    (digest.to_string() == name).then_some(digest)
}

/// Copies a file to a new one, and gives the digest of what was written. A file that could not be
/// written and settled is removed again.
fn copy(
    from: &Path,
    to: &Path,
    settle: impl FnOnce(&File) -> io::Result<()>,
) -> Result<Digest, Refusal> {
    let mut source = File::open(from).map_err(|error| broken("read", from, &error))?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut copy = made.map_err(|error| broken("make", to, &error))?;
    let digest = copy_bytes(&mut source, &mut copy);
    let digest = digest.and_then(|digest| settle(&copy).map(|()| digest));
    match digest {
        Ok(Some(digest)) => Ok(digest),
        Ok(None) => {
            fs::remove_file(to).ok();
            let message = format!("an artifact of more than {ARTIFACT_BYTES_MAX} bytes");
            Err(Refusal::Limit { message })
        }
        Err(error) => {
            fs::remove_file(to).ok();
            Err(broken("copy to", to, &error))
        }
    }
}

/// Gives the digest of all bytes, or none if there were too many.
fn copy_bytes(source: &mut File, copy: &mut File) -> io::Result<Option<Digest>> {
    let mut buffer = vec![0; COPY_BYTES];
    let (mut hash, mut total) = (Xxh3::new(), 0);
    loop {
        let read = match source.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Ok(Some(Digest(hash.digest128())));
        }
        total += read as u64;
        if total > ARTIFACT_BYTES_MAX {
            return Ok(None);
        }
        hash.update(&buffer[..read]);
        copy.write_all(&buffer[..read])?;
    }
}

fn broken(what: &str, path: &Path, error: &io::Error) -> Refusal {
    Refusal::Internal { message: format!("cannot {what} {}: {error}", path.display()) }
}
