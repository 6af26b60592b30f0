//! No two masters ever lead in the same term.

use std::collections::BTreeMap;

use gristmill::rpc::masters::{MasterLine, Role};
use gristmill::spec::MasterId;

/// Who has led in which term.
#[derive(Default)]
pub(crate) struct Leaders {
    by_term: BTreeMap<u64, MasterId>,
}

impl Leaders {
    /// Whether it is a new leader.
    pub(crate) fn check(&mut self, line: &MasterLine) -> Result<bool, String> {
        if line.role != Role::Leader {
            return Ok(false);
        }
        match self.by_term.insert(line.term, line.id) {
            Some(other) if other != line.id => Err(format!(
                "one_leader_per_term: {other} has led in term {}, and {} does",
                line.term, line.id
            )),
            before => Ok(before.is_none()),
        }
    }

    /// The number of the one with the latest term.
    pub(crate) fn last(&self) -> Option<MasterId> {
        self.by_term.last_key_value().map(|(_, &leader)| leader)
    }

    pub(crate) fn count(&self) -> u64 {
        self.by_term.len() as u64
    }
}
