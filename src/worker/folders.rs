//! Manages the worker's data folder: its layout, and when old files are removed.
//!
//! ```text
//! DATA/lock                           held by flock(2) while the worker lives
//!      worker                         the worker's id: w4
//!      cluster                        the random number of the cluster that it belongs to
//!      artifacts/<digest>             executables, specs, plans, side files; removed at start
//!      jobs/<nonce>/job               the job's id: j7
//!      jobs/<nonce>/outputs/m12-2     a sealed map output, which outlives the executor and the worker's process
//!      jobs/<nonce>/attempts/r3-1/    scratch of one running attempt; removed at its end, and at start
//!      logs/j7-m12-2                  an attempt's log
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Error;
use crate::crash::crash_point;
use crate::model::{AttemptId, JobId, Nonce, WorkerId};

/// The locked data folder.
pub(super) struct Folders {
    data: PathBuf,
    /// Jobs that have files here, or soon will.
    jobs: Mutex<BTreeMap<Nonce, JobId>>,
    _lock: File,
}

/// Returns an attempt's name within its job, as a file name: `m12-2`.
pub(super) fn attempt_name(attempt: AttemptId) -> String {
    format!("{}{}-{}", attempt.task.kind.letter(), attempt.task.index, attempt.number)
}

impl Folders {
    /// Opens the folder, creates what is missing, and removes what an earlier process left unless it is still useful.
    pub(super) fn open(data: &Path) -> Result<Self, Error> {
        let failed = |doing, path: &Path| {
            let path = path.to_path_buf();
            move |source| Error::Data { doing, path, source }
        };
        fs::create_dir_all(data).map_err(failed("make the data folder", data))?;
        let lock_path = data.join("lock");
        let lock = File::create(&lock_path).map_err(failed("lock the data folder", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::DataInUse { path: data.into() }),
            Err(TryLockError::Error(source)) => {
                return Err(failed("lock the data folder", &lock_path)(source));
            }
        }
        let artifacts = data.join("artifacts");
        remove_all(&artifacts).map_err(failed("remove old artifacts", &artifacts))?;
        for name in ["artifacts", "jobs", "logs"] {
            let path = data.join(name);
            fs::create_dir_all(&path).map_err(failed("create a folder", &path))?;
        }
        let jobs = data.join("jobs");
        let known = sweep_jobs(&jobs).map_err(failed("remove files of old attempts", &jobs))?;
        Ok(Self { data: data.into(), jobs: Mutex::new(known), _lock: lock })
    }

    pub(super) fn artifacts(&self) -> PathBuf {
        self.data.join("artifacts")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// Returns this worker's id, if a master has assigned one.
    pub(super) fn worker(&self) -> Option<WorkerId> {
        fs::read_to_string(self.data.join("worker")).ok()?.trim().parse().ok()
    }

    /// Stores this worker's id. If that fails, the worker gets a new id after a restart, which does no harm.
    pub(super) fn keep_worker(&self, worker: WorkerId) {
        let _kept_or_new_next_time = fs::write(self.data.join("worker"), format!("{worker}\n"));
    }

    /// Returns the random number of the cluster that this folder belongs to, if any.
    pub(super) fn cluster(&self) -> Option<u128> {
        let text = fs::read_to_string(self.data.join("cluster")).ok()?;
        text.trim().parse().ok().map(|Nonce(cluster)| cluster)
    }

    /// Stores the cluster that this folder belongs to. If that fails, the next start treats the folder as new.
    pub(super) fn keep_cluster(&self, cluster: u128) {
        if self.cluster() != Some(cluster) {
            let _kept_or_next_time =
                fs::write(self.data.join("cluster"), format!("{}\n", Nonce(cluster)));
        }
    }

    /// Records a job before any of its files arrive, so that polls ask about it and its files are always removed.
    pub(super) fn expect_job(&self, nonce: Nonce, job: JobId) {
        self.known().insert(nonce, job);
    }

    /// Returns all jobs that have files here, or soon will.
    pub(super) fn jobs(&self) -> Vec<(Nonce, JobId)> {
        self.known().iter().map(|(&nonce, &job)| (nonce, job)).collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Nonce, JobId>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of a job's files.
    pub(super) fn job(&self, nonce: Nonce) -> PathBuf {
        self.data.join("jobs").join(nonce.to_string())
    }

    /// Returns the folder of the job's map outputs; see [`attempt_name`].
    pub(super) fn outputs(&self, nonce: Nonce) -> PathBuf {
        self.job(nonce).join("outputs")
    }

    fn attempt(&self, nonce: Nonce, attempt: AttemptId) -> PathBuf {
        self.job(nonce).join("attempts").join(attempt_name(attempt))
    }

    /// Creates an attempt's empty scratch folder, and the job's folder if it is missing.
    pub(super) fn make_attempt(&self, nonce: Nonce, attempt: AttemptId) -> io::Result<PathBuf> {
        let job = self.job(nonce);
        let path = self.attempt(nonce, attempt);
        // Locked while the job's folder is created, so that it is removed either before or after.
        let mut known = self.known();
        known.insert(nonce, attempt.task.job);
        // The folder may have been removed since the last attempt, and executors start in it.
        fs::create_dir_all(self.outputs(nonce))?;
        if !job.join("job").exists() {
            fs::write(job.join("job"), format!("{}\n", attempt.task.job))?;
        }
        remove_all(&path)?;
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Removes an attempt's scratch folder. Whatever cannot be removed is removed with the job.
    pub(super) fn remove_attempt(&self, nonce: Nonce, attempt: AttemptId) {
        let _removed_or_later = remove_all(&self.attempt(nonce, attempt));
    }

    /// Removes all files of a job. Whatever cannot be removed is swept at the next start.
    pub(super) fn remove_job(&self, nonce: Nonce) {
        let job = self.job(nonce);
        let swept = job.with_extension("swept");
        let mut known = self.known();
        known.remove(&nonce);
        let renamed = fs::rename(&job, &swept).is_ok();
        drop(known);
        crash_point!("w15");
        let _removed_or_later = remove_all(if renamed { &swept } else { &job });
    }
}

/// Removes what an earlier process left, except map outputs, and returns the jobs that have some.
fn sweep_jobs(jobs: &Path) -> io::Result<BTreeMap<Nonce, JobId>> {
    let mut known = BTreeMap::new();
    for entry in fs::read_dir(jobs)? {
        let path = entry?.path();
        let nonce = path.file_name().and_then(|name| name.to_str()?.parse::<Nonce>().ok());
        let id = fs::read_to_string(path.join("job")).ok();
        let job = id.and_then(|id| id.trim().parse::<JobId>().ok());
        match nonce.zip(job) {
            Some((nonce, job)) => {
                remove_all(&path.join("attempts"))?;
                known.insert(nonce, job);
            }
            None => remove_all(&path)?,
        }
    }
    Ok(known)
}

/// Removes a folder and its contents. Succeeds if it does not exist.
fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskKind;

    #[test]
    fn job_without_a_folder_is_asked_about_too() {
        let folder = tempfile::TempDir::new().unwrap();
        let (nonce, attempt) = (Nonce(5), JobId(7).task(TaskKind::Map, 12).attempt(2));
        let folders = Folders::open(folder.path()).unwrap();
        folders.expect_job(nonce, JobId(7));
        assert_eq!(folders.jobs(), [(nonce, JobId(7))]);
        folders.remove_job(nonce);
        assert!(folders.jobs().is_empty());
        folders.expect_job(nonce, JobId(7));
        folders.make_attempt(nonce, attempt).unwrap();
        assert!(folders.outputs(nonce).exists());
        for removed in ["outputs", "job", "attempts", ""] {
            remove_all(&folders.job(nonce).join(removed)).unwrap();
            folders.make_attempt(nonce, attempt).unwrap();
            assert!(folders.outputs(nonce).exists() && folders.job(nonce).join("job").exists());
        }
    }

    #[test]
    fn restart_keeps_outputs_and_sweeps_the_rest() {
        let folder = tempfile::TempDir::new().unwrap();
        let (nonce, attempt) = (Nonce(5), JobId(7).task(TaskKind::Map, 12).attempt(2));
        let folders = Folders::open(folder.path()).unwrap();
        assert!(matches!(Folders::open(folder.path()), Err(Error::DataInUse { .. })));
        let scratch = folders.make_attempt(nonce, attempt).unwrap();
        fs::write(scratch.join("spill"), "half").unwrap();
        fs::write(folders.outputs(nonce).join("m12-2"), "whole").unwrap();
        fs::create_dir(folder.path().join("jobs/stray")).unwrap();
        folders.keep_worker(WorkerId(4));
        assert_eq!(folders.cluster(), None);
        folders.keep_cluster(0xc1);
        drop(folders);

        let folders = Folders::open(folder.path()).unwrap();
        assert_eq!(folders.worker(), Some(WorkerId(4)));
        assert_eq!(folders.cluster(), Some(0xc1));
        assert_eq!(folders.jobs(), [(nonce, JobId(7))]);
        assert!(!scratch.exists() && !folder.path().join("jobs/stray").exists());
        assert!(folders.outputs(nonce).join("m12-2").exists());
        folders.remove_job(nonce);
        assert!(folders.jobs().is_empty() && !folders.outputs(nonce).exists());
    }
}
