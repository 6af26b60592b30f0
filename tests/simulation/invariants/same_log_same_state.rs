//! Checks that masters apply the same commands at the same log index, with the same outcome, however often they
//! restart.

use std::collections::BTreeMap;

use gristmill::master::Done;
use gristmill::model::MasterId;

/// What the first master that reached each index of the log did there.
#[derive(Default)]
pub(crate) struct Log {
    entries: BTreeMap<u64, Vec<Done>>,
}

impl Log {
    /// Returns whether this master is the first one to reach this index.
    pub(crate) fn check(&mut self, master: u64, index: u64, all: &[Done]) -> Result<bool, String> {
        if let Some(first) = self.entries.get(&index) {
            if first == all {
                return Ok(false);
            }
            return Err(format!(
                "same_log_same_state: at {index} master {master} has {all:?}, another one {first:?}"
            ));
        }
        let last = self.entries.last_key_value().map(|(&last, _)| last);
        if last > Some(index) {
            return Err(format!(
                "same_log_same_state: master {master} has something at {index}, which others passed by at {last:?}"
            ));
        }
        self.entries.insert(index, all.to_vec());
        Ok(true)
    }
}

/// The fingerprint of the state at each index of the log at which a master was seen.
#[derive(Default)]
pub(crate) struct States {
    by_index: BTreeMap<u64, u64>,
}

impl States {
    /// Compares the fingerprint of a master's state with those of others, including masters that got there with a
    /// snapshot.
    pub(crate) fn check(
        &mut self,
        master: MasterId,
        (index, state): (u64, u64),
    ) -> Result<(), String> {
        let first = *self.by_index.entry(index).or_insert(state);
        if first == state {
            return Ok(());
        }
        Err(format!(
            "same_log_same_state: at {index} the state of {master} is {state:x}, that of another one {first:x}"
        ))
    }
}
