//! The map outputs that this worker has: they are its own, and outlive executors and the worker's process.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Options;
use super::error::disk_failure;
use super::folders::{Folders, attempt_name};
use crate::frame::SegmentRef;
use crate::rpc::shuffle::SegmentHeader;
use crate::rpc::workers::HeldOutput;
use crate::shuffle::{self, SegmentInfo, SpillFile};
use crate::spec::{AttemptId, Cause, Failure, JobId, Nonce, TaskKind};

/// Spill files that are kept open, with their indexes; the one opened first gives way.
const OPEN_MAX: usize = 128;

/// How many bytes of outputs a worker keeps uncompressed for each of its slots: as many as an attempt's memory has unless
/// the job says otherwise.
const PLAIN_BYTES_MAX: u64 = 1 << 30;

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
    bytes: u64,
}

/// A partition of a map output, whose stored bytes were found to be whole.
pub(super) struct Stored {
    pub(super) file: SpillFile,
    pub(super) header: SegmentHeader,
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

    /// All outputs, as a registration says them.
    pub(super) fn held(&self) -> Vec<HeldOutput> {
        let of = |(&(nonce, map, number), output): (&Key, &Output)| HeldOutput {
            attempt: output.job.task(TaskKind::Map, map).attempt(number),
            nonce,
            digest: output.digest,
        };
        self.shelf().held.iter().map(of).collect()
    }

    /// Whether the next output is to be compressed: where all are sent, or where there are so many already that they
    /// are no longer sure to stay in memory until they are read. Elsewhere that takes longer than to write what it saves.
    pub(super) fn compress_next(&self, Options { machine, slots, .. }: &Options) -> bool {
        let held_bytes = || self.shelf().held.values().map(|output| output.bytes).sum::<u64>();
        machine.is_empty() || held_bytes() >= u64::from(*slots) * PLAIN_BYTES_MAX
    }

    /// Forgets a job's outputs; their files are removed with the job's folder.
    pub(super) fn forget(&self, nonce: Nonce) {
        let mut shelf = self.shelf();
        shelf.held.retain(|key, _| key.0 != nonce);
        shelf.open.retain(|(key, _)| key.0 != nonce);
    }

    /// Where an output lies, for others on this machine.
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

    /// A partition of an output, to be read where it lies; whoever reads it to its end knows whether it is whole.
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

    /// A partition of an output, after all its stored bytes were read and held against their checksums.
    pub(super) fn check(
        &self,
        (job, nonce): (JobId, Nonce),
        (map, attempt): (u32, u32),
        partition: u32,
    ) -> Result<Stored, Absent> {
        let file = self.open(job, (nonce, map, attempt))?;
        let info = segment(&file, partition, (job, map, attempt))?;
        let crc32c = file.stored_checksum(partition)?;
        let header = SegmentHeader {
            map,
            attempt,
            stored_bytes: info.stored_bytes,
            crc32c,
            raw_bytes: info.raw_bytes,
            records: info.records,
            digest: info.digest,
        };
        Ok(Stored { file, header })
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

/// What the index of an output says of a partition.
fn segment(
    file: &SpillFile,
    partition: u32,
    (job, map, attempt): (JobId, u32, u32),
) -> Result<SegmentInfo, Absent> {
    let segments = &file.index().segments;
    segments.get(partition as usize).copied().ok_or_else(|| Absent {
        is_corrupt: false,
        message: format!(
            "the output of {job}/m{map}#{attempt} has {} partitions, and none of number {partition}",
            segments.len()
        ),
    })
}

/// As an executor reads it where it lies.
fn lent(file: &SpillFile, map: u32, info: SegmentInfo) -> SegmentRef {
    SegmentRef {
        map,
        path: file.path().to_path_buf(),
        offset: info.offset,
        stored_bytes: info.stored_bytes,
        raw_bytes: info.raw_bytes,
        records: info.records,
        digest: info.digest,
    }
}

/// A partition of an output of another worker on this machine, if the file at this place is really that output.
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

/// Why a partition of an output that was lent cannot be had after all, if it cannot.
pub(super) fn fault(path: &Path, partition: u32) -> Option<Absent> {
    let checked = SpillFile::open(path).and_then(|file| file.stored_checksum(partition));
    checked.err().map(Absent::from)
}

impl From<shuffle::Error> for Absent {
    fn from(error: shuffle::Error) -> Self {
        // A file that is gone says nothing of the disk.
        let is_corrupt = !matches!(error, shuffle::Error::Open { .. });
        Absent { is_corrupt, message: told(&error) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::record::block::Codec;
    use crate::shuffle::{SpillHeader, SpillWriter};

    #[test]
    fn outputs_are_compressed_where_they_are_sent_or_are_many() {
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
    fn an_output_that_is_gone_is_not_taken_for_a_damaged_one() {
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
