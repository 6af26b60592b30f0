//! A digest of everything that a node has applied: a node whose digest differs from the leader's must stop.
//!
//! After each entry, the digest covers the entry's index and command, the state machine's answer, and all earlier entries.
//! Each proposal carries the proposer's last index and digest. Every node compares them with its own when it applies
//! the entry. A difference is therefore detected one entry later.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Unreadable;

/// Entries whose digests are remembered. A proposal is committed long before this many entries follow its index.
const REMEMBERED: usize = 1_024;
/// Length of a number in a snapshot, before the machine's state.
const DIGEST_BYTES: usize = 8;

/// The digest after an entry. There is none for entry 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DigestAt {
    pub(super) index: u64,
    pub(super) digest: u64,
}

/// The digests after the last entries that this node has applied.
#[derive(Debug, Default)]
pub(super) struct Digests {
    past: Mutex<VecDeque<DigestAt>>,
}

impl Digests {
    fn past(&self) -> MutexGuard<'_, VecDeque<DigestAt>> {
        self.past.lock().expect("code that holds this lock cannot panic")
    }

    pub(super) fn last(&self) -> DigestAt {
        self.past().back().copied().unwrap_or_default()
    }

    /// Adds an entry that was applied.
    pub(super) fn add(&self, index: u64, command: &[u8], reply: &[u8]) {
        let mut past = self.past();
        let before = past.back().map_or(0, |at| at.digest);
        let digest = xxh3_64_with_seed(command, before.wrapping_add(index));
        let digest = xxh3_64_with_seed(reply, digest);
        past.push_back(DigestAt { index, digest });
        if past.len() > REMEMBERED {
            past.pop_front();
        }
    }

    /// Returns this node's digest of the same entry, if it differs.
    pub(super) fn differs(&self, theirs: DigestAt) -> Option<u64> {
        if theirs.index == 0 {
            return None;
        }
        let past = self.past();
        let first = past.front()?.index;
        let at = usize::try_from(theirs.index.checked_sub(first)?).ok()?;
        let ours = past.get(at)?;
        (ours.digest != theirs.digest).then_some(ours.digest)
    }

    /// Writes the digest before the rest of a snapshot.
    pub(super) fn saved(&self, state: Vec<u8>) -> Vec<u8> {
        let mut body = self.last().digest.to_le_bytes().to_vec();
        body.extend(state);
        body
    }

    /// Restores the digest from a snapshot's body, and returns the rest of it.
    pub(super) fn load<'b>(&self, index: u64, body: &'b [u8]) -> Result<&'b [u8], Unreadable> {
        let (digest, state) = Self::split(body)?;
        *self.past() = VecDeque::from([DigestAt { index, digest }]);
        Ok(state)
    }

    /// The digest in a snapshot's body, and the bytes after it.
    pub(super) fn split(body: &[u8]) -> Result<(u64, &[u8]), Unreadable> {
        let split = body.split_first_chunk::<DIGEST_BYTES>();
        let (digest, state) =
            split.ok_or(Unreadable("the snapshot is too short to hold a digest".into()))?;
        Ok((u64::from_le_bytes(*digest), state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_stays_and_survives_a_snapshot() {
        let [ours, same, other] = [(); 3].map(|()| Digests::default());
        for index in 0..3_000 {
            ours.add(index, b"command", b"reply");
            same.add(index, b"command", b"reply");
            other.add(index, b"command", if index == 7 { b"other" } else { b"reply" });
            assert_eq!(same.differs(ours.last()), None);
            assert_eq!(other.differs(ours.last()).is_some(), index >= 7, "{index}");
        }
        let body = ours.saved(b"state".to_vec());
        let loaded = Digests::default();
        assert_eq!(loaded.load(2_999, &body), Ok(b"state".as_slice()));
        assert_eq!(loaded.last(), ours.last());
        assert!(loaded.differs(other.last()).is_some());
        assert!(loaded.load(1, b"short").is_err());
    }

    #[test]
    fn unknown_entries_are_not_compared() {
        let digests = Digests::default();
        let far = |index| DigestAt { index, digest: 1 };
        assert_eq!(digests.differs(far(0)), None);
        digests.load(5, &[0; DIGEST_BYTES]).unwrap();
        assert_eq!([0, 4, 6].map(|index| digests.differs(far(index))), [None; 3]);
        assert_eq!(digests.differs(far(5)), Some(0));
    }
}
