//! Keeps what attempts print: in memory while they run, in files afterwards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::folders::attempt_name;
use super::{CappedLog, Process};
use crate::model::AttemptId;

/// Most log files that are kept; the oldest is removed first.
const FILES_MAX: usize = 1000;
/// Most attempts without output that are remembered; those of the oldest job are forgotten first.
const SILENT_MAX: usize = 100_000;

/// The logs of a worker's attempts.
pub(super) struct Logs {
    folder: PathBuf,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// Running attempts and their processes.
    live: BTreeMap<AttemptId, Arc<dyn Process>>,
    /// Names of the files, oldest first.
    files: VecDeque<String>,
    /// Attempts that printed nothing, for which there is no file.
    silent: BTreeSet<AttemptId>,
}

impl Logs {
    pub(super) fn new(folder: PathBuf) -> Self {
        let mut found: Vec<_> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                Some((
                    entry.metadata().ok()?.modified().ok()?,
                    entry.file_name().into_string().ok()?,
                ))
            })
            .collect();
        found.sort_unstable();
        let files = found.into_iter().map(|(_, name)| name).collect();
        Logs { folder, shelf: Mutex::new(Shelf { files, ..Shelf::default() }) }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Assigns what the process prints from now on to the attempt.
    pub(super) fn begin(&self, attempt: AttemptId, process: Arc<dyn Process>) {
        let _of_the_attempt_before = process.take_log();
        self.shelf().live.insert(attempt, process);
    }

    /// Ends the attempt's log: writes it to a file, if anything was printed, and returns it. If it cannot be written, for
    /// example on a full disk, the attempt does not fail.
    pub(super) fn end(&self, attempt: AttemptId) -> CappedLog {
        let Some(process) = self.shelf().live.remove(&attempt) else { return CappedLog::new() };
        let log = process.take_log();
        if log.is_empty() {
            let silent = &mut self.shelf().silent;
            silent.insert(attempt);
            if silent.len() > SILENT_MAX {
                silent.pop_first();
            }
            return log;
        }
        let name = file_name(attempt);
        let _written_or_lost = fs::write(self.folder.join(&name), log.to_bytes());
        let mut shelf = self.shelf();
        shelf.files.push_back(name);
        while shelf.files.len() > FILES_MAX {
            if let Some(oldest) = shelf.files.pop_front() {
                let _removed_or_gone = fs::remove_file(self.folder.join(oldest));
            }
        }
        log
    }

    /// Ends the log of an attempt that left the process before the attempt began there, and discards what was printed.
    pub(super) fn leave(&self, attempt: AttemptId) {
        self.shelf().live.remove(&attempt);
    }

    /// Returns what an attempt has printed, if it ran here.
    pub(super) fn read(&self, attempt: AttemptId) -> Option<Vec<u8>> {
        let shelf = self.shelf();
        let (live, is_silent) =
            (shelf.live.get(&attempt).map(Arc::clone), shelf.silent.contains(&attempt));
        drop(shelf);
        match live {
            Some(process) => Some(process.log().to_bytes()),
            None if is_silent => Some(Vec::new()),
            None => fs::read(self.folder.join(file_name(attempt))).ok(),
        }
    }
}

fn file_name(attempt: AttemptId) -> String {
    format!("{}-{}", attempt.task.job, attempt_name(attempt))
}
