//! Artifacts on disk: `artifacts/<digest>`, each complete, verified and on stable storage.
//!
//! An artifact is written under a temporary name, and is renamed to its digest only after the digest was checked. A
//! file whose name is a digest was therefore complete at that time. An artifact that no job names is kept for an hour
//! after the last request for it, because a submission may be about to name it. When the disk is full, artifacts that
//! no live job names are removed at once.

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
use super::{Error, Master, Shared};
use crate::offload::offload;
use crate::rpc::artifacts::{ARTIFACT_BYTES_MAX, Artifacts, Digest, full, is_full};
use crate::rpc::refusal::Refusal;

/// How long an artifact that no job names is kept, in milliseconds.
const UNNAMED_MS_MAX: u64 = 3_600_000;
/// How recently an artifact that no job has named must have been requested to be kept on a full disk, in milliseconds:
/// a submission may be about to name it. An artifact of an ended job is not kept, because a client that is about to
/// name it can send it again.
const ASKED_LATELY_MS: u64 = 10_000;
/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;
/// Prefix of the names of incomplete artifacts.
const INCOMING: &str = ".incoming-";

/// Which jobs need an artifact.
struct Needed {
    /// Named by a job that has not ended.
    live: BTreeSet<Digest>,
    /// Named by any job.
    named: BTreeSet<Digest>,
}

/// Artifacts on disk. Clones share one store.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: Arc<PathBuf>,
    owner: Arc<str>,
    incoming: Arc<AtomicU64>,
    /// Time of the last request for each artifact, by the master's clock.
    asked_ms: Arc<Mutex<BTreeMap<Digest, u64>>>,
}

impl Artifacts for Master {
    async fn has(&self, digest: Digest) -> Result<bool, Refusal> {
        // This only says what this master has.
        Ok(self.shared.store.has(digest, self.shared.now_ms()))
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.shared.takes_part()?;
        self.shared.store_file(digest, file, Store::put).await
    }

    async fn take(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.shared.takes_part()?;
        self.shared.store_file(digest, file, Store::adopt).await
    }

    async fn get(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        self.shared.have(digest).await?;
        let (store, file) = (self.shared.store.clone(), file.to_path_buf());
        let now_ms = self.shared.now_ms();
        blocking(move || store.get(digest, &file, now_ms)).await
    }

    async fn open(&self, digest: Digest) -> Result<Option<File>, Refusal> {
        self.shared.have(digest).await?;
        let (store, now_ms) = (self.shared.store.clone(), self.shared.now_ms());
        blocking(move || store.lend(digest, now_ms).map(Some)).await
    }

    fn distrust(&self, digest: Digest) {
        self.shared.store.forget(digest);
        (self.shared.log)(&format!(
            "artifact {digest} is damaged: {}; another master's copy will be used, if there is one",
            self.shared.store.path(digest).display()
        ));
    }

    async fn make_room(&self, bytes: u64) -> bool {
        self.shared.make_room(bytes)
    }

    fn owner(&self) -> String {
        self.shared.store.owner.to_string()
    }
}

impl Shared {
    /// Stores a file. If the disk is full, removes the least needed artifacts first.
    pub(super) async fn store_file(
        self: &Arc<Self>,
        digest: Digest,
        file: &Path,
        store: fn(&Store, Digest, &Path, u64) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let (shared, file) = (Arc::clone(self), file.to_path_buf());
        blocking(move || {
            let bytes = fs::metadata(&file).map_or(0, |file| file.len());
            loop {
                let stored = store(&shared.store, digest, &file, shared.now_ms());
                let is_full = matches!(stored, Err(Refusal::Limit { .. }));
                if !is_full || bytes > ARTIFACT_BYTES_MAX || !shared.make_room(bytes) {
                    return stored;
                }
            }
        })
        .await
    }

    /// Removes artifacts that no live job names.
    pub(super) fn make_room(&self, bytes: u64) -> bool {
        let needed = self.proposer.read(|state| Needed {
            live: state.needed().into_keys().collect(),
            named: state.artifacts().collect(),
        });
        let removed = self.store.make_room(bytes, &needed, self.now_ms());
        if removed > 0 {
            let plural = if removed == 1 { "" } else { "s" };
            (self.log)(&format!(
                "the disk is full: removed {removed} artifact{plural} that no unfinished job needs: {}",
                self.store.folder.display()
            ));
        }
        removed > 0
    }

    /// Makes sure that this master holds an artifact, to serve it.
    async fn have(self: &Arc<Self>, digest: Digest) -> Result<(), Refusal> {
        self.takes_part()?;
        if self.obtain(digest).await? == Found::Unheard {
            let message = format!(
                "no reachable master has artifact {digest}; an unreachable one may have it"
            );
            return Err(Refusal::Unavailable { message });
        }
        // If no master has it, opening it fails.
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = offload(work).await;
    done.unwrap_or_else(|error| Err(Refusal::Internal { message: error.to_string() }))
}

impl Store {
    /// Opens a folder. Complete artifacts stay, and partial ones are removed. Errors name the owner.
    pub(super) fn open(folder: &Path, owner: String) -> Result<Self, Error> {
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
            owner: owner.into(),
            incoming: Arc::default(),
            asked_ms: Arc::new(Mutex::new(asked_ms)),
        })
    }

    /// Whether an artifact is here. If so, it is kept for a while.
    pub(super) fn has(&self, digest: Digest, now_ms: u64) -> bool {
        let mut asked_ms = self.asked_ms();
        // If something else has removed the file, it can be sent again.
        let is_there = asked_ms.contains_key(&digest) && self.path(digest).is_file();
        if is_there {
            asked_ms.insert(digest, now_ms);
        } else {
            asked_ms.remove(&digest);
        }
        is_there
    }

    /// Returns its first bytes.
    pub(super) fn head(&self, digest: Digest) -> Result<Vec<u8>, Refusal> {
        let path = self.path(digest);
        let read = || {
            let mut head = Vec::with_capacity(ELF_HEAD_BYTES);
            File::open(&path)?.take(ELF_HEAD_BYTES as u64).read_to_end(&mut head)?;
            Ok(head)
        };
        read().map_err(|error| self.broken("read", &path, &error))
    }

    pub(super) fn put(&self, digest: Digest, file: &Path, now_ms: u64) -> Result<(), Refusal> {
        if self.has(digest, now_ms) {
            return Ok(());
        }
        let incoming = self.place();
        let stored = self.take_in(digest, file, &incoming);
        if stored.is_err() {
            // Leftovers are removed when the master restarts.
            fs::remove_file(&incoming).ok();
        }
        stored?;
        self.asked_ms().insert(digest, now_ms);
        Ok(())
    }

    /// Moves a received and verified file to its final place.
    pub(super) fn adopt(&self, digest: Digest, file: &Path, now_ms: u64) -> Result<(), Refusal> {
        if self.has(digest, now_ms) {
            return Ok(());
        }
        let synced = File::open(file).and_then(|file| file.sync_all());
        synced.map_err(|error| self.broken("write", file, &error))?;
        self.name(digest, file)?;
        self.asked_ms().insert(digest, now_ms);
        Ok(())
    }

    /// Opens a stored artifact.
    fn lend(&self, digest: Digest, now_ms: u64) -> Result<File, Refusal> {
        if !self.has(digest, now_ms) {
            return Err(Refusal::NotFound { message: format!("no artifact {digest}") });
        }
        let path = self.path(digest);
        // Another master may have free descriptors.
        File::open(&path).map_err(|error| self.unavailable("open", &path, &error))
    }

    /// Marks an artifact as missing, so that it is fetched or sent again.
    fn forget(&self, digest: Digest) {
        self.asked_ms().remove(&digest);
    }

    /// Removes artifacts that no live job names, least recently requested first, until this many bytes are free.
    /// Returns how many were removed.
    fn make_room(&self, bytes: u64, needed: &Needed, now_ms: u64) -> usize {
        let mut asked_ms = self.asked_ms();
        let is_idle = |(digest, asked_ms): &(&Digest, &u64)| {
            let is_awaited = now_ms.saturating_sub(**asked_ms) < ASKED_LATELY_MS;
            !needed.live.contains(digest) && (needed.named.contains(digest) || !is_awaited)
        };
        let idle = asked_ms.iter().filter(is_idle);
        let mut idle: Vec<(u64, Digest)> = idle.map(|(&digest, &at)| (at, digest)).collect();
        idle.sort_unstable();
        let (mut freed, mut removed) = (0, 0);
        for (_, digest) in idle {
            if freed >= bytes.max(1) {
                break;
            }
            let path = self.path(digest);
            let size = fs::metadata(&path).map_or(0, |file| file.len());
            // What cannot be removed now is left to the next cleaning.
            if fs::remove_file(&path).is_ok() {
                asked_ms.remove(&digest);
                (freed, removed) = (freed + size, removed + 1);
            }
        }
        removed
    }

    /// Returns an unused name next to the artifacts.
    pub(super) fn place(&self) -> PathBuf {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{INCOMING}{number}"))
    }

    fn take_in(&self, digest: Digest, file: &Path, incoming: &Path) -> Result<(), Refusal> {
        let written = self.copy(file, incoming, File::sync_all)?;
        if written != digest {
            let message = format!(
                "the bytes that were sent as artifact {digest} have the digest {written}\nhint: send it again"
            );
            return Err(Refusal::Invalid { message });
        }
        self.name(digest, incoming)
    }

    /// Gives a synced file its final name, durably.
    fn name(&self, digest: Digest, file: &Path) -> Result<(), Refusal> {
        let path = self.path(digest);
        fs::rename(file, &path).map_err(|error| self.broken("rename", &path, &error))?;
        let synced = File::open(self.folder.as_path()).and_then(|folder| folder.sync_all());
        synced.map_err(|error| self.broken("sync", &self.folder, &error))
    }

    fn get(&self, digest: Digest, file: &Path, now_ms: u64) -> Result<(), Refusal> {
        if !self.has(digest, now_ms) {
            return Err(Refusal::NotFound { message: format!("no artifact {digest}") });
        }
        let path = self.path(digest);
        // Not synced: if it is lost, the caller asks again.
        let copied = self.copy(&path, file, |_| Ok(()))?;
        if copied == digest {
            return Ok(());
        }
        fs::remove_file(file).map_err(|error| self.broken("remove", file, &error))?;
        self.forget(digest);
        let message =
            format!("artifact {digest} is damaged on this master's disk\nhint: send it again");
        Err(Refusal::Internal { message })
    }

    /// Removes artifacts that no job names and that were not requested for an hour. Returns what could not be removed.
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

    /// Returns the path of a stored artifact.
    pub(super) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    fn asked_ms(&self) -> MutexGuard<'_, BTreeMap<Digest, u64>> {
        self.asked_ms.lock().expect("code that holds this lock cannot panic")
    }

    /// Copies a file to a new one, and returns the digest of what was written. If writing or syncing fails, the new
    /// file is removed.
    fn copy(
        &self,
        from: &Path,
        to: &Path,
        settle: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<Digest, Refusal> {
        let mut source = File::open(from).map_err(|error| self.broken("read", from, &error))?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
        let mut copy = made.map_err(|error| self.broken("create", to, &error))?;
        let digest = copy_bytes(&mut source, &mut copy);
        let digest = digest.and_then(|digest| settle(&copy).map(|()| digest));
        match digest {
            Ok(Some(digest)) => Ok(digest),
            Ok(None) => {
                fs::remove_file(to).ok();
                let message =
                    format!("the artifact exceeds the limit of {ARTIFACT_BYTES_MAX} bytes");
                Err(Refusal::Limit { message })
            }
            Err(error) => {
                fs::remove_file(to).ok();
                Err(self.broken("write", to, &error))
            }
        }
    }

    fn broken(&self, what: &str, path: &Path, error: &io::Error) -> Refusal {
        let (owner, path) = (&self.owner, path.display());
        if is_full(error) {
            return full(owner, &path.to_string(), error);
        }
        Refusal::Internal { message: format!("{owner} cannot {what} an artifact: {error}: {path}") }
    }

    /// A lack of descriptors or memory here may not exist on another master.
    fn unavailable(&self, what: &str, path: &Path, error: &io::Error) -> Refusal {
        let message =
            format!("{} cannot {what} an artifact: {error}: {}", self.owner, path.display());
        Refusal::Unavailable { message }
    }
}

fn parse(name: &str) -> Option<Digest> {
    let digest = Digest(u128::from_str_radix(name, 16).ok()?);
    (digest.to_string() == name).then_some(digest)
}

/// Returns the digest of all bytes, or none if there were too many.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_evicts_unused_artifacts_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("artifacts"), "master m2".into()).unwrap();
        let put = |number: u8, now_ms| {
            let file = folder.path().join("upload");
            fs::write(&file, vec![number; 100]).unwrap();
            let digest = Digest::of(&[number; 100]);
            store.put(digest, &file, now_ms).unwrap();
            digest
        };
        let all: Vec<Digest> = (1..=5).map(|number| put(number, u64::from(number))).collect();
        let needed = |named: &[Digest]| Needed {
            live: BTreeSet::from([all[0]]),
            named: named.iter().copied().collect(),
        };
        let unnamed = needed(&[]);
        let left = |now_ms| {
            let is_there = all.iter().map(|&digest| store.path(digest).exists());
            (now_ms, is_there.collect::<Vec<_>>())
        };
        assert_eq!(store.make_room(1, &unnamed, ASKED_LATELY_MS), 0, "all were asked for lately");
        assert_eq!(store.make_room(1, &needed(&all[..2]), ASKED_LATELY_MS), 1);
        let later = ASKED_LATELY_MS + 4;
        assert_eq!(left(later), (later, vec![true, false, true, true, true]), "of an ended job");
        assert_eq!(store.make_room(150, &unnamed, later), 2);
        assert_eq!(left(later), (later, vec![true, false, false, false, true]));
        assert_eq!(store.make_room(1 << 40, &unnamed, later), 0, "the last was asked for lately");
        assert!(!store.has(all[1], later) && store.has(all[0], later));
    }

    #[test]
    fn full_disk_is_a_limit_that_names_the_master() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), "master m2".into()).unwrap();
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let refused = store.broken("name", folder.path(), &kind.into());
            let Refusal::Limit { message } = refused else { panic!("{refused:?}") };
            let shown = folder.path().display().to_string();
            assert!(message.starts_with("the disk of master m2 is full: "), "{message}");
            assert!(
                message.contains(&shown) && message.contains("\nhint: free space"),
                "{message}"
            );
        }
        let other = store.broken("name", folder.path(), &io::ErrorKind::PermissionDenied.into());
        assert!(matches!(other, Refusal::Internal { .. }), "{other:?}");
    }
}
