//! Orders the jobs that have a task to start: by priority, then by the number of slots that they
//! hold (fewest first), then by age.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::JobId;

/// A job's claim to the next slot: higher priority first, then fewer slots held, then the older job. So jobs of equal
/// priority get equal numbers of slots.
pub(super) type Claim = (Reverse<u8>, u32, JobId);

/// One of this many started attempts belongs to the job that has waited longest, whatever its priority, so that no job
/// starves while jobs of a higher priority keep arriving.
const AGED_TURN: u64 = 16;

/// Jobs that have a task to start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    order: BTreeSet<Claim>,
    /// Each job's claim, and the number of the start since which the job has waited.
    claims: BTreeMap<JobId, (Claim, u64)>,
    /// The same jobs, longest wait first.
    waiting: BTreeSet<(u64, JobId)>,
    /// Number of attempts started from here.
    started: u64,
}

impl Queue {
    /// The jobs in the order of their turns.
    pub(super) fn jobs(&self) -> impl Iterator<Item = JobId> {
        let is_aged_turn = self.started % AGED_TURN == AGED_TURN - 1;
        let longest = self.waiting.first().filter(|_| is_aged_turn).map(|&(_, job)| job);
        longest.into_iter().chain(self.order.iter().map(|&(_, _, job)| job))
    }

    /// The job whose turn it is.
    pub(super) fn first(&self) -> Option<JobId> {
        self.jobs().next()
    }

    /// An attempt of a job starts, so its wait begins again.
    pub(super) fn serve(&mut self, job: JobId) {
        self.started += 1;
        if let Some((_, since)) = self.claims.get_mut(&job) {
            self.waiting.remove(&(*since, job));
            *since = self.started;
            self.waiting.insert((*since, job));
        }
    }

    /// Puts a job at the place of its claim, or removes it if it has none.
    pub(super) fn set(&mut self, job: JobId, claim: Option<Claim>) {
        let before = self.claims.get(&job).copied();
        if before.map(|(claim, _)| claim) == claim {
            return;
        }
        if let Some((claim, since)) = before {
            self.order.remove(&claim);
            self.waiting.remove(&(since, job));
            self.claims.remove(&job);
        }
        if let Some(claim) = claim {
            let since = before.map_or(self.started, |(_, since)| since);
            self.order.insert(claim);
            self.waiting.insert((since, job));
            self.claims.insert(job, (claim, since));
        }
    }
}
