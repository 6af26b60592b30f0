//! Checks that two masters never assign work under the same leadership.
//!
//! A check of one leader per term would be wrong, because openraft lets a master with a higher number take over within
//! a term. But each leadership begins with a committed entry, and an index of the log has only one committed entry. So the
//! index of its first entry identifies a leadership.

use std::collections::{BTreeMap, BTreeSet};

use gristmill::model::MasterId;
use gristmill::rpc::masters::{MasterLine, Role};

/// The masters that have led.
#[derive(Default)]
pub(crate) struct Leaders {
    by_leadership: BTreeMap<u64, MasterId>,
    seen: BTreeSet<(u64, MasterId)>,
}

impl Leaders {
    /// Records that a master has assigned work.
    pub(crate) fn check(&mut self, leadership: u64, master: MasterId) -> Result<(), String> {
        let first = *self.by_leadership.entry(leadership).or_insert(master);
        if first == master {
            return Ok(());
        }
        Err(format!(
            "one_leader_at_once: {first} and {master} have both assigned work in leadership {leadership}"
        ))
    }

    /// Records that a master believes it is the leader. Returns whether that is new.
    pub(crate) fn see(&mut self, line: &MasterLine) -> bool {
        line.role == Role::Leader && self.seen.insert((line.term, line.id))
    }

    /// Returns the number of the master that was last seen as leader.
    pub(crate) fn last(&self) -> Option<MasterId> {
        self.seen.last().map(|(_, master)| *master)
    }

    pub(crate) fn count(&self) -> u64 {
        self.seen.len() as u64
    }
}
