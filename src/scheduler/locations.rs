//! Tracks where a job's map outputs are, as a list of changes. A caller asks only for the changes since its last
//! request.

use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, WorkerId};

/// The part of a job's map outputs that a caller already knows; the default is "nothing yet".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Increases when the list of changes is rewritten. A caller with an older number starts from the first change.
    epoch: u32,
    index: u32,
}

impl From<Cursor> for u64 {
    /// The cursor as one number for the network; "nothing yet" is 0.
    fn from(Cursor { epoch, index }: Cursor) -> Self {
        Self::from(epoch) << 32 | Self::from(index)
    }
}

impl From<u64> for Cursor {
    fn from(number: u64) -> Self {
        let index = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self { epoch: u32::try_from(number >> 32).unwrap_or(u32::MAX), index }
    }
}

/// The changes since a [`Cursor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Each map whose output has appeared, disappeared or moved, with its current location. A map may occur twice. If
    /// a map has joined another one, its output is that map's output, and the attempt says which.
    pub outputs: Vec<(u32, Option<Output>)>,
    /// The cursor for the next call.
    pub next: Cursor,
    /// Whether there are more changes than requested.
    pub more: bool,
}

/// A map output that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The attempt that wrote it.
    pub attempt: AttemptId,
    /// The worker that holds it.
    pub worker: WorkerId,
    /// Its digest, if the attempt reported one.
    pub digest: Option<u64>,
}

/// The maps whose output appeared, disappeared or moved, in that order: four bytes per change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changes {
    epoch: u32,
    maps: Vec<u32>,
}

/// Changes per map after which the list is rewritten with each map once.
const CHANGES_PER_MAP_MAX: usize = 4;

impl Changes {
    /// Records that a map's output appeared, disappeared or moved. `total` is the number of maps.
    pub(super) fn note(&mut self, map: u32, total: u32) {
        let most = (total as usize).saturating_mul(CHANGES_PER_MAP_MAX).max(1_000);
        if self.maps.len() >= most {
            self.maps.sort_unstable();
            self.maps.dedup();
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.maps.push(map);
    }

    /// Returns up to `max` maps that have changed since `cursor`, with the new cursor.
    pub(super) fn since(&self, cursor: Cursor, max: usize) -> (&[u32], Cursor) {
        let index = if cursor.epoch == self.epoch { cursor.index as usize } else { 0 };
        let start = index.min(self.maps.len());
        let end = start.saturating_add(max).min(self.maps.len());
        let next = Cursor { epoch: self.epoch, index: u32::try_from(end).unwrap_or(u32::MAX) };
        (self.maps.get(start..end).unwrap_or_default(), next)
    }

    pub(super) fn ends_at(&self, cursor: Cursor) -> bool {
        cursor.index as usize >= self.maps.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follower_gets_each_change_and_late_one_gets_all() {
        let mut changes = Changes::default();
        for map in 0..1_000 {
            changes.note(map % 10, 10);
        }
        let (heard, cursor) = changes.since(Cursor::default(), 600);
        assert_eq!((heard.len(), changes.ends_at(cursor)), (600, false));
        let (heard, cursor) = changes.since(cursor, 600);
        assert_eq!((heard.len(), changes.ends_at(cursor)), (400, true));
        assert!(changes.since(cursor, 600).0.is_empty());

        changes.note(3, 10);
        let (heard, cursor) = changes.since(cursor, 600);
        assert_eq!(heard, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 3]);
        changes.note(4, 10);
        assert_eq!(changes.since(cursor, 600).0, [4]);
        assert_eq!(Cursor::from(u64::from(cursor)), cursor);
        assert_eq!(Cursor::from(0), Cursor::default());
    }
}
