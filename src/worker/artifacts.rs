//! Keeps the artifacts that attempts need: executables, specs, plans and side files. Each is fetched from the masters
//! once, checked, and kept while a job uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::error::{disk_failure, task_failure};
use crate::model::{Cause, Failure, Nonce};
use crate::offload::offload;
use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::refusal::Refusal;
use crate::storage::open_regular;

/// Tries while no master answers. With the pause below they last as long as a worker keeps running without a master.
const TRIES_MAX: u32 = 1200;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// Time limit of one try, enough for the largest artifact over a slow network.
const TRY_MAX: Duration = Duration::from_secs(600);
/// Readable and executable by the owner, and not writable.
const MODE: u32 = 0o500;

/// The artifacts on this worker.
pub(super) struct Cache {
    folder: PathBuf,
    entries: Arc<Mutex<Entries>>,
    /// The number of the next partial file.
    next: AtomicU64,
}

type Entries = BTreeMap<Digest, Entry>;

#[derive(Default)]
struct Entry {
    /// Whether the artifact is here. Locked while it is fetched, so that it is fetched only once.
    is_here: Arc<tokio::sync::Mutex<bool>>,
    users: BTreeSet<Nonce>,
}

/// The file of one try to fetch an artifact. It is removed on drop unless it was kept.
///
/// No two tries share a file: if an attempt is stopped or a try is given up, blocking work on its file continues in the
/// background, and must not change the file of the next try. An empty file that such work creates late stays until the
/// worker starts again.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _removed_or_swept_later = fs::remove_file(&self.0);
    }
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Cache { folder, entries: Arc::default(), next: AtomicU64::new(0) }
    }

    /// Returns an artifact's file for a job, and fetches it if needed.
    pub(super) async fn get<A: Artifacts>(
        &self,
        source: &A,
        digest: Digest,
        nonce: Nonce,
    ) -> Result<PathBuf, Failure> {
        let path = self.folder.join(digest.to_string());
        let is_here = {
            let mut entries = lock(&self.entries);
            let entry = entries.entry(digest).or_default();
            entry.users.insert(nonce);
            Arc::clone(&entry.is_here)
        };
        let mut is_here = is_here.lock().await;
        // It may have been removed when this machine was cleaned up.
        if !*is_here || !is_file(path.clone()).await? {
            *is_here = false;
            let partial = self.fetch(source, digest).await?;
            let (entries, to) = (Arc::clone(&self.entries), path.clone());
            let kept = offload(move || keep(&entries, &partial, &to, digest)).await;
            kept.map_err(|error| task_failure("check an artifact", &error))??;
            *is_here = true;
        }
        Ok(path)
    }

    /// Requests an artifact until it arrives or is refused.
    async fn fetch<A: Artifacts>(&self, source: &A, digest: Digest) -> Result<Partial, Failure> {
        let get = || async {
            let partial = self.partial(digest);
            source.get(digest, &partial.0).await.map(|()| partial)
        };
        with_patience(&format!("failed to fetch artifact {digest}"), get).await
    }

    /// Names a file that no other try uses. The folder is empty when a worker starts.
    fn partial(&self, digest: Digest) -> Partial {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Partial(self.folder.join(format!("{digest}.partial-{number}")))
    }

    /// Releases the artifacts of a job that no longer needs them.
    pub(super) fn release(&self, nonce: Nonce) {
        lock(&self.entries).retain(|digest, entry| {
            entry.users.remove(&nonce);
            if entry.users.is_empty() {
                let _removed_or_swept_later = fs::remove_file(self.folder.join(digest.to_string()));
            }
            !entry.users.is_empty()
        });
    }
}

fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn is_file(path: PathBuf) -> Result<bool, Failure> {
    let looked = offload(move || path.is_file()).await;
    looked.map_err(|error| task_failure("find an artifact", &error))
}

/// Stores a file as an artifact on the masters.
pub(super) async fn put<A: Artifacts>(to: &A, file: &Path) -> Result<Digest, Failure> {
    let path = file.to_path_buf();
    let digest = offload(move || digest_of(&path)).await;
    let digest = digest
        .map_err(|error| task_failure("read the plan", &error))?
        .map_err(|error| disk_failure("read the plan", file, &error))?;
    with_patience(&format!("failed to store artifact {digest}"), || to.put(digest, file)).await?;
    Ok(digest)
}

/// Repeats a request while no master answers.
async fn with_patience<T, F: Future<Output = Result<T, Refusal>>>(
    what: &str,
    request: impl Fn() -> F,
) -> Result<T, Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let unanswered = match tokio::time::timeout(TRY_MAX, request()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(
                refusal @ (Refusal::Unavailable { .. }
                | Refusal::NotYet { .. }
                | Refusal::NotLeader { .. }),
            )) => refusal.to_string(),
            Ok(Err(refusal)) => {
                return Err(Failure::new(Cause::MasterError, format!("{what}: {refusal}")));
            }
            Err(_) => format!("no answer within {} s", TRY_MAX.as_secs()),
        };
        if tries == TRIES_MAX {
            return Err(Failure::new(Cause::MasterError, format!("{what}: {unanswered}")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Checks a fetched file and renames it to its final name, unless its jobs have released the artifact.
fn keep(
    entries: &Mutex<Entries>,
    partial: &Partial,
    path: &Path,
    digest: Digest,
) -> Result<(), Failure> {
    let failed = |error| disk_failure("keep an artifact", path, &error);
    let found = digest_of(&partial.0).map_err(failed)?;
    if found != digest {
        let message = format!("artifact {digest} arrived damaged: its digest is {found}");
        return Err(Failure::new(Cause::MasterError, message));
    }
    fs::set_permissions(&partial.0, Permissions::from_mode(MODE)).map_err(failed)?;
    // Locked, so that a release comes either before this check or after the file has its final name.
    let entries = lock(entries);
    if !entries.contains_key(&digest) {
        // Only an attempt that was stopped meets this, since a job is released after its last attempt.
        let message = format!("artifact {digest} arrived after the end of its job");
        return Err(Failure::new(Cause::MasterError, message));
    }
    fs::rename(&partial.0, path).map_err(failed)
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = open_regular(path)?;
    let (mut state, mut buffer) = (Xxh3::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest(state.digest128())),
            read => state.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    const CONTENT: &[u8] = b"an executable";

    /// A source whose first try stops halfway and never ends.
    #[derive(Default)]
    struct Source {
        files: Mutex<Vec<PathBuf>>,
        is_halfway: Notify,
    }

    impl Artifacts for Source {
        async fn has(&self, _: Digest) -> Result<bool, Refusal> {
            Ok(true)
        }

        async fn put(&self, _: Digest, _: &Path) -> Result<(), Refusal> {
            Ok(())
        }

        async fn get(&self, _: Digest, file: &Path) -> Result<(), Refusal> {
            let is_first = {
                let mut files = self.files.lock().unwrap();
                files.push(file.into());
                files.len() == 1
            };
            if is_first {
                fs::write(file, &CONTENT[..5]).unwrap();
                self.is_halfway.notify_one();
                std::future::pending::<()>().await;
            }
            fs::write(file, CONTENT).unwrap();
            Ok(())
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        fs::read_dir(folder).unwrap().map(|entry| name(entry).unwrap()).collect()
    }

    #[tokio::test]
    async fn stopped_fetch_leaves_nothing_and_does_not_disturb_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, source) = (Cache::new(folder.path().into()), Source::default());
        let digest = Digest::of(CONTENT);
        tokio::select! {
            biased;
            kept = cache.get(&source, digest, Nonce(1)) => panic!("{kept:?}"),
            () = source.is_halfway.notified() => {}
        }
        assert_eq!(names(folder.path()), [""; 0], "the first try was dropped");

        let path = cache.get(&source, digest, Nonce(1)).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        assert_eq!(names(folder.path()), [digest.to_string()]);
        let files = source.files.lock().unwrap().clone();
        assert_ne!(files[0], files[1], "blocking work on the first file may continue");

        cache.release(Nonce(1));
        assert_eq!(names(folder.path()), [""; 0]);
    }

    /// The work of a stopped attempt that still runs in the background: it keeps its file while another try is halfway.
    #[test]
    fn late_keep_changes_no_other_try_and_nothing_after_release() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().into());
        let digest = Digest::of(CONTENT);
        let path = folder.path().join(digest.to_string());
        let partial = |content: &[u8]| {
            let partial = cache.partial(digest);
            fs::write(&partial.0, content).unwrap();
            partial
        };
        lock(&cache.entries).entry(digest).or_default().users.insert(Nonce(1));
        let (late, next) = (partial(CONTENT), partial(&CONTENT[..5]));
        keep(&cache.entries, &late, &path, digest).unwrap();
        fs::write(&next.0, CONTENT).unwrap();
        keep(&cache.entries, &next, &path, digest).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);

        cache.release(Nonce(1));
        let late = partial(CONTENT);
        let failure = keep(&cache.entries, &late, &path, digest).unwrap_err();
        assert_eq!(failure.cause, Cause::MasterError);
        drop((late, next));
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
