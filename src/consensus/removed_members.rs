//! Records the numbers of removed masters, which are not used again.
//!
//! The numbers follow from the lists of members in the log: a master that is in one list but not in the next was
//! removed. Every node sees the same lists in the same order. A snapshot holds the numbers in front of the machine's
//! state:
//!
//! ```text
//!   count: u64 LE │ that many numbers: u64 LE, ascending │ the machine's state
//! ```

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use super::Unreadable;
use super::entry::{Membership, NodeId};

/// Length of a number in a snapshot.
const NUMBER_BYTES: usize = 8;

/// The members and the removed masters, according to the applied entries.
#[derive(Debug, Default)]
pub(super) struct RemovedMembers(Mutex<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    members: BTreeSet<NodeId>,
    removed: BTreeSet<NodeId>,
}

impl RemovedMembers {
    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().expect("code that holds this lock cannot panic")
    }

    /// The numbers of all removed masters.
    pub(super) fn numbers(&self) -> BTreeSet<NodeId> {
        self.lock().removed.clone()
    }

    /// Applies a list of members.
    pub(super) fn apply(&self, membership: &Membership) {
        let now: BTreeSet<NodeId> = membership.nodes().map(|(&node, _)| node).collect();
        let mut numbers = self.lock();
        let gone: Vec<NodeId> = numbers.members.difference(&now).copied().collect();
        numbers.removed.extend(gone);
        numbers.members = now;
    }

    /// Writes the numbers before the machine's state.
    pub(super) fn saved(&self, state: Vec<u8>) -> Vec<u8> {
        let removed = self.numbers();
        let mut body = Vec::with_capacity((1 + removed.len()) * NUMBER_BYTES + state.len());
        body.extend((removed.len() as u64).to_le_bytes());
        removed.iter().for_each(|node| body.extend(node.to_le_bytes()));
        body.extend(state);
        body
    }

    /// Restores the numbers and the members from a snapshot, and returns the rest of it.
    pub(super) fn load<'b>(
        &self,
        membership: &Membership,
        body: &'b [u8],
    ) -> Result<&'b [u8], Unreadable> {
        let short =
            || Unreadable("the snapshot is truncated within the list of removed masters".into());
        let (count, mut rest) = number(body).ok_or_else(short)?;
        let mut removed = BTreeSet::new();
        for _ in 0..count {
            let (node, behind) = number(rest).ok_or_else(short)?;
            removed.insert(node);
            rest = behind;
        }
        let members = membership.nodes().map(|(&node, _)| node).collect();
        *self.lock() = Numbers { members, removed };
        Ok(rest)
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<NUMBER_BYTES>()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use openraft::BasicNode;

    use super::*;

    fn members(nodes: &[NodeId]) -> Membership {
        let nodes = nodes.iter().map(|&node| (node, BasicNode::new("127.0.0.1:1")));
        let nodes: std::collections::BTreeMap<_, _> = nodes.collect();
        let voters = nodes.keys().copied().collect::<BTreeSet<_>>();
        Membership::new(None, openraft::Membership::new(vec![voters], nodes))
    }

    #[test]
    fn removed_masters_are_remembered_through_a_snapshot() {
        let removed = RemovedMembers::default();
        for list in [&[1][..], &[1, 2], &[1, 2, 3], &[1, 3], &[1, 3, 4], &[3, 4]] {
            removed.apply(&members(list));
        }
        assert_eq!(removed.numbers(), [1, 2].into());
        let body = removed.saved(b"state".to_vec());
        let loaded = RemovedMembers::default();
        assert_eq!(loaded.load(&members(&[3, 4]), &body), Ok(b"state".as_slice()));
        loaded.apply(&members(&[4]));
        assert_eq!(loaded.numbers(), [1, 2, 3].into());
        for bytes in [0, 7, 8, 20] {
            assert!(loaded.load(&members(&[4]), &body[..bytes]).is_err(), "{bytes}");
        }
    }
}
