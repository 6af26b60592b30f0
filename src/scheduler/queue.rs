//! Whose turn it is: jobs that have a task to start, the one with the best claim first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::spec::JobId;

/// A job's claim to the next slot: the higher priority, then the fewer slots held, then the older
/// job. So jobs of one priority that want slots come to hold equally many.
pub(super) type Claim = (Reverse<u8>, u32, JobId);

/// Jobs that have a task to start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    order: BTreeSet<Claim>,
    claims: BTreeMap<JobId, Claim>,
}

impl Queue {
    pub(super) fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.order.iter().map(|&(_, _, job)| job)
    }

    /// The job whose turn it is.
    pub(super) fn first(&self) -> Option<JobId> {
        self.order.first().map(|&(_, _, job)| job)
    }

    /// Puts a job where its claim belongs, or takes it out if it has none.
    pub(super) fn set(&mut self, job: JobId, claim: Option<Claim>) {
        if self.claims.get(&job) == claim.as_ref() {
            return;
        }
        let before = match claim {
            Some(claim) => self.claims.insert(job, claim),
            None => self.claims.remove(&job),
        };
        if let Some(before) = before {
            self.order.remove(&before);
        }
        self.order.extend(claim);
    }
}
