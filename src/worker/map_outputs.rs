//! The map outputs that this worker has: they are its own, and outlive executors and the worker's process.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::disk_failure;
use super::folders::{Folders, attempt_name};
use crate::frame::SegmentRef;
use crate::rpc::shuffle::SegmentHeader;
use crate::rpc::workers::HeldOutput;
use crate::shuffle::{self, SpillFile};
use crate::spec::{AttemptId, Cause, Failure, JobId, Nonce, TaskKind};

/// Spill files that are kept open, with their indexes; the one opened first gives way.
const OPEN_MAX: usize = 128;

/// Which output: the job's nonce, the map's index, the attempt's number.
type Key = (Nonce, u32, u32);

/// All map outputs.
pub(super) struct MapOutputs {
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    held: BTreeMap<Key, Output>,
    open: VecDeque<(Key, SpillFile)>,
}

struct Output {
    job: JobId,
    path: PathBuf,
    digest: u64,
}

/// A partition of a map output, whose stored bytes were found to be whole.
pub(super) struct Stored {
    pub(super) file: SpillFile,
    pub(super) header: SegmentHeader,
    offset: u64,
}

/// Why a partition of a map output cannot be had.
pub(super) struct Absent {
    pub(super) is_corrupt: bool,
    pub(super) message: String,
}

impl MapOutputs {
    /// What an earlier process left that is whole, by header, index and digest; the rest is removed.
    pub(super) fn restore(folders: &Folders) -> Self {
        let mut held = BTreeMap::new();
        for (nonce, job) in folders.jobs() {
            let files = fs::read_dir(folders.outputs(nonce)).into_iter().flatten().flatten();
            for path in files.map(|entry| entry.path()) {
                let Some((map, attempt)) = key_of(&path, nonce, job) else {
                    let _removed_or_next_time = fs::remove_file(&path);
                    continue;
                };
                if let Ok(file) = SpillFile::open(&path) {
                    let digest = file.index().digest;
                    held.insert((nonce, map, attempt), Output { job, path, digest });
                }
            }
        }
        MapOutputs { shelf: Mutex::new(Shelf { held, open: VecDeque::new() }) }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what an executor has sealed, after a look at whether it is what was said.
    pub(super) fn add(
        &self,
        folders: &Folders,
        (nonce, attempt): (Nonce, AttemptId),
        sealed: &Path,
        digest: u64,
    ) -> Result<(), Failure> {
        let failed = |message: String| Failure::new(Cause::Exit, message);
        let file = SpillFile::open(sealed)
            .map_err(|error| failed(format!("the executor left no whole map output: {error}")))?;
        let header = file.header();
        let expected = (nonce.0, attempt.task.index, attempt.number, digest);
        let found = (header.nonce, header.map, header.attempt, file.index().digest);
        if found != expected {
            return Err(failed(format!(
                "the executor left another map output than it said: {found:x?} (nonce, map, attempt, digest), not {expected:x?}"
            )));
        }
        let path = folders.outputs(nonce).join(attempt_name(attempt));
        fs::rename(sealed, &path)
            .map_err(|error| disk_failure("keep a map output", &path, &error))?;
        let output = Output { job: attempt.task.job, path, digest };
        self.shelf().held.insert((nonce, attempt.task.index, attempt.number), output);
        Ok(())
    }

    /// All outputs, as a registration says them.
    pub(super) fn held(&self) -> Vec<HeldOutput> {
        let of = |(&(nonce, map, number), output): (&Key, &Output)| HeldOutput {
            attempt: output.job.task(TaskKind::Map, map).attempt(number),
            nonce,
            digest: output.digest,
        };
        self.shelf().held.iter().map(of).collect()
    }

    /// Forgets a job's outputs; their files are removed with the job's folder.
    pub(super) fn forget(&self, nonce: Nonce) {
        let mut shelf = self.shelf();
        shelf.held.retain(|key, _| key.0 != nonce);
        shelf.open.retain(|(key, _)| key.0 != nonce);
    }

    /// A partition of an output, after all its stored bytes were read and held against their checksums.
    pub(super) fn check(
        &self,
        (job, nonce): (JobId, Nonce),
        (map, attempt): (u32, u32),
        partition: u32,
    ) -> Result<Stored, Absent> {
        let file = self.open(job, (nonce, map, attempt))?;
        let absent = |is_corrupt, message| Absent { is_corrupt, message };
        let Some(&info) = file.index().segments.get(partition as usize) else {
            let partitions = file.index().segments.len();
            let message = format!(
                "the output of {job}/m{map}#{attempt} has {partitions} partitions, and none of number {partition}"
            );
            return Err(absent(false, message));
        };
        let crc32c = file.stored_checksum(partition).map_err(|error| absent(true, told(&error)))?;
        let header = SegmentHeader {
            map,
            attempt,
            stored_bytes: info.stored_bytes,
            crc32c,
            raw_bytes: info.raw_bytes,
            records: info.records,
            digest: info.digest,
        };
        Ok(Stored { file, header, offset: info.offset })
    }

    fn open(&self, job: JobId, key: Key) -> Result<SpillFile, Absent> {
        let (_, map, attempt) = key;
        let path = {
            let shelf = self.shelf();
            if let Some((_, file)) = shelf.open.iter().find(|(open, _)| *open == key) {
                return Ok(file.clone());
            }
            let Some(output) = shelf.held.get(&key).filter(|output| output.job == job) else {
                let message = format!("this worker has no output of {job}/m{map}#{attempt}");
                return Err(Absent { is_corrupt: false, message });
            };
            output.path.clone()
        };
        let opened = SpillFile::open(path);
        let file = opened.map_err(|error| Absent {
            is_corrupt: !matches!(error, shuffle::Error::Open { .. }),
            message: told(&error),
        })?;
        let mut shelf = self.shelf();
        if shelf.held.contains_key(&key) {
            shelf.open.push_back((key, file.clone()));
            if shelf.open.len() > OPEN_MAX {
                shelf.open.pop_front();
            }
        }
        Ok(file)
    }
}

impl Stored {
    /// As an executor of this worker reads it where it lies.
    pub(super) fn segment(&self) -> SegmentRef {
        SegmentRef {
            map: self.header.map,
            path: self.file.path().to_path_buf(),
            offset: self.offset,
            stored_bytes: self.header.stored_bytes,
            raw_bytes: self.header.raw_bytes,
            records: self.header.records,
            digest: self.header.digest,
        }
    }
}

/// An error and what lies under it.
fn told(error: &shuffle::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// The map and attempt that a file of outputs is of, if its name and header agree and it is whole.
fn key_of(path: &Path, nonce: Nonce, job: JobId) -> Option<(u32, u32)> {
    let file = SpillFile::open(path).ok()?;
    let header = *file.header();
    let attempt = job.task(TaskKind::Map, header.map).attempt(header.attempt);
    let is_own = path.file_name()?.to_str()? == attempt_name(attempt) && header.nonce == nonce.0;
    is_own.then_some((header.map, header.attempt))
}
