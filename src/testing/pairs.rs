//! Groups by key the pairs that a map emitted: each call of the reduce receives one group.

use std::collections::BTreeMap;

use crate::job::Job;
use crate::record::{Key, key};
use crate::shuffle::{Batch, Collect, Error, Group};

/// One emitted pair, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// Keeps emitted pairs in their order.
#[derive(Default)]
pub(super) struct Pairs(pub(super) Vec<Pair>);

impl Collect for Pairs {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let pair = |pair| (batch.key(pair).to_vec(), batch.value(pair).to_vec());
        self.0.extend(batch.pairs().iter().map(pair).map(|(key, value)| Pair { key, value }));
        batch.clear();
        Ok(())
    }
}

/// The values of one key, in the order in which they were emitted.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The whole key. A grouped key includes its order within the group.
    pub(super) key: Vec<u8>,
    pub(super) values: Vec<Vec<u8>>,
}

/// The input of one call of reduce: one key or, for grouped keys, all keys of the group, in their order.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    pub(super) group: Vec<u8>,
    pub(super) members: Vec<Member>,
}

impl Keyed {
    /// Returns the same group, with the values of each key replaced by those that `change` returns for them.
    pub(super) fn changed<E>(
        &self,
        mut change: impl FnMut(&[Vec<u8>]) -> Result<Vec<Vec<u8>>, E>,
    ) -> Result<Keyed, E> {
        let member = |member: &Member| {
            Ok(Member { key: member.key.clone(), values: change(&member.values)? })
        };
        let members = self.members.iter().map(member).collect::<Result<_, _>>()?;
        Ok(Keyed { group: self.group.clone(), members })
    }

    /// Returns all values, in the order in which the reduce sees them.
    pub(super) fn values(&self) -> Vec<&[u8]> {
        self.members.iter().flat_map(|member| &member.values).map(Vec::as_slice).collect()
    }

    /// Returns the largest number of values that one key has.
    pub(super) fn longest(&self) -> usize {
        self.members.iter().map(|member| member.values.len()).max().unwrap_or(0)
    }
}

/// Sorts and groups pairs as the shuffle does: the values of equal keys stay in their order.
///
/// # Errors
/// If the bytes of a key are invalid.
pub(super) fn grouped<'p, J: Job>(
    pairs: impl Iterator<Item = &'p Pair>,
) -> Result<Vec<Keyed>, key::Error> {
    let mut by_key: BTreeMap<&[u8], Vec<Vec<u8>>> = BTreeMap::new();
    for pair in pairs {
        by_key.entry(&pair.key).or_default().push(pair.value.clone());
    }
    let mut groups: Vec<Keyed> = Vec::new();
    for (key, values) in by_key {
        let group = &key[..<J::Key<'static> as Key<'static>>::group_len(key)?];
        let member = Member { key: key.to_vec(), values };
        match groups.last_mut().filter(|last| last.group == group) {
            Some(last) => last.members.push(member),
            None => groups.push(Keyed { group: group.to_vec(), members: vec![member] }),
        }
    }
    Ok(groups)
}

/// Lends a group's values to a reduce.
pub(super) struct InTurn<'k> {
    keyed: &'k Keyed,
    /// The key and the value that come next.
    next: (usize, usize),
    now: (usize, usize),
}

impl<'k> InTurn<'k> {
    pub(super) fn new(keyed: &'k Keyed) -> Self {
        InTurn { keyed, next: (0, 0), now: (0, 0) }
    }
}

impl Group for InTurn<'_> {
    fn advance(&mut self) -> Result<bool, Error> {
        while let Some(member) = self.keyed.members.get(self.next.0) {
            if self.next.1 < member.values.len() {
                self.now = self.next;
                self.next.1 += 1;
                return Ok(true);
            }
            self.next = (self.next.0 + 1, 0);
        }
        Ok(false)
    }

    fn value(&self) -> &[u8] {
        &self.keyed.members[self.now.0].values[self.now.1]
    }

    fn order(&self) -> &[u8] {
        &self.keyed.members[self.now.0].key[self.keyed.group.len()..]
    }
}
