//! Errors that end a worker, and faults of a worker that make an attempt fail.

use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use crate::model::{About, Cause, Failure, Nonce, TEXT_CHARS_MAX, escape, size};
use crate::rpc::refusal::Refusal;
use crate::storage::{Lack, free_bytes, hint, is_shortage};

/// Error that ends a worker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be used.
    #[error("failed to {doing}: {source}: {}\nhint: name another folder with --data DIR, or fix its permissions", display_path(.path))]
    Data {
        /// The action, to follow "failed to".
        doing: &'static str,
        /// The folder, or the file in it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another worker uses the data folder.
    #[error("another worker uses the data folder: {}\nhint: stop it, or name another folder with --data DIR", display_path(.path))]
    DataInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The shuffle service ended.
    #[error(
        "failed to serve map output at {address}: {source}\nhint: check whether another \
         program uses the port"
    )]
    Served {
        /// The address.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// The poll loop's thread could not be started.
    #[error(
        "failed to start the thread that polls the master: {0}\nhint: raise the limit on \
         processes (ulimit -u)"
    )]
    Thread(#[source] io::Error),
    /// The master refuses this worker permanently.
    #[error(
        "the master refuses this worker: {refusal}\nhint: correct the worker's flags and \
         restart it"
    )]
    Refused {
        /// Its answer.
        refusal: Refusal,
    },
    /// The data folder belongs to another cluster than the masters.
    #[error(
        "the data folder belongs to cluster {own}, but the masters belong to cluster {other}: \
         {}\nhint: name the right cluster with --cluster, or another folder with --data DIR", display_path(.path)
    )]
    OtherCluster {
        /// The folder.
        path: PathBuf,
        /// The folder's cluster.
        own: Nonce,
        /// The masters' cluster.
        other: Nonce,
    },
    /// No master answered for too long.
    #[error("no master answered for {} s: {last}\nhint: check whether the masters are running", .waited.as_secs())]
    Masterless {
        /// How long the worker waited.
        waited: Duration,
        /// The result of the last try.
        last: Refusal,
    },
}

/// Formats a path for a message.
pub(super) fn display_path(path: &Path) -> String {
    escape(path.as_os_str().as_bytes(), TEXT_CHARS_MAX)
}

/// Returns the failure of an attempt because of this worker's disk. If the disk is full, the message names the free
/// space.
pub(super) fn disk_failure(doing: &str, path: &Path, source: &io::Error) -> Failure {
    let folder = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let lack = Lack::of(source, folder);
    let message = if let Some(lack) = lack {
        let free = free_bytes(folder)
            .map_or("free space unknown".into(), |bytes| format!("{} free", size::format(bytes)));
        format!(
            "{lack} for {} ({free}): {}\nhint: free some space on the worker's disk, or start the \
             worker with a --data DIR on a larger disk",
            display_path(path),
            display_path(folder)
        )
    } else {
        format!(
            "failed to {doing}: {source}: {}\nhint: on the worker, {}",
            display_path(path),
            hint(source)
        )
    };
    let about = if lack.is_some() { About::FullDisk } else { About::Nothing };
    let cause = if is_shortage(source) { Cause::WorkerError } else { Cause::Disk };
    Failure::new(cause, message).about(about)
}

/// Returns the failure of an attempt whose executor could not be started.
///
/// The job is at fault only if no machine like this one can run the file. What this worker lacks, such as memory,
/// processes or descriptors, may be available on another worker, or later.
pub(super) fn start_failure(executable: &Path, source: &io::Error) -> Failure {
    let what = format!("cannot start the job's executable: {source}: {}", display_path(executable));
    // The file itself was just found, so its loader or interpreter is missing.
    let lacks_loader = source.kind() == ErrorKind::NotFound && executable.is_file();
    let is_foreign = matches!(Errno::from_io_error(source), Some(Errno::NOEXEC | Errno::LIBBAD));
    if lacks_loader || is_foreign {
        let hint = "build it for the operating system and processor of the workers";
        return Failure::new(Cause::UserError, format!("{what}\nhint: {hint}"));
    }
    let hint = match Errno::from_io_error(source) {
        Some(Errno::MFILE | Errno::NFILE) => "raise the worker's limit on open files (ulimit -n)",
        Some(Errno::AGAIN) => {
            "raise the worker's limit on processes (ulimit -u), or start it with fewer --slots"
        }
        Some(Errno::NOMEM) => {
            "add memory to the worker's machine, or start the worker with fewer --slots"
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            "start the worker with a --data DIR on a file system that is mounted without noexec"
        }
        Some(Errno::NOSPC | Errno::DQUOT) => "free some space on the worker's disk",
        _ => "look for the cause on the worker's machine",
    };
    Failure::new(Cause::WorkerError, format!("{what}\nhint: {hint}"))
}

/// Returns the failure of an attempt because a thread of the worker died, which is a bug in gristmill.
pub(super) fn task_failure(doing: &str, error: &tokio::task::JoinError) -> Failure {
    Failure::new(
        Cause::WorkerError,
        format!("failed to {doing}: a thread of the worker died: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_start_blames_job_only_for_a_foreign_executable() {
        let folder = tempfile::TempDir::new().unwrap();
        let here = folder.path().join("job");
        std::fs::write(&here, "no program").unwrap();
        let cause = |path: &Path, errno: Errno| start_failure(path, &errno.into()).cause;
        for of_worker in
            [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM, Errno::ACCESS, Errno::IO]
        {
            assert_eq!(cause(&here, of_worker), Cause::WorkerError, "{of_worker}");
        }
        for of_job in [Errno::NOEXEC, Errno::LIBBAD, Errno::NOENT] {
            assert_eq!(cause(&here, of_job), Cause::UserError, "{of_job}");
        }
        let gone = folder.path().join("gone");
        assert_eq!(cause(&gone, Errno::NOENT), Cause::WorkerError, "it was removed");
        let full = start_failure(&here, &Errno::MFILE.into());
        assert!(full.message.contains("ulimit -n"), "{}", full.message);
    }
}
