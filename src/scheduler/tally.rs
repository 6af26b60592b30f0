//! Counts the attempts and backups of a job, for the counter group `Job Counters`.

use serde::{Deserialize, Serialize};

use super::attempt::Worth;
use crate::model::Counters;

/// Group of the counters that the scheduler keeps.
pub const JOB_COUNTERS: &str = "Job Counters";

/// Counts of all attempts, not only of winners.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    attempts_started: u64,
    attempts_rerun: u64,
    backups_started: u64,
    backups_won: u64,
    backup_ms_saved: u64,
    backup_ms_wasted: u64,
}

impl Tally {
    /// An attempt starts. Every attempt after a task's first one counts as a re-run.
    pub(super) fn start(&mut self, number: u32) {
        self.attempts_started += 1;
        self.attempts_rerun += u64::from(number > 1);
    }

    /// A backup starts, with an attempt for each of this many tasks.
    pub(super) fn start_backup(&mut self, tasks: u64) {
        self.attempts_started += tasks;
        self.backups_started += 1;
    }

    /// An attempt has ended. If it was a backup, its outcome is known now.
    pub(super) fn close(&mut self, worth: Option<Worth>) {
        match worth {
            Some(Worth::Saved { ms }) => {
                self.backups_won += 1;
                self.backup_ms_saved = self.backup_ms_saved.saturating_add(ms);
            }
            Some(Worth::Wasted { ms }) => {
                self.backup_ms_wasted = self.backup_ms_wasted.saturating_add(ms);
            }
            None => {}
        }
    }

    /// Returns the group [`JOB_COUNTERS`], with the numbers of tasks.
    pub(super) fn counters(&self, maps: u32, reduces: u32) -> Counters {
        let mut counters = Counters::new();
        let counts = [
            ("attempts_started", self.attempts_started),
            ("attempts_rerun", self.attempts_rerun),
            ("backups_started", self.backups_started),
            ("backups_won", self.backups_won),
            ("backup_ms_saved", self.backup_ms_saved),
            ("backup_ms_wasted", self.backup_ms_wasted),
            ("maps", maps.into()),
            ("reduces", reduces.into()),
        ];
        for (name, n) in counts {
            counters.add(JOB_COUNTERS, name, n);
        }
        counters
    }
}
