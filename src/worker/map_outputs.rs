//! Keeps this worker's map outputs. They survive the end of their executor, and a restart of the worker.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Options;
use super::error::disk_failure;
use super::folders::{Folders, attempt_name};
use crate::model::{
    AttemptId, Cause, Failure, JobId, Nonce, SegmentInfo, SegmentPlace, SegmentRef, TaskKind,
};
use crate::rpc::shuffle::SegmentHeader;
use crate::rpc::workers::HeldOutput;
use crate::shuffle::{self, SpillFile};

/// Most spill files that are kept open with their indexes. The one that was opened first is closed first.
const OPEN_MAX: usize = 128;

/// Bytes of outputs that a worker keeps uncompressed for each of its slots. This is the default memory of an attempt.
const PLAIN_BYTES_MAX: u64 = 1 << 30;

/// Identifies an output: the job's nonce, the map's index, the attempt's number.
type Key = (Nonce, u32, u32);

/// The map outputs of this worker.
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
    bytes: u64,
}

/// A partition of a map output whose stored bytes match their checksums.
pub(super) struct Stored {
    pub(super) file: SpillFile,
    pub(super) header: SegmentHeader,
}

/// Reason why a partition of a map output is unavailable.
pub(super) struct Absent {
    pub(super) is_corrupt: bool,
    pub(super) message: String,
}

impl MapOutputs {
    /// Restores the outputs of an earlier process whose header, index and digest are intact, and removes the rest.
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
                    let (digest, bytes) = (file.index().digest, file.index().file_bytes);
                    held.insert((nonce, map, attempt), Output { job, path, digest, bytes });
                }
            }
        }
        MapOutputs { shelf: Mutex::new(Shelf { held, open: VecDeque::new() }) }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a file that an executor has sealed, after checking that it is the reported output.
    pub(super) fn add(
        &self,
        folders: &Folders,
        (nonce, attempt): (Nonce, AttemptId),
        sealed: &Path,
        digest: u64,
    ) -> Result<(), Failure> {
        let failed = |message: String| Failure::new(Cause::Exit, message);
        let file = SpillFile::open(sealed).map_err(|error| {
            failed(format!("the executor left no complete map output: {error}"))
        })?;
        let header = file.header();
        let expected = (nonce.0, attempt.task.index, attempt.number, digest);
        let found = (header.nonce, header.map, header.attempt, file.index().digest);
        if found != expected {
            return Err(failed(format!(
                "the executor's map output is not the one that it reported: the file's (nonce, map, \
                 attempt, digest) are {found:x?}, not {expected:x?}"
            )));
        }
        let path = folders.outputs(nonce).join(attempt_name(attempt));
        let moved = fs::rename(sealed, &path).or_else(|_| {
            // The folder may have been removed since the attempt began.
            fs::create_dir_all(folders.outputs(nonce))?;
            fs::rename(sealed, &path)
        });
        moved.map_err(|error| disk_failure("keep a map output", &path, &error))?;
        let bytes = file.index().file_bytes;
        let output = Output { job: attempt.task.job, path, digest, bytes };
        self.shelf().held.insert((nonce, attempt.task.index, attempt.number), output);
        Ok(())
    }

    /// Returns all outputs, in the form of a registration.
    pub(super) fn held(&self) -> Vec<HeldOutput> {
        let of = |(&(nonce, map, number), output): (&Key, &Output)| HeldOutput {
            attempt: output.job.task(TaskKind::Map, map).attempt(number),
            nonce,
            digest: output.digest,
        };
        self.shelf().held.iter().map(of).collect()
    }

    /// Whether to compress the next output: if every output is sent, or if there are so many that they may not stay in
    /// the page cache until they are read. Otherwise compressing takes longer than writing the bytes that it saves.
    pub(super) fn compress_next(&self, Options { machine, slots, .. }: &Options) -> bool {
        let held_bytes = || self.shelf().held.values().map(|output| output.bytes).sum::<u64>();
        machine.is_empty() || held_bytes() >= u64::from(*slots) * PLAIN_BYTES_MAX
    }

    /// Forgets a job's outputs. Their files are removed with the job's folder.
    pub(super) fn forget(&self, nonce: Nonce) {
        let mut shelf = self.shelf();
        shelf.held.retain(|key, _| key.0 != nonce);
        shelf.open.retain(|(key, _)| key.0 != nonce);
    }

    /// Returns an output's path, for other workers on this machine.
    pub(super) fn path(
        &self,
        job: JobId,
        (nonce, map, attempt): (Nonce, u32, u32),
    ) -> Result<PathBuf, Absent> {
        let shelf = self.shelf();
        match shelf.held.get(&(nonce, map, attempt)).filter(|output| output.job == job) {
            Some(output) => Ok(output.path.clone()),
            None => {
                let message = format!("this worker has no output of {job}/m{map}#{attempt}");
                Err(Absent { is_corrupt: false, message })
            }
        }
    }

    /// Returns a partition of an output, which is read from its file. A reader that reaches the end has checked it.
    pub(super) fn lend(
        &self,
        (job, nonce): (JobId, Nonce),
        (map, attempt): (u32, u32),
        partition: u32,
    ) -> Result<SegmentRef, Absent> {
        let file = self.open(job, (nonce, map, attempt))?;
        let info = segment(&file, partition, (job, map, attempt))?;
        Ok(lent(&file, map, info))
    }

    /// Returns a partition of an output after reading all its stored bytes and checking them.
    pub(super) fn check(
        &self,
        (job, nonce): (JobId, Nonce),
        (map, attempt): (u32, u32),
        partition: u32,
    ) -> Result<Stored, Absent> {
        let file = self.open(job, (nonce, map, attempt))?;
        let info = segment(&file, partition, (job, map, attempt))?;
        let crc32c = file.stored_checksum(partition)?;
        Ok(Stored { file, header: SegmentHeader { map, attempt, crc32c, info } })
    }

    fn open(&self, job: JobId, key: Key) -> Result<SpillFile, Absent> {
        if let Some((_, file)) = self.shelf().open.iter().find(|(open, _)| *open == key) {
            return Ok(file.clone());
        }
        let file = SpillFile::open(self.path(job, key)?)?;
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

/// Returns the entry of a partition in the index of an output.
fn segment(
    file: &SpillFile,
    partition: u32,
    (job, map, attempt): (JobId, u32, u32),
) -> Result<SegmentInfo, Absent> {
    let segments = &file.index().segments;
    segments.get(partition as usize).copied().ok_or_else(|| Absent {
        is_corrupt: false,
        message: format!(
            "the output of {job}/m{map}#{attempt} has no partition {partition}; its partitions \
             are numbered from 0, and their number is {}",
            segments.len()
        ),
    })
}

/// Describes a partition for an executor that reads it from the file.
fn lent(file: &SpillFile, map: u32, info: SegmentInfo) -> SegmentRef {
    SegmentRef { map, place: SegmentPlace { path: file.path().into(), info } }
}

/// Returns a partition of another worker's output on this machine, if the file at this path is that output.
pub(super) fn lend_at(
    path: &Path,
    (nonce, map, attempt): (Nonce, u32, u32),
    partition: u32,
) -> Option<SegmentRef> {
    let file = SpillFile::open(path).ok()?;
    let header = file.header();
    let is_it = (header.nonce, header.map, header.attempt) == (nonce.0, map, attempt);
    let info = file.index().segments.get(partition as usize).filter(|_| is_it)?;
    Some(lent(&file, map, *info))
}

/// Checks a lent partition again. Returns the reason if it is unavailable.
pub(super) fn fault(path: &Path, partition: u32) -> Option<Absent> {
    let checked = SpillFile::open(path).and_then(|file| file.stored_checksum(partition));
    checked.err().map(Absent::from)
}

impl From<shuffle::Error> for Absent {
    fn from(error: shuffle::Error) -> Self {
        // A missing file says nothing about the disk.
        let is_corrupt = !matches!(error, shuffle::Error::Open { .. });
        Absent { is_corrupt, message: told(&error) }
    }
}

/// Formats an error with its causes.
fn told(error: &shuffle::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// Returns the map and attempt of an output file, if its name and header agree and it is whole.
fn key_of(path: &Path, nonce: Nonce, job: JobId) -> Option<(u32, u32)> {
    let file = SpillFile::open(path).ok()?;
    let header = *file.header();
    let attempt = job.task(TaskKind::Map, header.map).attempt(header.attempt);
    let is_own = path.file_name()?.to_str()? == attempt_name(attempt) && header.nonce == nonce.0;
    is_own.then_some((header.map, header.attempt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::record::block::Codec;
    use crate::shuffle::{SpillHeader, SpillWriter};

    #[test]
    fn outputs_are_compressed_if_they_are_sent_or_are_many() {
        let outputs = MapOutputs { shelf: Mutex::default() };
        let mut options = Options {
            data: PathBuf::new(),
            address: String::new(),
            machine: "this one".to_string(),
            slots: 2,
            attempt_memory_bytes: 0,
            pid: 1,
            incarnation: 1,
            masterless_max: super::super::MASTERLESS_MAX,
            own_poll_thread: true,
            clock: Clock::system(),
            log: |_| {},
        };
        let job = JobId(1);
        let output = |bytes| Output { job, path: PathBuf::new(), digest: 0, bytes };
        for (map, bytes, compress) in [(0, 1, false), (1, (2 << 30) - 2, false), (2, 1, true)] {
            outputs.shelf().held.insert((Nonce(7), map, 1), output(bytes));
            assert_eq!(outputs.compress_next(&options), compress, "{map}");
        }
        outputs.forget(Nonce(7));
        assert!(!outputs.compress_next(&options));
        options.machine = String::new();
        assert!(outputs.compress_next(&options));
    }

    #[test]
    fn missing_output_does_not_count_as_damaged() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("m3-1");
        let header = SpillHeader { codec: Codec::Lz4, nonce: 7, map: 3, attempt: 1, partitions: 1 };
        let mut writer = SpillWriter::create(&path, header).unwrap();
        writer.push(0, b"key", b"value").unwrap();
        writer.finish().unwrap();
        let is_corrupt = || fault(&path, 0).map(|absent| absent.is_corrupt);
        assert_eq!(is_corrupt(), None);
        assert!(lend_at(&path, (Nonce(7), 3, 1), 0).is_some());
        for other in [(Nonce(8), 3, 1), (Nonce(7), 2, 1), (Nonce(7), 3, 2)] {
            assert!(lend_at(&path, other, 0).is_none(), "{other:?}");
        }
        assert!(lend_at(&path, (Nonce(7), 3, 1), 1).is_none(), "there is one partition");

        let mut bytes = fs::read(&path).unwrap();
        bytes[60] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(is_corrupt(), Some(true));
        fs::remove_file(&path).unwrap();
        assert_eq!(is_corrupt(), Some(false));
    }
}
