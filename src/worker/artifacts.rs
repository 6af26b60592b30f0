//! Keeps the artifacts that attempts need: executables, specs, plans and side files. Each is fetched from the masters
//! once, checked, and kept while a job uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::error::{disk_failure, task_failure};
use crate::offload::offload;
use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::refusal::Refusal;
use crate::spec::{Cause, Failure, Nonce};
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
    entries: Mutex<BTreeMap<Digest, Entry>>,
}

#[derive(Default)]
struct Entry {
    /// Whether the artifact is here. Locked while it is fetched, so that it is fetched only once.
    is_here: Arc<tokio::sync::Mutex<bool>>,
    users: BTreeSet<Nonce>,
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Cache { folder, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Digest, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
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
            let mut entries = self.entries();
            let entry = entries.entry(digest).or_default();
            entry.users.insert(nonce);
            Arc::clone(&entry.is_here)
        };
        let mut is_here = is_here.lock().await;
        // It may have been removed when this machine was cleaned up.
        if !*is_here || !is_file(path.clone()).await? {
            *is_here = false;
            let partial = path.with_extension("partial");
            fetch(source, digest, &partial).await?;
            let to = path.clone();
            let kept = offload(move || keep(&partial, &to, digest)).await;
            kept.map_err(|error| task_failure("check an artifact", &error))??;
            *is_here = true;
        }
        Ok(path)
    }

    /// Releases the artifacts of a job that no longer needs them.
    pub(super) fn release(&self, nonce: Nonce) {
        self.entries().retain(|digest, entry| {
            entry.users.remove(&nonce);
            if entry.users.is_empty() {
                let _removed_or_swept_later = fs::remove_file(self.folder.join(digest.to_string()));
            }
            !entry.users.is_empty()
        });
    }
}

async fn is_file(path: PathBuf) -> Result<bool, Failure> {
    let looked = offload(move || path.is_file()).await;
    looked.map_err(|error| task_failure("find an artifact", &error))
}

/// Requests an artifact until it arrives or is refused.
async fn fetch<A: Artifacts>(source: &A, digest: Digest, file: &Path) -> Result<(), Failure> {
    let what = format!("failed to fetch artifact {digest}");
    let get = || async {
        // An interrupted try may have left the file.
        let _removed_or_none = fs::remove_file(file);
        source.get(digest, file).await
    };
    with_patience(&what, get).await
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
async fn with_patience<F: Future<Output = Result<(), Refusal>>>(
    what: &str,
    request: impl Fn() -> F,
) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let unanswered = match tokio::time::timeout(TRY_MAX, request()).await {
            Ok(Ok(())) => return Ok(()),
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

/// Checks a fetched file and renames it to its final name.
fn keep(partial: &Path, path: &Path, digest: Digest) -> Result<(), Failure> {
    let failed = |error| disk_failure("keep an artifact", path, &error);
    let found = digest_of(partial).map_err(failed)?;
    if found != digest {
        let message = format!("artifact {digest} arrived damaged: its digest is {found}");
        return Err(Failure::new(Cause::MasterError, message));
    }
    fs::set_permissions(partial, Permissions::from_mode(MODE)).map_err(failed)?;
    fs::rename(partial, path).map_err(failed)
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
